// --autotune as a stage of the compilation: one target at a time, with what is said on stderr.
#pragma once

#include "codegen/autotune/Autotune.h"
#include "codegen/autotune/Chunk.h"
#include "tools/gemmac/Options.h"

#include "llvm/Support/JSON.h"

namespace gemmac {

class AutotuneStage {
public:
  /// Says in a note, or a warning, if the machine cannot run the target, or nothing can be kept. `target` and
  /// `options` outlive this.
  AutotuneStage(const Target &target, const Options &options);

  /// A target that this machine cannot run stays as the cost model has it.
  bool canMeasure() const { return runs; }
  /// Of how many rows a prompt's step is to be: one of `candidates`, the first of which is the model's.
  int64_t chooseChunk(mlir::MLIRContext &context, llvm::ArrayRef<ChunkCandidate> candidates);
  /// Tunes the products of `program` and says how many were measured, how many came from the cache, and what
  /// differs from the model's choice, chunks among it. Returns what the manifest says of it.
  llvm::json::Object tuneKernels(step::ProgramOp program);

private:
  void print(const AutotuneReport &report) const;

  const Target &target;
  const Options &options;
  std::string folder;
  TuningCache cache;
  KernelTimer timer;
  AutotuneReport chunkReport;
  bool runs;
};

} // namespace gemmac
