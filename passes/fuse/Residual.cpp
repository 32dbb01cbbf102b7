// gemma-fuse-residual: the row-wise ops between a product and the residual stream. A norm of whole rows needs
// all columns of the product, so this is a phase of its own (or, after gemma-fuse-norm, the start of the next
// one), never an epilogue.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSERESIDUAL
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FuseResidualPass : impl::GemmaFuseResidualBase<FuseResidualPass> {
  using GemmaFuseResidualBase::GemmaFuseResidualBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::AddOp> candidates;
    for (mlir::Block &block : getOperation().getBody())
      llvm::append_range(candidates, block.getOps<gemma::AddOp>());
    // Backwards: the sum onto the stream comes after, and takes in, the sum of a MoE layer's branches.
    for (gemma::AddOp add : llvm::reverse(candidates)) {
      if (!plain<gemma::AddOp>(add.getResult()))
        continue;
      llvm::SmallVector<Operation *> units = match(add);
      if (!units.empty() && fuse(units, "residual"))
        ++numFused;
    }
  }

private:
  static gemma::RmsNormOp postNorm(Value value) {
    auto norm = onlyUsed<gemma::RmsNormOp>(value);
    return norm && isFullRow(norm) ? norm : gemma::RmsNormOp();
  }

  /// The post-norm that makes `value`, with the branches of a MoE layer before it.
  static bool matchBranch(Value value, llvm::SmallVectorImpl<Operation *> &units) {
    gemma::RmsNormOp norm = postNorm(value);
    if (!norm)
      return false;
    units.push_back(norm);
    auto sum = onlyUsed<gemma::AddOp>(norm.getX());
    if (!sum || !postNorm(sum.getLhs()) || !postNorm(sum.getRhs()))
      return true;
    units.push_back(sum);
    for (Value operand : sum->getOperands()) {
      gemma::RmsNormOp branch = postNorm(operand);
      units.push_back(branch);
      if (auto combine = onlyUsed<gemma::CombineOp>(branch.getX()))
        units.push_back(combine);
    }
    return true;
  }

  /// add(x, post-norm) and the layer scalar after it, or nothing.
  static llvm::SmallVector<Operation *> match(gemma::AddOp add) {
    llvm::SmallVector<Operation *> units;
    if (!matchBranch(add.getRhs(), units) && !matchBranch(add.getLhs(), units))
      return {};
    units.push_back(add);
    if (add.getResult().hasOneUse())
      if (auto scalar = llvm::dyn_cast<gemma::ScaleByOp>(*add.getResult().user_begin());
          scalar && scalar->getBlock() == add->getBlock())
        units.push_back(scalar);
    return units;
  }
};
} // namespace
