// gemma-fuse-router: what chooses the experts from the router's scores is one row-wise phase.
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
      if (softmax && fuse({softmax, topK}, "router"))
        ++numFused;
    }
  }
};
} // namespace
