// One compilation, as far as it does not depend on the target: from the checkpoint to the fused module, and
// what the roads from there on (Driver, CudaRoad) have in common.
#pragma once

#include "codegen/Manifest.h"
#include "frontend/Checkpoint.h"
#include "passes/FuseSelection.h"
#include "passes/lower/StepPasses.h"
#include "tools/gemmac/Options.h"
#include "tools/gemmac/StageTimer.h"
#include "tools/gemmac/TextOutput.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <memory>
#include <string>

namespace gemmac {

class Compilation {
public:
  explicit Compilation(const Options &options) : options(options), timer(options.verbose, options.time) {}

protected:
  /// The checkpoint, and what --fuse and --compute choose.
  llvm::Error load();
  /// Imports and fuses; `dialects` are those that the target's code needs besides.
  llvm::Error optimise(llvm::function_ref<void(mlir::DialectRegistry &)> dialects);
  /// Whether optimise() made what --emit asks for.
  bool fusedIsWanted() const { return options.emit == EmitKind::Gemma || options.emit == EmitKind::Fused; }
  /// Of the step, but for what the target decides: chunk, tiles. Fails where the model does not go with
  /// --context or --kv.
  llvm::Expected<StepOptions> stepOptions() const;
  /// Lowers and plans `of`, which becomes one step.program.
  llvm::Expected<step::ProgramOp> makeStep(mlir::ModuleOp of, const StepOptions &step);

  /// What the manifest repeats of the command line.
  ManifestOptions manifestOptions() const;
  /// Code of one target, as TargetCode, but for the manifest's text.
  struct ProgramCode {
    step::ProgramOp program;
    Target target; ///< whose functions they are; for a GPU the host's
    llvm::json::Object manifest;
    std::string suffix;
    std::vector<GpuImage> images;
  };
  /// Links `objects` with the runtime and writes --o: that, the weights of the first program, and the rest.
  llvm::Error writeExecutable(llvm::ArrayRef<llvm::MemoryBufferRef> objects,
                              llvm::ArrayRef<ProgramCode> codes);

  llvm::Error runPipeline(mlir::ModuleOp on, llvm::StringRef what,
                          llvm::function_ref<void(mlir::OpPassManager &)> build);
  llvm::Error finishText(llvm::StringRef text) { return writeTextOutput(options.output, text); }
  /// Into the folder of --save-temps, if there is one.
  llvm::Error saveTemp(llvm::StringRef name, llvm::StringRef text);
  llvm::Error saveTemp(llvm::StringRef name, mlir::ModuleOp module) {
    return options.saveTemps.empty() ? llvm::Error::success() : saveTemp(name, print(module));
  }
  static std::string print(mlir::ModuleOp module);
  llvm::Error codeFailed() const; ///< an emitter has said why

  const Options &options;
  StageTimer timer;
  Checkpoint checkpoint;
  std::string compute; ///< f32, bf16 or int8
  FuseSelection fuse;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< of the gemma dialect, for all targets

private:
  std::string defaultCompute() const;
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> link(llvm::ArrayRef<llvm::MemoryBufferRef> objects,
                                                           llvm::ArrayRef<ProgramCode> codes);
};

} // namespace gemmac
