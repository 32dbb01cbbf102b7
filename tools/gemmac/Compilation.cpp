// See Compilation.h.
#include "tools/gemmac/Compilation.h"

#include "codegen/Emit.h"
#include "codegen/Link.h"
#include "dialect/gemma/Gemma.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Step.h"
#include "frontend/Diagnostic.h"
#include "frontend/GgmlBlocks.h"
#include "frontend/ImportText.h"
#include "frontend/TextTensors.h"
#include "passes/Pipelines.h"
#include "tools/gemmac/WeightTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

namespace gemmac {

llvm::Error Compilation::load() {
  std::string problem;
  std::optional<FuseSelection> selection = FuseSelection::parse(options.fuse, problem);
  if (!selection)
    return usageError(problem);
  fuse = *selection;
  llvm::Expected<Checkpoint> loaded = loadCheckpoint(options.model, options.chatTemplate);
  if (!loaded)
    return loaded.takeError();
  checkpoint = std::move(*loaded);
  for (const std::string &note : checkpoint.notes)
    llvm::errs() << "gemmac: note: " << note << "\n";
  compute = options.compute.empty() ? defaultCompute() : options.compute;
  timer.stage("load " + checkpoint.name);
  return llvm::Error::success();
}

/// int8 where weights have 8 bits or fewer: rounded by --quantize, or stored so.
std::string Compilation::defaultCompute() const {
  bool codes = options.quantize != "none";
  for (const ExpectedTensor &expected : expectedTensors(checkpoint.config))
    if (const TensorInfo *tensor = checkpoint.tensors->find(expected.name))
      codes |= isBlockType(tensor->dtype);
  return codes ? "int8" : "bf16";
}

llvm::Error Compilation::runPipeline(mlir::ModuleOp on, llvm::StringRef what,
                                     llvm::function_ref<void(mlir::OpPassManager &)> build) {
  mlir::PassManager manager(context.get());
  if (mlir::failed(mlir::applyPassManagerCLOptions(manager)))
    return usageError("the --mlir-* options do not fit together");
  mlir::applyDefaultTimingPassManagerCLOptions(manager);
  build(manager);
  if (mlir::failed(manager.run(on)))
    return inputError(options.model, "", what + " failed (see the messages above)",
                      "this is a defect of gemmac: please report it");
  return llvm::Error::success();
}

llvm::Error Compilation::codeFailed() const {
  return inputError(options.model, "", "code generation failed (see the messages above)",
                    "this is a defect of gemmac: please report it");
}

llvm::Error Compilation::optimise(llvm::function_ref<void(mlir::DialectRegistry &)> dialects) {
  mlir::DialectRegistry registry;
  dialects(registry);
  context = std::make_unique<mlir::MLIRContext>(registry);
  context->loadAllAvailableDialects();
  context->loadDialect<gemma::GemmaDialect, step::StepDialect, mlir::func::FuncDialect>();
  module = importText(*context, checkpoint);
  timer.stage("import");
  if (llvm::Error error = saveTemp("gemma.mlir", *module))
    return error;
  if (options.emit == EmitKind::Gemma)
    return llvm::Error::success();
  auto quant = options.quantize == "q8"   ? gemma::Quant::Q8
               : options.quantize == "q4" ? gemma::Quant::Q4
                                          : gemma::Quant::None;
  if (llvm::Error error = runPipeline(*module, "fusion",
                                      [&](mlir::OpPassManager &pm) { buildGemmaPipeline(pm, fuse, quant); }))
    return error;
  timer.stage("fuse");
  return saveTemp("fused.mlir", *module);
}

llvm::Expected<StepOptions> Compilation::stepOptions() const {
  StepOptions step;
  step.context = options.context ? options.context : std::min<int64_t>(checkpoint.config.maxPositions, 8192);
  if (step.context > checkpoint.config.maxPositions)
    return usageError("--context=" + llvm::Twine(step.context) + " is more than the model's " +
                      llvm::Twine(checkpoint.config.maxPositions) + " positions");
  step.compute = compute == "f32" ? Compute::F32 : compute == "bf16" ? Compute::BF16 : Compute::I8;
  step.candidates = fuse.has(Fuse::Top) ? kCandidates : 0;
  step.kv = *step::symbolizeKvType(options.kv); // Options.cpp lets no other through
  for (const auto &layer : checkpoint.config.layers)
    if (step.kv == step::KvType::Q8 && layer.headDim % kScaleGroup != 0)
      return usageError("--kv=q8 has a scale for each " + llvm::Twine(kScaleGroup) +
                        " inputs of a head, and the model's heads have " + llvm::Twine(layer.headDim) +
                        "; use bf16 or f32");
  return step;
}

llvm::Expected<step::ProgramOp> Compilation::makeStep(mlir::ModuleOp of, const StepOptions &step) {
  if (llvm::Error error = runPipeline(of, "lowering to a step",
                                      [&](mlir::OpPassManager &pm) { buildStepPipeline(pm, step); }))
    return llvm::Expected<step::ProgramOp>(std::move(error));
  return *of.getOps<step::ProgramOp>().begin();
}

llvm::Error Compilation::saveTemp(llvm::StringRef name, llvm::StringRef text) {
  if (options.saveTemps.empty())
    return llvm::Error::success();
  if (std::error_code error = llvm::sys::fs::create_directories(options.saveTemps))
    return machineError(options.saveTemps + ": cannot create the folder: " + error.message());
  llvm::SmallString<128> path(options.saveTemps);
  llvm::sys::path::append(path, name);
  return writeTextFile(path, text);
}

std::string Compilation::print(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, mlir::OpPrintingFlags().assumeVerified());
  os << "\n";
  return os.str();
}

ManifestOptions Compilation::manifestOptions() const {
  std::vector<std::string> fusions;
  for (const FuseInfo &info : fuseTable())
    if (fuse.has(info.fuse))
      fusions.push_back(info.name.str());
  return {options.quantize, compute, options.kv, std::move(fusions)};
}

/// Linked twice: the manifests inside name the glibc that the program turns out to need.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
Compilation::link(llvm::ArrayRef<llvm::MemoryBufferRef> objects, llvm::ArrayRef<ProgramCode> codes) {
  const Arch arch = codes.front().target.arch;
  llvm::Expected<std::string> folder = findLinkFolder(arch);
  if (!folder)
    return folder.takeError();
  std::unique_ptr<llvm::MemoryBuffer> elf;
  for (int round = 0; round < 2; ++round) {
    std::vector<TargetCode> targets;
    for (const ProgramCode &code : codes) {
      llvm::json::Object manifest(code.manifest);
      if (elf)
        manifest["glibc"] = neededGlibc(elf->getMemBufferRef());
      targets.push_back({code.program, code.target, "", code.suffix, code.images});
      llvm::raw_string_ostream(targets.back().manifest) << llvm::json::Value(std::move(manifest));
    }
    auto models = emitModelObject(targets, arch);
    if (!models)
      return models.takeError();
    std::vector<llvm::MemoryBufferRef> all(objects.begin(), objects.end());
    all.push_back((*models)->getMemBufferRef());
    auto linked = linkExecutable(all, *folder, arch);
    if (!linked)
      return machineError(options.output + ": cannot be made: " + llvm::toString(linked.takeError()));
    elf = std::move(*linked);
  }
  timer.stage("link");
  return elf;
}

llvm::Error Compilation::writeExecutable(llvm::ArrayRef<llvm::MemoryBufferRef> objects,
                                         llvm::ArrayRef<ProgramCode> codes) {
  auto elf = link(objects, codes);
  if (!elf)
    return elf.takeError();
  bool terminal = llvm::sys::Process::StandardErrIsDisplayed();
  auto progress = [&](uint64_t done, uint64_t total) {
    if (terminal && total > (256u << 20))
      llvm::errs() << llvm::format("\rpacking weights: %.1f of %.1f GB", done / 1e9, total / 1e9)
                   << (done >= total ? "\n" : "");
  };
  WeightReport report;
  if (llvm::Error error = gemmac::writeExecutable(options.output, (*elf)->getMemBufferRef(),
                                                  codes.front().program, checkpoint, progress, report))
    return error;
  printWeightReport(report, options.verbose, llvm::errs());
  timer.stage("pack weights");
  return llvm::Error::success();
}

} // namespace gemmac
