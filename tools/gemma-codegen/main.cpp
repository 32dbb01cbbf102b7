// gemma-codegen: a step program -> CPU module, LLVM IR, assembly or object, for one target; gpu.modules ->
// PTX or cubin. A developer's tool: it reads MLIR text, which is trusted input.
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "codegen/cuda/LowerToPtx.h"
#include "codegen/cuda/Ptxas.h"
#include "codegen/cuda/StepToCuda.h"
#include "dialect/gemma/Gemma.h"
#include "dialect/step/Step.h"
#include "frontend/Diagnostic.h"

#include "mlir/Parser/Parser.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace gemmac;
namespace cl = llvm::cl;

namespace {

int fail(const llvm::Twine &message, ExitCode code) {
  llvm::errs() << "gemma-codegen: error: " << message << "\n";
  return static_cast<int>(code);
}

int fail(llvm::Error error) {
  ExitCode code = ExitCode::BadInput;
  std::string text;
  llvm::handleAllErrors(
      std::move(error),
      [&](const Failure &failure) {
        code = failure.exitCode();
        text = failure.text();
      },
      [&](const llvm::ErrorInfoBase &other) { text = other.message(); });
  return fail(text, code);
}

using Result = llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>;

Result asText(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  return llvm::MemoryBuffer::getMemBufferCopy(text);
}

/// The CPU module as text, or compiled.
Result produce(mlir::ModuleOp module, const Target &target, llvm::StringRef kind, unsigned level) {
  if (kind == "asm")
    return compileToAssembly(module, target, level);
  if (kind == "llvm")
    return compileToLLVMText(module, target, level);
  if (kind == "obj")
    return compileToObject(module, target, level);
  if (kind != "mlir")
    return usageError("--emit: found \"" + kind + "\", expected mlir, llvm, asm or obj");
  return asText(module);
}

/// The gpu.modules as text, or compiled.
Result produce(mlir::ModuleOp module, const GpuTarget &target, llvm::StringRef kind, unsigned level) {
  if (kind == "mlir")
    return asText(module);
  if (kind != "ptx" && kind != "cubin")
    return usageError("--emit: found \"" + kind + "\", expected mlir, ptx or cubin with --gpu-arch");
  llvm::Expected<std::string> ptx =
      compileToPtx(llvm::to_vector(module.getOps<mlir::gpu::GPUModuleOp>()), target, level);
  if (!ptx)
    return ptx.takeError();
  if (kind == "ptx")
    return llvm::MemoryBuffer::getMemBufferCopy(*ptx);
  llvm::Expected<Ptxas> ptxas = needPtxas("--emit=cubin");
  if (!ptxas)
    return ptxas.takeError();
  auto made = assemble(*ptxas, *ptx, target);
  if (!made)
    return made.takeError();
  llvm::errs() << printReports(perKernel(made->front().reports));
  return std::move(made->front().cubin);
}

/// What `emit` makes of the one program in `module`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
emitCode(mlir::ModuleOp module, llvm::StringRef input,
         llvm::function_ref<mlir::LogicalResult(step::ProgramOp, mlir::ModuleOp)> emit) {
  auto programs = llvm::to_vector(module.getOps<step::ProgramOp>());
  if (programs.size() != 1)
    return inputError(input, "", "expected one step.program, found " + llvm::Twine(programs.size()));
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(module.getLoc());
  if (mlir::failed(emit(programs.front(), *code)))
    return usageError(input + ": the target has no code for what is named above; take another target");
  return code;
}

Result compileForCpu(mlir::ModuleOp module, llvm::StringRef input, llvm::StringRef march,
                     llvm::StringRef kind, unsigned level) {
  llvm::Expected<Target> target = lookupTarget(march);
  if (!target)
    return target.takeError();
  auto code = emitCode(module, input, [&](step::ProgramOp program, mlir::ModuleOp dst) {
    return emitCpu(program, dst, *target);
  });
  return code ? produce(**code, *target, kind, level) : code.takeError();
}

Result compileForGpu(mlir::ModuleOp module, llvm::StringRef input, llvm::StringRef arch, llvm::StringRef kind,
                     unsigned level) {
  llvm::Expected<std::vector<GpuTarget>> targets = lookupGpuTargets(arch);
  if (!targets)
    return targets.takeError();
  if (targets->size() != 1)
    return usageError("--gpu-arch: found " + llvm::Twine(targets->size()) + " architectures, expected one");
  if (!module.getOps<mlir::gpu::GPUModuleOp>().empty())
    return produce(module, targets->front(), kind, level);
  auto code = emitCode(module, input, [&](step::ProgramOp program, mlir::ModuleOp dst) {
    return emitCuda(program, dst, targets->front(), /*hostTables=*/false);
  });
  return code ? produce(**code, targets->front(), kind, level) : code.takeError();
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::opt<std::string> input(cl::Positional, cl::desc("<module with a planned step.program>"), cl::init("-"));
  cl::opt<std::string> output("o", cl::desc("output file"), cl::init("-"));
  cl::opt<std::string> march("march", cl::desc("target, as gemmac's --march"), cl::init("native"));
  cl::opt<std::string> gpuArch("gpu-arch", cl::desc("for a GPU: architecture, as gemmac's --gpu-arch"));
  cl::opt<std::string> emit("emit", cl::desc("mlir, llvm, asm or obj; with --gpu-arch mlir, ptx or cubin"));
  cl::opt<unsigned> level("O", cl::desc("optimisation level 0..3"), cl::Prefix, cl::init(2));
  cl::opt<bool> time("time", cl::desc("print how long it took"));
  cl::ParseCommandLineOptions(argc, argv, "step program -> CPU code; gpu.modules -> GPU code\n");

  auto start = std::chrono::steady_clock::now();
  const bool gpu = gpuArch.getNumOccurrences();
  mlir::DialectRegistry registry;
  registerCpuDialects(registry);
  if (gpu)
    registerCudaDialects(registry);
  registry.insert<gemma::GemmaDialect, step::StepDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(input, &context);
  if (!module)
    return static_cast<int>(ExitCode::BadInput);
  const llvm::StringRef kind = !emit.empty() ? llvm::StringRef(emit) : gpu ? "ptx" : "asm";
  Result result = gpu ? compileForGpu(*module, input, gpuArch, kind, level)
                      : compileForCpu(*module, input, march, kind, level);
  if (!result)
    return fail(result.takeError());
  if (time)
    llvm::errs() << "code generation: "
                 << std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                          start)
                        .count()
                 << " ms, " << (*result)->getBufferSize() << " bytes\n";
  std::error_code error;
  llvm::ToolOutputFile file(output, error, llvm::sys::fs::OF_None);
  if (error)
    return fail(output + ": " + error.message(), ExitCode::Machine);
  file.os() << (*result)->getBuffer();
  file.keep();
  return 0;
}
