// How linears of one x and the ops after them share a phase: decided before anything is emitted.
#pragma once

#include "passes/lower/EntryLowering.h"

namespace gemmac::lower {

/// Linears ("cores") of one x in one phase.
/// - interleaved: every task holds columns of all cores, since the epilogue combines them (gate and up)
/// - stacked: every task holds columns of one core; tasks of one core are one step.case
/// - merged: the cores' weights are packed as one, and one matmul serves them all
struct ProductPlan {
  llvm::SmallVector<gemma::LinearOp> cores;
  bool interleave = false, merged = false;
  llvm::SmallVector<int64_t> tiles; ///< per core, its columns in a task
  Ops epilogue;                     ///< ops after the product that a task can do on its own columns
  llvm::DenseMap<mlir::Operation *, uint32_t> coresOf; ///< bit i: the op depends on core i
  static constexpr size_t kMaxCores = 32;

  int64_t outputs(unsigned core) const; ///< N of a core
  Ops epilogueOf(unsigned core) const;
  llvm::SmallVector<llvm::StringRef> sources() const;
};

ProductPlan planProduct(llvm::ArrayRef<mlir::Operation *> cores, llvm::ArrayRef<mlir::Operation *> after,
                        const WeightTable &weights);

} // namespace gemmac::lower
