// See Driver.h.
#include "tools/gemmac/Driver.h"

#include "codegen/Manifest.h"
#include "codegen/Predict.h"
#include "codegen/cpu/EmitMachine.h"
#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"
#include "dialect/step/Layout.h"
#include "frontend/Diagnostic.h"
#include "tools/gemmac/AutotuneStage.h"
#include "tools/gemmac/Compilation.h"
#include "tools/gemmac/CudaRoad.h"
#include "tools/gemmac/MemoryReport.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace gemmac {

namespace {

/// The program of one target.
struct TargetProgram {
  Target target;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  step::ProgramOp program;
  std::unique_ptr<AutotuneStage> autotune;
  std::optional<llvm::json::Object> tuned; ///< of --autotune, for the manifest
  CodeMemory memory() const { return {totalArenaBytes(program), totalScratchBytes(program)}; }
};

/// For the CPUs of --march.
class CpuCompilation : Compilation {
public:
  explicit CpuCompilation(const Options &options) : Compilation(options) {}
  llvm::Error run();

private:
  llvm::Error chooseTargets();
  llvm::Error checkTargets() const;
  llvm::Error lower();
  llvm::Error tuneChunk(TargetProgram &to, StepOptions &step);
  llvm::Error tune();
  void predict(TargetProgram &of) const;
  llvm::Error lowerFor(TargetProgram &to);
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileFor(const TargetProgram &from,
                                                                 llvm::StringRef suffix);
  llvm::Error generate();
  llvm::Error saveStep(const TargetProgram &of) { return saveTemp(tempName(of, "mlir"), *of.module); }
  llvm::json::Object manifestOf(const TargetProgram &of) const;
  std::vector<ProgramMemory> memoryOfPrograms() const;
  bool several() const { return programs.size() > 1; }
  /// "step.mlir", or "step.znver5.mlir" where there are several targets.
  std::string tempName(const TargetProgram &of, llvm::StringRef extension) const {
    return "step." + (several() ? of.target.name + "." : "") + extension.str();
  }

  std::optional<Machine> machine;      ///< of --machine
  std::vector<TargetProgram> programs; ///< the most capable target first
};

/// What is made for one target only, or of which a machine uses only one.
llvm::Error CpuCompilation::checkTargets() const {
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

llvm::Error CpuCompilation::chooseTargets() {
  llvm::Expected<std::vector<Target>> targets = lookupTargets(options.march);
  if (!targets)
    return targets.takeError();
  for (Target &target : *targets)
    programs.push_back({std::move(target), {}, {}, {}, {}});
  if (llvm::Error error = checkTargets())
    return error;
  if (options.machine.empty())
    return llvm::Error::success();
  llvm::Expected<Machine> measured =
      readMachine(options.machine, /*tiles=*/programs.front().target.amx && options.compute != "f32");
  if (!measured)
    return measured.takeError();
  machine = *measured;
  return llvm::Error::success();
}

/// Lowers the model with each size of chunk that is worth measuring, and sets `step` to the one that is
/// chosen.
llvm::Error CpuCompilation::tuneChunk(TargetProgram &to, StepOptions &step) {
  to.autotune = std::make_unique<AutotuneStage>(to.target, options);
  if (!to.autotune->canMeasure())
    return llvm::Error::success();
  std::vector<ChunkCandidate> candidates;
  for (int64_t rows : chunkSizes(std::min(step.chunk, step.context), step.context)) {
    StepOptions other = step;
    other.chunk = rows;
    mlir::OwningOpRef<mlir::ModuleOp> copy(to.module->clone());
    llvm::Expected<step::ProgramOp> program = makeStep(*copy, other);
    if (!program)
      return program.takeError();
    std::optional<ChunkCandidate> candidate = chunkCandidate(
        *program, predictedSeconds(*program, "prefill_none", to.target, compute, nominalMachine(to.target)));
    if (!candidate) // nor has the program with another chunk
      return llvm::Error::success();
    candidates.push_back(std::move(*candidate));
  }
  candidates = worthMeasuring(std::move(candidates));
  if (candidates.size() > 1)
    step.chunk = to.autotune->chooseChunk(*context, candidates);
  timer.stage("autotune chunks");
  return llvm::Error::success();
}

llvm::Error CpuCompilation::lowerFor(TargetProgram &to) {
  llvm::Expected<StepOptions> step = stepOptions();
  if (!step)
    return step.takeError();
  step->chooseChunk(to.target.amx, checkpoint.config.experts > 0);
  if (options.autotune)
    if (llvm::Error error = tuneChunk(to, *step))
      return error;
  llvm::Expected<step::ProgramOp> program = makeStep(*to.module, *step);
  if (!program)
    return program.takeError();
  to.program = *program;
  return saveStep(to);
}

/// Predicted times, for readers of --emit=step.
void CpuCompilation::predict(TargetProgram &of) const {
  notePredictions(of.program, of.target, compute, machine ? *machine : nominalMachine(of.target));
}

llvm::Error CpuCompilation::lower() {
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

llvm::Error CpuCompilation::tune() {
  for (TargetProgram &each : programs) {
    if (each.autotune->canMeasure())
      each.tuned = each.autotune->tuneKernels(each.program);
    each.autotune = nullptr;
    if (llvm::Error error = saveStep(each))
      return error;
  }
  timer.stage("autotune");
  return llvm::Error::success();
}

llvm::json::Object CpuCompilation::manifestOf(const TargetProgram &of) const {
  llvm::json::Object manifest =
      buildManifest(of.program, checkpoint, of.target, manifestOptions(), of.memory());
  if (of.tuned)
    manifest["autotune"] = llvm::json::Object(*of.tuned);
  return manifest;
}

/// An object, or the text that --emit asks for.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> CpuCompilation::compileFor(const TargetProgram &from,
                                                                               llvm::StringRef suffix) {
  mlir::OwningOpRef<mlir::ModuleOp> code = mlir::ModuleOp::create(mlir::UnknownLoc::get(context.get()));
  if (mlir::failed(emitCpu(from.program, *code, from.target, suffix)))
    return codeFailed();
  emitPeaks(*code, from.target, suffix);
  timer.stage("emit kernels" + (several() ? " for " + from.target.name : ""));
  auto compile = options.emit == EmitKind::Llvm  ? compileToLLVMText
                 : options.emit == EmitKind::Asm ? compileToAssembly
                                                 : compileToObject;
  auto result = compile(*code, from.target, options.optLevel);
  timer.stage("compile" + (several() ? " for " + from.target.name : ""));
  return result;
}

llvm::Error CpuCompilation::generate() {
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
  std::vector<ProgramCode> codes;
  for (const TargetProgram &each : programs)
    codes.push_back(
        {each.program, each.target, manifestOf(each), several() ? "." + each.target.name : "", {}});
  return writeExecutable(buffers, codes);
}

std::vector<ProgramMemory> CpuCompilation::memoryOfPrograms() const {
  std::vector<ProgramMemory> all;
  for (const TargetProgram &each : programs)
    all.push_back({each.target.name, manifestOf(each), each.memory()});
  return all;
}

llvm::Error CpuCompilation::run() {
  if (llvm::Error error = chooseTargets())
    return error;
  if (llvm::Error error = load())
    return error;
  if (llvm::Error error = optimise(registerCpuDialects))
    return error;
  if (fusedIsWanted())
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

llvm::Error compile(const Options &options) {
  return options.cuda ? compileForCuda(options) : CpuCompilation(options).run();
}

} // namespace gemmac
