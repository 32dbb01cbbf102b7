// gemma-codegen: a step program -> CPU module, LLVM IR, assembly or object, for one target. A developer's
// tool: it reads MLIR text, which is trusted input.
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
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

/// The CPU module as text, or compiled.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> produce(mlir::ModuleOp module, const Target &target,
                                                            llvm::StringRef kind, unsigned level) {
  if (kind == "asm")
    return compileToAssembly(module, target, level);
  if (kind == "llvm")
    return compileToLLVMText(module, target, level);
  if (kind == "obj")
    return compileToObject(module, target, level);
  if (kind != "mlir")
    return usageError("--emit: found \"" + kind + "\", expected mlir, llvm, asm or obj");
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  return llvm::MemoryBuffer::getMemBufferCopy(text);
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::opt<std::string> input(cl::Positional, cl::desc("<module with a planned step.program>"), cl::init("-"));
  cl::opt<std::string> output("o", cl::desc("output file"), cl::init("-"));
  cl::opt<std::string> march("march", cl::desc("target, as gemmac's --march"), cl::init("native"));
  cl::opt<std::string> emit("emit", cl::desc("mlir, llvm, asm or obj"), cl::init("asm"));
  cl::opt<unsigned> level("O", cl::desc("optimisation level 0..3"), cl::Prefix, cl::init(2));
  cl::opt<bool> time("time", cl::desc("print how long it took"));
  cl::ParseCommandLineOptions(argc, argv, "step program -> CPU code\n");

  auto start = std::chrono::steady_clock::now();
  llvm::Expected<Target> target = lookupTarget(march);
  if (!target)
    return fail(target.takeError());
  mlir::DialectRegistry registry;
  registerCpuDialects(registry);
  registry.insert<gemma::GemmaDialect, step::StepDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(input, &context);
  if (!module)
    return static_cast<int>(ExitCode::BadInput);
  auto programs = llvm::to_vector(module->getOps<step::ProgramOp>());
  if (programs.size() != 1)
    return fail(input + ": expected one step.program, found " + llvm::Twine(programs.size()),
                ExitCode::BadInput);
  auto code = mlir::OwningOpRef<mlir::ModuleOp>(mlir::ModuleOp::create(module->getLoc()));
  if (mlir::failed(emitCpu(programs.front(), *code, *target)))
    return static_cast<int>(ExitCode::BadInput);
  auto result = produce(*code, *target, emit, level);
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
