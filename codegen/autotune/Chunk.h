// How many rows of a prompt a step takes: the model's rule, checked by measurement like the choices of
// kernels (Autotune.h). More rows share what reads and unpacks a weight, fewer leave activations nearer. What
// is measured is the products of a step, over weights that stream from memory; the rest of a step takes as
// long for each row whatever the chunk. No result depends on it: every row of a prompt but a lone one is
// computed by the same code.
#pragma once

#include "codegen/autotune/Autotune.h"

namespace gemmac {

/// A step of a prompt, if it takes `rows` rows.
struct ChunkCandidate {
  struct Use {
    Product product;
    double times; ///< that the step has it: not a whole number where it has more tasks than are measured
  };
  int64_t rows;
  double predicted; ///< seconds for a row, by the cost model
  std::vector<Use> products;
};

/// Sizes to look at, `model` first and no other above `context`: from half to four times the model's.
std::vector<int64_t> chunkSizes(int64_t model, int64_t context);
/// The products of @prefill_none of a program that take a hundredth or more of what all do; none where some
/// cannot be measured by themselves (experts). `predicted`: seconds of that step.
std::optional<ChunkCandidate> chunkCandidate(step::ProgramOp program, double predicted);
/// The first of `candidates`, which is the model's, and those that the cost model does not have more than a
/// tenth behind the best.
std::vector<ChunkCandidate> worthMeasuring(std::vector<ChunkCandidate> candidates);

/// The choice among `candidates`, the first of which is the model's; none if it cannot be measured, which
/// `report` then warns of. `prepare` is asked for products over weights that stream.
std::optional<TunedChunk> tuneChunk(mlir::MLIRContext &context, llvm::ArrayRef<ChunkCandidate> candidates,
                                    const Target &target, unsigned level, const TuningCache &cache,
                                    const PrepareProduct &prepare, AutotuneReport &report);

/// All that the choice depends on, as text; `code` has that of each candidate's products, in order.
std::string chunkKey(llvm::ArrayRef<ChunkCandidate> candidates, const Target &target, unsigned level,
                     llvm::ArrayRef<CandidateCode> code);

} // namespace gemmac
