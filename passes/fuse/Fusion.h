// What the fusion passes share: recognising the parts of a phase and putting ops of one block into a
// gemma.fusion.
//
// A unit is an op of the function's block: a plain model-level op or a whole fusion. A fusion holds at most
// one core: linears of one x, one expert_linear, or one attention. Row-wise ops before it are the prologue,
// after it the epilogue.
#pragma once

#include "passes/ModelOps.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace gemmac {

/// The products of a unit, in order.
llvm::SmallVector<mlir::Operation *> productsOf(mlir::Operation *unit);

/// The op of the function's block that holds `op` (or `op` itself).
mlir::Operation *unitOf(mlir::Operation *op);

/// The units that use `value`, each once. Uses inside the unit that makes `value` do not count.
llvm::SmallVector<mlir::Operation *> usersOf(mlir::Value value);

/// The op that makes `value` if it is a plain op of the type, and nothing else than one operand uses it; else
/// null.
template <typename OpType> OpType onlyUsed(mlir::Value value) {
  auto op = value.getDefiningOp<OpType>();
  return op && value.hasOneUse() && !llvm::isa<gemma::FusionOp>(op->getParentOp()) ? op : OpType();
}

/// The op that makes `value` if it is a plain op of the type; else null.
template <typename OpType> OpType plain(mlir::Value value) {
  auto op = value.getDefiningOp<OpType>();
  return op && !llvm::isa<gemma::FusionOp>(op->getParentOp()) ? op : OpType();
}

/// Whether the norm is over whole rows, not over heads or layers' parts of them.
bool isFullRow(gemma::RmsNormOp norm);

/// Whether `value` reaches scores or a cache through head-wise ops only: it is a q, k or v.
bool feedsAttention(mlir::Value value);

/// Whether one fusion of `units` (all of one block) is possible: nothing outside depends on one of them and
/// feeds another.
bool canFuse(llvm::ArrayRef<mlir::Operation *> units);

/// Puts `units`, plain ops and fusions, into one fusion at the place of the last of them; ops between that
/// depend on it move behind it. Its kinds are the units' kinds and then `kind`. Null, and nothing changed, if
/// canFuse says no.
gemma::FusionOp fuse(llvm::ArrayRef<mlir::Operation *> units, llvm::StringRef kind);

/// Moves the ops of `fusion` out in front of it and erases it.
void decompose(gemma::FusionOp fusion);

} // namespace gemmac
