// See CudaRoad.h.
#include "tools/gemmac/CudaRoad.h"

#include "codegen/cuda/LowerToPtx.h"
#include "codegen/cuda/Ptxas.h"
#include "codegen/cuda/StepToCuda.h"
#include "frontend/Diagnostic.h"
#include "tools/gemmac/Compilation.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace gemmac {

namespace {

class CudaCompilation : Compilation {
public:
  explicit CudaCompilation(const Options &options) : Compilation(options) {}
  llvm::Error run();

private:
  llvm::Error choose();
  llvm::Error lower();
  llvm::Error generate();
  llvm::Error writeCubin(llvm::StringRef ptx);
  const GpuTarget &target() const { return targets.front(); }

  std::vector<GpuTarget> targets;   ///< the highest capability first
  std::optional<std::string> ptxas; ///< needed for cubins, and for --save-temps used where it is
  step::ProgramOp program;
};

/// What can be refused before the model is read.
llvm::Error CudaCompilation::choose() {
  llvm::Expected<std::vector<GpuTarget>> found = lookupGpuTargets(options.gpuArch);
  if (!found)
    return found.takeError();
  targets = std::move(*found);
  const bool code = options.emit == EmitKind::Ptx || options.emit == EmitKind::Cubin;
  if (code && targets.size() > 1)
    return usageError("--gpu-arch: found " + llvm::Twine(targets.size()) +
                      " architectures, but a file of PTX or a cubin is for one; name one");
  if (options.emit == EmitKind::Exe || options.estimate)
    return usageError("--target=cuda: executables for GPUs are not supported yet; choose --emit=ptx or "
                      "--emit=cubin, without --estimate");
  if (options.emit == EmitKind::Cubin) {
    llvm::Expected<std::string> path = needPtxas("--emit=cubin");
    if (!path)
      return path.takeError();
    ptxas = *path;
  } else if (options.emit == EmitKind::Ptx && !options.saveTemps.empty()) {
    llvm::Expected<std::optional<std::string>> path = findPtxas();
    if (!path)
      return path.takeError();
    ptxas = *path;
  }
  return llvm::Error::success();
}

llvm::Error CudaCompilation::lower() {
  llvm::Expected<StepOptions> step = stepOptions();
  if (!step)
    return step.takeError();
  step->chooseForGpu();
  llvm::Expected<step::ProgramOp> made = makeStep(*module, *step);
  if (!made)
    return made.takeError();
  program = *made;
  timer.stage("plan the step");
  return saveTemp("step.mlir", *module);
}

/// The cubin, if that is asked for; what ptxas says of its kernels to --save-temps and, with -v, to stderr.
llvm::Error CudaCompilation::writeCubin(llvm::StringRef ptx) {
  std::vector<PtxasReport> reports;
  auto cubin = assemble(*ptxas, ptx, target(), reports);
  if (!cubin)
    return cubin.takeError();
  timer.stage("ptxas for " + target().name);
  if (options.verbose)
    llvm::errs() << printReports(perKernel(reports));
  if (llvm::Error error = saveTemp("step." + target().name + ".ptxas.txt", printReports(reports)))
    return error;
  return options.emit == EmitKind::Cubin ? finishText((*cubin)->getBuffer()) : llvm::Error::success();
}

llvm::Error CudaCompilation::generate() {
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitCuda(program, *code)))
    return codeFailed();
  timer.stage("emit kernels");
  llvm::Expected<std::string> ptx =
      compileToPtx(llvm::to_vector(code->getOps<mlir::gpu::GPUModuleOp>()), target(), options.optLevel);
  if (!ptx)
    return ptx.takeError();
  timer.stage("compile for " + target().name);
  if (llvm::Error error = saveTemp("step." + target().name + ".ptx", *ptx))
    return error;
  if (ptxas)
    if (llvm::Error error = writeCubin(*ptx))
      return error;
  return options.emit == EmitKind::Ptx ? finishText(*ptx) : llvm::Error::success();
}

llvm::Error CudaCompilation::run() {
  if (llvm::Error error = choose())
    return error;
  if (llvm::Error error = load())
    return error;
  if (llvm::Error error = optimise(registerCudaDialects))
    return error;
  if (fusedIsWanted())
    return finishText(print(*module));
  if (llvm::Error error = lower())
    return error;
  return options.emit == EmitKind::Step ? finishText(print(*module)) : generate();
}

} // namespace

llvm::Error compileForCuda(const Options &options) { return CudaCompilation(options).run(); }

} // namespace gemmac
