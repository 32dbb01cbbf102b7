// gemma-fuse-attention: scores, softmax and the sum of values; the scores never leave the phase.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEATTENTION
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
struct FuseAttentionPass : impl::GemmaFuseAttentionBase<FuseAttentionPass> {
  using GemmaFuseAttentionBase::GemmaFuseAttentionBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::PvOp> candidates;
    for (mlir::Block &block : getOperation().getBody())
      llvm::append_range(candidates, block.getOps<gemma::PvOp>());
    for (gemma::PvOp pv : candidates) {
      auto softmax = onlyUsed<gemma::SoftmaxOp>(pv.getP());
      auto qk = softmax ? onlyUsed<gemma::QkOp>(softmax.getX()) : gemma::QkOp();
      if (qk && fuse({qk, softmax, pv}, "attention"))
        ++numFused;
    }
  }
};
} // namespace
