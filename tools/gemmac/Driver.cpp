// See Driver.h.
#include "tools/gemmac/Driver.h"

#include "codegen/Emit.h"
#include "codegen/Link.h"
#include "codegen/Manifest.h"
#include "codegen/Predict.h"
#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "dialect/gemma/Gemma.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Step.h"
#include "frontend/Diagnostic.h"
#include "frontend/GgmlBlocks.h"
#include "frontend/ImportText.h"
#include "frontend/TextTensors.h"
#include "passes/FuseSelection.h"
#include "passes/Pipelines.h"
#include "passes/lower/StepPasses.h"
#include "tools/gemmac/AutotuneStage.h"
#include "tools/gemmac/MemoryReport.h"
#include "tools/gemmac/StageTimer.h"
#include "tools/gemmac/TextOutput.h"
#include "tools/gemmac/WeightTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace gemmac {

namespace {

/// The program of one target.
struct TargetProgram {
  Target target;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  step::ProgramOp program;
  std::optional<llvm::json::Object> tuned; ///< of --autotune, for the manifest
  CodeMemory memory() const { return {totalArenaBytes(program), totalScratchBytes(program)}; }
};

/// One compilation: the checkpoint and the IR at its present level.
class Compilation {
public:
  explicit Compilation(const Options &options) : options(options), timer(options.verbose, options.time) {}
  llvm::Error run();

private:
  llvm::Error load();
  llvm::Error optimise();
  llvm::Error checkTargets() const;
  llvm::Error lower();
  llvm::Error tune();
  void predict(TargetProgram &of) const;
  llvm::Error lowerFor(TargetProgram &to);
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileFor(const TargetProgram &from,
                                                                 llvm::StringRef suffix);
  llvm::Error generate();
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> link(llvm::ArrayRef<llvm::MemoryBufferRef> objects);
  llvm::Error write(llvm::MemoryBufferRef elf);
  llvm::Error finishText(llvm::StringRef text) { return writeTextOutput(options.output, text); }
  llvm::Error saveTemp(llvm::StringRef name, llvm::StringRef text);
  llvm::Error saveStep(const TargetProgram &of) {
    return saveTemp(tempName(of, "mlir"), options.saveTemps.empty() ? "" : print(*of.module));
  }
  llvm::Error runPipeline(mlir::ModuleOp on, llvm::StringRef what,
                          llvm::function_ref<void(mlir::OpPassManager &)> build);
  std::string defaultCompute() const;
  llvm::json::Object manifestOf(const TargetProgram &of) const;
  std::vector<ProgramMemory> memoryOfPrograms() const;
  bool several() const { return programs.size() > 1; }
  /// "step.mlir", or "step.znver5.mlir" where there are several targets.
  std::string tempName(const TargetProgram &of, llvm::StringRef extension) const {
    return "step." + (several() ? of.target.name + "." : "") + extension.str();
  }
  static std::string print(mlir::ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream os(text);
    module.print(os, mlir::OpPrintingFlags().assumeVerified());
    os << "\n";
    return os.str();
  }

  const Options &options;
  StageTimer timer;
  Checkpoint checkpoint;
  std::optional<Machine> machine; ///< of --machine
  std::string compute;            ///< f32, bf16 or int8
  FuseSelection fuse;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< of all targets, until lower()
  std::vector<TargetProgram> programs;      ///< the most capable target first
};

/// What is made for one target only, or of which a machine uses only one.
llvm::Error Compilation::checkTargets() const {
  const bool anyTarget =
      options.emit == EmitKind::Exe || options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused;
  if (several() && !anyTarget)
    return usageError("--march: found " + llvm::Twine(programs.size()) +
                      " targets, but --emit=exe alone makes code for several; name one");
  for (size_t i = 1; i < programs.size(); ++i)
    if (const Target &target = programs[i].target, &better = programs[i - 1].target;
        target.features == better.features)
      llvm::errs() << "gemmac: note: --march: " << target.name << " needs the same features as "
                   << better.name << ", which is used in its place unless --march=" << target.name
                   << " is given to the executable\n";
  return llvm::Error::success();
}

llvm::Error Compilation::load() {
  llvm::Expected<std::vector<Target>> targets = lookupTargets(options.march);
  if (!targets)
    return targets.takeError();
  for (Target &target : *targets)
    programs.push_back({std::move(target), {}, {}, {}});
  if (llvm::Error error = checkTargets())
    return error;
  if (!options.machine.empty()) {
    llvm::Expected<Machine> measured =
        readMachine(options.machine, /*tiles=*/programs.front().target.amx && options.compute != "f32");
    if (!measured)
      return measured.takeError();
    machine = *measured;
  }
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

llvm::Error Compilation::optimise() {
  mlir::DialectRegistry registry;
  registerCpuDialects(registry);
  context = std::make_unique<mlir::MLIRContext>(registry);
  context->loadAllAvailableDialects();
  context->loadDialect<gemma::GemmaDialect, step::StepDialect, mlir::func::FuncDialect>();
  module = importText(*context, checkpoint);
  timer.stage("import");
  if (!options.saveTemps.empty() || options.emit == EmitKind::Gemma)
    if (llvm::Error error = saveTemp("gemma.mlir", print(*module)))
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
  return saveTemp("fused.mlir", options.saveTemps.empty() ? "" : print(*module));
}

llvm::Error Compilation::lowerFor(TargetProgram &to) {
  StepOptions step;
  step.context = options.context ? options.context : std::min<int64_t>(checkpoint.config.maxPositions, 8192);
  if (step.context > checkpoint.config.maxPositions)
    return usageError("--context=" + llvm::Twine(step.context) + " is more than the model's " +
                      llvm::Twine(checkpoint.config.maxPositions) + " positions");
  step.compute = compute == "f32" ? Compute::F32 : compute == "bf16" ? Compute::BF16 : Compute::I8;
  step.chooseChunk(to.target.amx, checkpoint.config.experts > 0);
  step.candidates = fuse.has(Fuse::Top) ? kCandidates : 0;
  step.kv = *step::symbolizeKvType(options.kv); // Options.cpp lets no other through
  for (const auto &layer : checkpoint.config.layers)
    if (step.kv == step::KvType::Q8 && layer.headDim % kScaleGroup != 0)
      return usageError("--kv=q8 has a scale for each " + llvm::Twine(kScaleGroup) +
                        " inputs of a head, and the model's heads have " + llvm::Twine(layer.headDim) +
                        "; use bf16 or f32");
  if (llvm::Error error = runPipeline(*to.module, "lowering to a step",
                                      [&](mlir::OpPassManager &pm) { buildStepPipeline(pm, step); }))
    return error;
  to.program = *to.module->getOps<step::ProgramOp>().begin();
  return saveStep(to);
}

/// Predicted times, for readers of --emit=step.
void Compilation::predict(TargetProgram &of) const {
  notePredictions(of.program, of.target, compute, machine ? *machine : nominalMachine(of.target));
}

llvm::Error Compilation::lower() {
  for (TargetProgram &each : programs) {
    each.module = mlir::OwningOpRef<mlir::ModuleOp>(module->clone());
    if (llvm::Error error = lowerFor(each))
      return error;
    if (std::string difference = weightDifference(programs.front().program, each.program);
        !difference.empty())
      return inputError(options.model, "",
                        "targets " + programs.front().target.name + " and " + each.target.name +
                            " lay out the weights differently: " + difference,
                        "compile them one at a time; this is a defect of gemmac: please report it");
  }
  module = nullptr;
  timer.stage("plan the step");
  return llvm::Error::success();
}

llvm::Error Compilation::tune() {
  for (TargetProgram &each : programs) {
    each.tuned = autotuneStage(each.program, each.target, options);
    if (llvm::Error error = saveStep(each))
      return error;
  }
  timer.stage("autotune");
  return llvm::Error::success();
}

llvm::json::Object Compilation::manifestOf(const TargetProgram &of) const {
  std::vector<std::string> fusions;
  for (const FuseInfo &info : fuseTable())
    if (fuse.has(info.fuse))
      fusions.push_back(info.name.str());
  llvm::json::Object manifest = buildManifest(of.program, checkpoint, of.target,
                                              {options.quantize, compute, options.kv, fusions}, of.memory());
  if (of.tuned)
    manifest["autotune"] = llvm::json::Object(*of.tuned);
  return manifest;
}

/// An object, or the text that --emit asks for.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> Compilation::compileFor(const TargetProgram &from,
                                                                            llvm::StringRef suffix) {
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitCpu(from.program, *code, from.target, suffix)))
    return inputError(options.model, "", "code generation failed (see the messages above)",
                      "this is a defect of gemmac: please report it");
  emitPeaks(*code, from.target, suffix);
  timer.stage("emit kernels" + (several() ? " for " + from.target.name : ""));
  auto compile = options.emit == EmitKind::Llvm  ? compileToLLVMText
                 : options.emit == EmitKind::Asm ? compileToAssembly
                                                 : compileToObject;
  auto result = compile(*code, from.target, options.optLevel);
  timer.stage("compile" + (several() ? " for " + from.target.name : ""));
  return result;
}

llvm::Error Compilation::generate() {
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> objects;
  for (const TargetProgram &each : programs) {
    auto object = compileFor(each, several() ? "." + each.target.name : "");
    if (!object)
      return object.takeError();
    objects.push_back(std::move(*object));
    if (options.emit != EmitKind::Exe && options.emit != EmitKind::Obj)
      return finishText(objects.front()->getBuffer());
    if (llvm::Error error = saveTemp(tempName(each, "o"), objects.back()->getBuffer()))
      return error;
  }
  if (options.emit == EmitKind::Obj)
    return finishText(objects.front()->getBuffer());
  std::vector<llvm::MemoryBufferRef> buffers;
  for (const auto &object : objects)
    buffers.push_back(object->getMemBufferRef());
  auto elf = link(buffers);
  return elf ? write((*elf)->getMemBufferRef()) : elf.takeError();
}

/// The whole program. Linked twice: the manifests inside name the glibc that it turns out to need.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
Compilation::link(llvm::ArrayRef<llvm::MemoryBufferRef> objects) {
  const Arch arch = programs.front().target.arch;
  llvm::Expected<std::string> folder = findLinkFolder(arch);
  if (!folder)
    return folder.takeError();
  std::unique_ptr<llvm::MemoryBuffer> elf;
  for (int round = 0; round < 2; ++round) {
    std::vector<TargetCode> codes;
    for (const TargetProgram &each : programs) {
      llvm::json::Object manifest = manifestOf(each);
      if (elf)
        manifest["glibc"] = neededGlibc(elf->getMemBufferRef());
      codes.push_back({each.program, each.target, "", several() ? "." + each.target.name : ""});
      llvm::raw_string_ostream(codes.back().manifest) << llvm::json::Value(std::move(manifest));
    }
    auto models = emitModelObject(codes, arch);
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

llvm::Error Compilation::write(llvm::MemoryBufferRef elf) {
  bool terminal = llvm::sys::Process::StandardErrIsDisplayed();
  auto progress = [&](uint64_t done, uint64_t total) {
    if (terminal && total > (256u << 20))
      llvm::errs() << llvm::format("\rpacking weights: %.1f of %.1f GB", done / 1e9, total / 1e9)
                   << (done >= total ? "\n" : "");
  };
  WeightReport report;
  if (llvm::Error error =
          writeExecutable(options.output, elf, programs.front().program, checkpoint, progress, report))
    return error;
  printWeightReport(report, options.verbose, llvm::errs());
  timer.stage("pack weights");
  return llvm::Error::success();
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

std::vector<ProgramMemory> Compilation::memoryOfPrograms() const {
  std::vector<ProgramMemory> all;
  for (const TargetProgram &each : programs)
    all.push_back({each.target.name, manifestOf(each), each.memory()});
  return all;
}

llvm::Error Compilation::run() {
  if (llvm::Error error = load())
    return error;
  if (llvm::Error error = optimise())
    return error;
  if (options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused)
    return finishText(print(*module));
  if (llvm::Error error = lower())
    return error;
  if (options.autotune)
    if (llvm::Error error = tune())
      return error;
  const std::vector<ProgramMemory> sizes = memoryOfPrograms();
  warnOfTooLittleMemory(sizes);
  if (options.estimate) {
    printEstimate(checkpoint.name + ", " + options.quantize + ", compute " + compute, sizes);
    return llvm::Error::success();
  }
  if (options.emit == EmitKind::Step) {
    predict(programs.front());
    return finishText(print(*programs.front().module)); // with the weights that the program's are made of
  }
  return generate();
}

} // namespace

llvm::Error compile(const Options &options) { return Compilation(options).run(); }

} // namespace gemmac
