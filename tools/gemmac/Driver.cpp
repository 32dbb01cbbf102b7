// See Driver.h.
#include "tools/gemmac/Driver.h"

#include "codegen/Emit.h"
#include "codegen/Link.h"
#include "codegen/Manifest.h"
#include "codegen/OutputFile.h"
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
#include "tools/gemmac/Process.h"
#include "tools/gemmac/WeightTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <thread>

namespace gemmac {

namespace {

/// What is done, printed by -v when a stage ends, and its seconds, by --time.
class StageTimer {
public:
  StageTimer(bool names, bool seconds) : names(names), seconds(seconds) {}
  void stage(const llvm::Twine &name) {
    auto now = std::chrono::steady_clock::now();
    if (seconds)
      llvm::errs() << llvm::format("%8.3f s  ", std::chrono::duration<double>(now - last).count());
    else if (names)
      llvm::errs() << "gemmac: done: ";
    if (seconds || names)
      llvm::errs() << name << "\n";
    last = now;
  }

private:
  bool names, seconds;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

/// One compilation: the checkpoint and the IR at its present level.
class Compilation {
public:
  explicit Compilation(const Options &options) : options(options), timer(options.verbose, options.time) {}
  llvm::Error run();

private:
  llvm::Error load();
  llvm::Error optimise();
  llvm::Error lower();
  llvm::Error predict();
  llvm::Error generate();
  llvm::Error finishText(llvm::StringRef text);
  llvm::Error saveTemp(llvm::StringRef name, llvm::StringRef text);
  llvm::Error runPipeline(llvm::StringRef what, llvm::function_ref<void(mlir::OpPassManager &)> build);
  std::string defaultCompute() const;
  ManifestOptions manifestOptions() const;
  void reportMemory();
  std::string print() {
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os, mlir::OpPrintingFlags().assumeVerified());
    os << "\n";
    return os.str();
  }

  const Options &options;
  StageTimer timer;
  Checkpoint checkpoint;
  std::string compute; ///< f32, bf16 or int8
  Target target;
  FuseSelection fuse;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  step::ProgramOp program;
};

llvm::Error Compilation::load() {
  llvm::Expected<Target> found = lookupTarget(options.march);
  if (!found)
    return found.takeError();
  target = *found;
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

llvm::Error Compilation::runPipeline(llvm::StringRef what,
                                     llvm::function_ref<void(mlir::OpPassManager &)> build) {
  mlir::PassManager manager(context.get());
  if (mlir::failed(mlir::applyPassManagerCLOptions(manager)))
    return usageError("the --mlir-* options do not fit together");
  mlir::applyDefaultTimingPassManagerCLOptions(manager);
  build(manager);
  if (mlir::failed(manager.run(*module)))
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
    if (llvm::Error error = saveTemp("gemma.mlir", print()))
      return error;
  if (options.emit == EmitKind::Gemma)
    return llvm::Error::success();
  auto quant = options.quantize == "q8"   ? gemma::Quant::Q8
               : options.quantize == "q4" ? gemma::Quant::Q4
                                          : gemma::Quant::None;
  if (llvm::Error error =
          runPipeline("fusion", [&](mlir::OpPassManager &pm) { buildGemmaPipeline(pm, fuse, quant); }))
    return error;
  timer.stage("fuse");
  return saveTemp("fused.mlir", options.saveTemps.empty() ? "" : print());
}

llvm::Error Compilation::lower() {
  StepOptions step;
  step.context = options.context ? options.context : std::min<int64_t>(checkpoint.config.maxPositions, 8192);
  if (step.context > checkpoint.config.maxPositions)
    return usageError("--context=" + llvm::Twine(step.context) + " is more than the model's " +
                      llvm::Twine(checkpoint.config.maxPositions) + " positions");
  step.compute = compute == "f32" ? Compute::F32 : compute == "bf16" ? Compute::BF16 : Compute::I8;
  step.chooseChunk(target.amx, checkpoint.config.experts > 0);
  step.kv = *step::symbolizeKvType(options.kv); // Options.cpp lets no other through
  for (const auto &layer : checkpoint.config.layers)
    if (step.kv == step::KvType::Q8 && layer.headDim % kScaleGroup != 0)
      return usageError("--kv=q8 has a scale for each " + llvm::Twine(kScaleGroup) +
                        " inputs of a head, and the model's heads have " + llvm::Twine(layer.headDim) +
                        "; use bf16 or f32");
  if (llvm::Error error =
          runPipeline("lowering to a step", [&](mlir::OpPassManager &pm) { buildStepPipeline(pm, step); }))
    return error;
  program = *module->getOps<step::ProgramOp>().begin();
  timer.stage("plan the step");
  return saveTemp("step.mlir", options.saveTemps.empty() ? "" : print());
}

/// Predicted times, for readers of --emit=step.
llvm::Error Compilation::predict() {
  Machine machine = nominalMachine(target);
  if (!options.machine.empty()) {
    llvm::Expected<Machine> measured = readMachine(options.machine);
    if (!measured)
      return measured.takeError();
    machine = *measured;
  }
  notePredictions(program, target, compute, machine);
  return llvm::Error::success();
}

ManifestOptions Compilation::manifestOptions() const {
  std::vector<std::string> fusions;
  for (const FuseInfo &info : fuseTable())
    if (fuse.has(info.fuse))
      fusions.push_back(info.name.str());
  return {options.quantize, compute, options.kv, fusions};
}

llvm::Error Compilation::generate() {
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitCpu(program, *code, target)))
    return inputError(options.model, "", "code generation failed (see the messages above)",
                      "this is a defect of gemmac: please report it");
  emitPeaks(*code, target);
  timer.stage("emit kernels");
  if (options.emit == EmitKind::Llvm || options.emit == EmitKind::Asm) {
    auto text = options.emit == EmitKind::Llvm ? compileToLLVMText(*code, target, options.optLevel)
                                               : compileToAssembly(*code, target, options.optLevel);
    return text ? finishText((*text)->getBuffer()) : text.takeError();
  }
  auto object = compileToObject(*code, target, options.optLevel);
  if (!object)
    return object.takeError();
  timer.stage("compile");
  if (llvm::Error error = saveTemp("step.o", (*object)->getBuffer()))
    return error;
  if (options.emit == EmitKind::Obj)
    return finishText((*object)->getBuffer());

  llvm::json::Object manifest = buildManifest(program, checkpoint, target, manifestOptions(),
                                              {totalArenaBytes(program), totalScratchBytes(program)});
  llvm::Expected<std::string> folder = findLinkFolder();
  if (!folder)
    return folder.takeError();
  std::unique_ptr<llvm::MemoryBuffer> elf;
  // Linked twice: the manifest inside names the glibc that the linked whole turns out to need.
  for (int round = 0; round < 2; ++round) {
    std::string text;
    llvm::raw_string_ostream(text) << llvm::json::Value(llvm::json::Object(manifest));
    auto modelObject = emitModelObject(program, target, text);
    if (!modelObject)
      return modelObject.takeError();
    auto linked = linkExecutable({(*object)->getMemBufferRef(), (*modelObject)->getMemBufferRef()}, *folder);
    if (!linked)
      return machineError(options.output + ": cannot be made: " + llvm::toString(linked.takeError()));
    elf = std::move(*linked);
    manifest["glibc"] = neededGlibc(elf->getMemBufferRef());
  }
  timer.stage("link");
  bool terminal = llvm::sys::Process::StandardErrIsDisplayed();
  auto progress = [&](uint64_t done, uint64_t total) {
    if (terminal && total > (256u << 20))
      llvm::errs() << llvm::format("\rpacking weights: %.1f of %.1f GB", done / 1e9, total / 1e9)
                   << (done >= total ? "\n" : "");
  };
  WeightReport report;
  if (llvm::Error error =
          writeExecutable(options.output, elf->getMemBufferRef(), program, checkpoint, progress, report))
    return error;
  printWeightReport(report, options.verbose, llvm::errs());
  timer.stage("pack weights");
  return llvm::Error::success();
}

llvm::Error Compilation::finishText(llvm::StringRef text) {
  if (options.output.empty() || options.output == "-") {
    llvm::outs() << text;
    llvm::outs().flush();
    if (llvm::outs().has_error()) {
      llvm::outs().clear_error();
      return machineError("stdout: cannot write");
    }
    return llvm::Error::success();
  }
  llvm::Expected<OutputFile> file = OutputFile::create(options.output, /*devices=*/true);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->writeAt(0, {text.data(), text.size()}))
    return error;
  return file->finish(/*executable=*/false);
}

llvm::Error Compilation::saveTemp(llvm::StringRef name, llvm::StringRef text) {
  if (options.saveTemps.empty())
    return llvm::Error::success();
  if (std::error_code error = llvm::sys::fs::create_directories(options.saveTemps))
    return machineError(options.saveTemps + ": cannot create the folder: " + error.message());
  llvm::SmallString<128> path(options.saveTemps);
  llvm::sys::path::append(path, name);
  llvm::Expected<OutputFile> file = OutputFile::create(path);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->writeAt(0, {text.data(), text.size()}))
    return error;
  return file->finish(/*executable=*/false);
}

/// What the executable takes besides the mapped weights, with a worker for each CPU of this machine. It may
/// be for another one: too little memory is worth a warning, not an error.
void Compilation::reportMemory() {
  const CodeMemory memory{totalArenaBytes(program), totalScratchBytes(program)};
  llvm::json::Object manifest = buildManifest(program, checkpoint, target, manifestOptions(), memory);
  const llvm::json::Object &plan = *manifest.getObject("plan");
  const int64_t workers = std::max(1u, std::thread::hardware_concurrency());
  const int64_t needed = memory.arena + workers * memory.scratch, there = machineMemory();
  if (needed > there)
    llvm::errs() << "gemmac: warning: --context: " << *manifest.getInteger("context") << " tokens need "
                 << llvm::format("%.3f GB besides the weights, this machine has %.3f GB", needed / 1e9,
                                 there / 1e9)
                 << ": the executable will not start here; give a smaller --context\n";
  if (!options.estimate)
    return;
  auto row = [](llvm::StringRef name, int64_t bytes) {
    llvm::outs() << llvm::format("%-28s %14.3f MB\n", name.str().c_str(), bytes / 1e6);
  };
  llvm::outs() << "model                        " << checkpoint.name << ", " << options.quantize
               << ", compute " << compute << ", context " << *manifest.getInteger("context") << "\n";
  row("weights (file, mapped)", *manifest.getInteger("weight_bytes"));
  row("KV cache", *plan.getInteger("kv"));
  row("activations", *plan.getInteger("activations"));
  row("scratch of each worker", memory.scratch);
  row("memory of this machine", there);
  row("read per decoded token", *manifest.getInteger("bytes_per_token"));
}

llvm::Error Compilation::run() {
  if (llvm::Error error = load())
    return error;
  if (llvm::Error error = optimise())
    return error;
  if (options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused)
    return finishText(print());
  if (llvm::Error error = lower())
    return error;
  reportMemory();
  if (options.estimate)
    return llvm::Error::success();
  if (options.emit == EmitKind::Step) {
    llvm::Error error = predict();
    return error ? std::move(error) : finishText(print()); // with the weights that the program's are made of
  }
  return generate();
}

} // namespace

llvm::Error compile(const Options &options) { return Compilation(options).run(); }

} // namespace gemmac
