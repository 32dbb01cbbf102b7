// gemma-fuse-router: what chooses the experts from the router's scores stands in front of the first product
// that reads the choice, so that it needs no phase, and no barrier, of its own. Further readers get the
// choice from there.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEROUTER
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
struct FuseRouterPass : impl::GemmaFuseRouterBase<FuseRouterPass> {
  using GemmaFuseRouterBase::GemmaFuseRouterBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::TopKOp> candidates;
    for (mlir::Block &block : getOperation().getBody())
      llvm::append_range(candidates, block.getOps<gemma::TopKOp>());
    for (gemma::TopKOp topK : candidates) {
      auto softmax = onlyUsed<gemma::SoftmaxOp>(topK.getP());
      if (!softmax)
        continue;
      llvm::SmallVector<mlir::Operation *> units{softmax, topK};
      if (mlir::Operation *experts = firstExperts(topK))
        units.push_back(experts);
      if (fuse(units, "router"))
        ++numFused;
    }
  }

private:
  /// The first unit that multiplies with the chosen experts, or null: where something between the two needs
  /// the choice as well, they cannot be one phase.
  static mlir::Operation *firstExperts(gemma::TopKOp topK) {
    mlir::Operation *first = nullptr;
    for (mlir::Operation *unit : usersOf(topK.getIndices())) {
      llvm::SmallVector<mlir::Operation *> products = productsOf(unit);
      const bool multiplies = products.size() == 1 && llvm::isa<gemma::ExpertLinearOp>(products.front());
      if (multiplies && (!first || unit->isBeforeInBlock(first)))
        first = unit;
    }
    return first && canFuse({topK, first}) ? first : nullptr;
  }
};
} // namespace
