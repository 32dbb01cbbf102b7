// See CudaRoad.h.
#include "tools/gemmac/CudaRoad.h"

#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cuda/LowerToPtx.h"
#include "codegen/cuda/LowerToThreads.h"
#include "codegen/cuda/Ptxas.h"
#include "codegen/cuda/StepToCuda.h"
#include "frontend/Diagnostic.h"
#include "tools/gemmac/Compilation.h"
#include "tools/gemmac/MemoryReport.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace gemmac {

namespace {

/// What the executable around the GPU's code runs on.
Target x86Host() {
  Target host;
  host.name = "x86-64";
  return host;
}

class CudaCompilation : Compilation {
public:
  explicit CudaCompilation(const Options &options) : Compilation(options) {}
  llvm::Error run();

private:
  llvm::Error choose();
  llvm::Error choosePtxas();
  llvm::Error lower();
  llvm::Error generate();
  llvm::Expected<std::vector<std::unique_ptr<llvm::MemoryBuffer>>>
  cubinsOf(llvm::ArrayRef<std::string> texts, const GpuTarget &target, llvm::ArrayRef<std::string> names);
  llvm::Error writeCode(mlir::ModuleOp code);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> emitFor(const GpuTarget &target);
  llvm::Error addImages(mlir::ModuleOp code, const GpuTarget &target, bool fallback);
  llvm::json::Object manifest(llvm::json::Object hashes) const;
  void noteTables(llvm::json::Object &manifest) const;
  llvm::Error writeForGpu();
  llvm::Error writeEmulated(mlir::ModuleOp code);
  /// Whether there is a ptxas that makes cubins for it.
  bool hasPtxas(const GpuTarget &target) const { return ptxas && ptxas->knows(target); }
  const GpuTarget &target() const { return targets.front(); }

  std::vector<GpuTarget> targets; ///< the highest capability first
  std::optional<Ptxas> ptxas;     ///< needed for cubins, and for --save-temps used where it is
  std::optional<Target> host;     ///< of --emulate: this machine
  step::ProgramOp program;
  std::vector<GpuImage> images;
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers; ///< the images' bytes
};

/// What can be refused before the model is read.
llvm::Error CudaCompilation::choose() {
  llvm::Expected<std::vector<GpuTarget>> found = lookupGpuTargets(options.gpuArch);
  if (!found)
    return found.takeError();
  targets = std::move(*found);
  const bool code = options.emit == EmitKind::Ptx || options.emit == EmitKind::Cubin;
  if ((code || options.emulate) && targets.size() > 1)
    return usageError("--gpu-arch: found " + llvm::Twine(targets.size()) +
                      " architectures, but a file of PTX, a cubin or --emulate is for one; name one");
  if (options.estimate)
    return llvm::Error::success();
  if (!options.emulate)
    return choosePtxas();
  llvm::Expected<Target> native = lookupTarget("native");
  if (!native) {
    llvm::consumeError(native.takeError());
    return machineError("--emulate makes code for this machine, which is not x86-64 with AVX2, FMA and F16C "
                        "(x86-64-v3); leave it out, or use another machine");
  }
  host = std::move(*native);
  return llvm::Error::success();
}

/// Of a ptxas that is too old for some of the architectures, an executable has the PTX of these.
llvm::Error CudaCompilation::choosePtxas() {
  if (options.emit == EmitKind::Cubin) {
    llvm::Expected<Ptxas> needed = needPtxas("--emit=cubin");
    if (!needed)
      return needed.takeError();
    ptxas = std::move(*needed);
    return ptxas->require(target());
  }
  if (options.emit != EmitKind::Exe && (options.emit != EmitKind::Ptx || options.saveTemps.empty()))
    return llvm::Error::success();
  llvm::Expected<std::optional<std::string>> path = findPtxas();
  if (!path)
    return path.takeError();
  if (!*path)
    return llvm::Error::success();
  llvm::Expected<Ptxas> found = askPtxas(**path);
  if (!found)
    return found.takeError();
  ptxas = std::move(*found);
  for (const GpuTarget &each : targets)
    if (!ptxas->knows(each))
      llvm::errs() << "gemmac: warning: " << ptxas->lacks(each) << " (CUDA " << each.toolkit
                   << " or later does): "
                   << (options.emit == EmitKind::Exe
                           ? "the executable carries PTX for it, which the driver compiles when it starts"
                           : "--save-temps has no report of its registers")
                   << "; install CUDA " << each.toolkit << " and let CUDA_HOME name it\n";
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
  if (options.hostTables && !cudaTablesAt(program))
    return usageError("--ple=host: found " + checkpoint.name +
                      ", which has no table of embeddings that is only gathered from; leave it out");
  return saveTemp("step.mlir", *module);
}

/// The cubins; what ptxas says of their kernels goes to --save-temps and, with -v, to stderr.
llvm::Expected<std::vector<std::unique_ptr<llvm::MemoryBuffer>>>
CudaCompilation::cubinsOf(llvm::ArrayRef<std::string> texts, const GpuTarget &target,
                          llvm::ArrayRef<std::string> names) {
  auto made = assemble(*ptxas, texts, target);
  if (!made)
    return made.takeError();
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> cubins;
  for (auto [assembly, name] : llvm::zip(*made, names)) {
    if (options.verbose)
      llvm::errs() << printReports(perKernel(assembly.reports));
    if (llvm::Error error = saveTemp(name + "." + target.name + ".ptxas.txt", printReports(assembly.reports)))
      return error;
    cubins.push_back(std::move(assembly.cubin));
  }
  timer.stage("ptxas for " + target.name);
  return cubins;
}

/// All kernels as one text, or the cubin of that.
llvm::Error CudaCompilation::writeCode(mlir::ModuleOp code) {
  llvm::Expected<std::string> ptx =
      compileToPtx(llvm::to_vector(code.getOps<mlir::gpu::GPUModuleOp>()), target(), options.optLevel);
  if (!ptx)
    return ptx.takeError();
  timer.stage("compile for " + target().name);
  if (llvm::Error error = saveTemp("step." + target().name + ".ptx", *ptx))
    return error;
  if (options.emit == EmitKind::Ptx) // whatever becomes of the report
    if (llvm::Error error = finishText(*ptx); error || !hasPtxas(target()))
      return error;
  auto cubins = cubinsOf(*ptx, target(), {"step"});
  if (!cubins)
    return cubins.takeError();
  return options.emit == EmitKind::Cubin ? finishText(cubins->front()->getBuffer()) : llvm::Error::success();
}

/// The images of `target`, one for each entry: cubins where there is a ptxas. PTX that later architectures
/// can be compiled from, too, if it is the lowest of those asked for.
llvm::Error CudaCompilation::addImages(mlir::ModuleOp code, const GpuTarget &target, bool fallback) {
  std::vector<std::string> kernels, texts;
  for (auto gpuModule : llvm::to_vector(code.getOps<mlir::gpu::GPUModuleOp>())) {
    kernels.push_back(gpuModule.getName().str());
    llvm::Expected<std::string> ptx = compileToPtx(gpuModule, target, options.optLevel);
    if (!ptx)
      return ptx.takeError();
    if (llvm::Error error = saveTemp(kernels.back() + "." + target.name + ".ptx", *ptx))
      return error;
    texts.push_back(std::move(*ptx));
  }
  timer.stage("compile for " + target.name);
  auto add = [&](llvm::StringRef kernel, std::unique_ptr<llvm::MemoryBuffer> bytes, bool ptx) {
    images.push_back({kernel.drop_front(3).str(), target.name, ptx, bytes->getBuffer()}); // behind "gm_"
    buffers.push_back(std::move(bytes));
  };
  if (hasPtxas(target)) {
    auto cubins = cubinsOf(texts, target, kernels);
    if (!cubins)
      return cubins.takeError();
    for (auto [kernel, cubin] : llvm::zip(kernels, *cubins))
      add(kernel, std::move(cubin), /*ptx=*/false);
    if (!fallback || target.exact)
      return llvm::Error::success();
  }
  for (auto [kernel, text] : llvm::zip(kernels, texts))
    add(kernel, llvm::MemoryBuffer::getMemBufferCopy(text), /*ptx=*/true);
  return llvm::Error::success();
}

void CudaCompilation::noteTables(llvm::json::Object &manifest) const {
  if (options.hostTables)
    manifest["tables_at"] = *cudaTablesAt(program);
}

/// `hashes`: of the gpu modules, by architecture.
llvm::json::Object CudaCompilation::manifest(llvm::json::Object hashes) const {
  llvm::json::Array archs;
  llvm::json::Object shared;
  for (const GpuTarget &each : targets) {
    archs.push_back(each.name);
    shared[each.name] = cudaSharedBytes(program, each);
  }
  llvm::json::Object manifest = buildGpuManifest(program, checkpoint, manifestOptions(),
                                                 {cudaArenaBytes(program), cudaScratchBytes(program)},
                                                 llvm::json::Object{{"archs", std::move(archs)},
                                                                    {"threads", kCudaThreads},
                                                                    {"shared_bytes", std::move(shared)},
                                                                    {"sha256", std::move(hashes)}});
  noteTables(manifest);
  return manifest;
}

llvm::Error CudaCompilation::writeForGpu() {
  if (!ptxas)
    llvm::errs()
        << "gemmac: note: no ptxas was found (CUDA_HOME, PATH, /usr/local/cuda): the executable carries PTX, "
           "which the driver compiles when it starts\n";
  llvm::json::Object hashes;
  for (const GpuTarget &each : targets) {
    auto code = emitFor(each);
    if (!code)
      return code.takeError();
    hashes[each.name] = gpuModulesHash(**code);
    if (llvm::Error error = addImages(**code, each, /*fallback=*/&each == &targets.back()))
      return error;
  }
  return writeExecutable({}, {{program, x86Host(), manifest(std::move(hashes)), "", images}});
}

/// The same modules for this machine's cores.
llvm::Error CudaCompilation::writeEmulated(mlir::ModuleOp code) {
  llvm::json::Object manifest = buildManifest(program, checkpoint, *host, manifestOptions(),
                                              {cudaArenaBytes(program), cudaScratchBytes(program)});
  noteTables(manifest);
  manifest["emulates"] = llvm::json::Object{{"arch", target().name}, {"sha256", gpuModulesHash(code)}};
  if (mlir::failed(lowerToThreads(code, cudaSharedBytes(program, target()))))
    return usageError("--emulate: the code for GPUs has instructions that this machine's cores have no "
                      "definition of (see the messages above); leave it out");
  emitPeaks(code, *host);
  auto object = compileToObject(code, *host, options.optLevel);
  if (!object)
    return object.takeError();
  timer.stage("compile for threads");
  return writeExecutable((*object)->getMemBufferRef(), {{program, *host, std::move(manifest), "", {}}});
}

/// A gpu.module for each entry.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> CudaCompilation::emitFor(const GpuTarget &target) {
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitCuda(program, *code, target, options.hostTables)))
    return usageError(options.model + ": GPUs have no code for what is named above; take --target=cpu");
  timer.stage("emit kernels for " + target.name);
  if (options.verbose)
    llvm::errs() << "gemmac: gpu modules for " << target.name << " sha256 " << gpuModulesHash(*code) << "\n";
  return code;
}

llvm::Error CudaCompilation::generate() {
  if (options.emit == EmitKind::Exe && !options.emulate)
    return writeForGpu();
  auto code = emitFor(target());
  if (!code)
    return code.takeError();
  return options.emulate ? writeEmulated(**code) : writeCode(**code);
}

llvm::Error CudaCompilation::run() {
  if (llvm::Error error = choose())
    return error;
  if (llvm::Error error = load())
    return error;
  if (llvm::Error error = optimise([](mlir::DialectRegistry &registry) {
        registerCudaDialects(registry);
        registerCpuDialects(registry);
      }))
    return error;
  if (fusedIsWanted())
    return finishText(print(*module));
  if (llvm::Error error = lower())
    return error;
  if (options.estimate) {
    printGpuEstimate(checkpoint.name + ", " + options.quantize + ", compute " + compute, manifest({}),
                     {cudaArenaBytes(program), cudaScratchBytes(program)}, targets);
    return llvm::Error::success();
  }
  return options.emit == EmitKind::Step ? finishText(print(*module)) : generate();
}

} // namespace

llvm::Error compileForCuda(const Options &options) { return CudaCompilation(options).run(); }

} // namespace gemmac
