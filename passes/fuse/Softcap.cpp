// gemma-fuse-softcap: the softcap of logits in the epilogue of the product that makes them.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSESOFTCAP
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
struct FuseSoftcapPass : impl::GemmaFuseSoftcapBase<FuseSoftcapPass> {
  using GemmaFuseSoftcapBase::GemmaFuseSoftcapBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::SoftcapOp> candidates;
    for (mlir::Block &block : getOperation().getBody())
      llvm::append_range(candidates, block.getOps<gemma::SoftcapOp>());
    for (gemma::SoftcapOp softcap : candidates) {
      auto linear = onlyUsed<gemma::LinearOp>(softcap.getX());
      if (linear && fuse({linear, softcap}, "softcap"))
        ++numFused;
    }
  }
};
} // namespace
