// How a product is cut into tasks. Decided from shapes and the weight's format alone, here and nowhere else,
// so that every entry cuts a weight the same way and it is packed once.
#pragma once

#include "dialect/step/Step.h"
#include "passes/lower/StepPasses.h"

#include "llvm/ADT/ArrayRef.h"

namespace gemmac::lower {

/// Columns of a task for products with the outputs `n` (one number per source, stacked) of `k` inputs each: a
/// multiple of 16. Aims at tasks of 8 to 256 KB of weights and at least `many` of them, without padding where
/// the shapes allow.
int64_t pickTile(llvm::ArrayRef<int64_t> n, int64_t k, step::Format format, int64_t many = kManyTasks);

/// Columns that each of `sources` interleaved sources (gate and up) of n outputs gives to a task.
int64_t pickInterleavedTile(int64_t n, int64_t sources, int64_t k, step::Format format,
                            int64_t many = kManyTasks);

/// Whether ops on whole heads of `headDim` columns can follow a product with `tile` columns in the same task.
inline bool epilogueFits(int64_t tile, int64_t headDim) {
  return headDim > 0 && tile % 16 == 0 && tile % headDim == 0;
}

/// Rows of a weight of `n` outputs, padded to whole tasks.
int64_t paddedRows(llvm::ArrayRef<int64_t> n, int64_t tile);

} // namespace gemmac::lower
