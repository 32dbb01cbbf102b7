// gemma-decompose: every fusion is the ops in it.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMADECOMPOSE
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;

namespace {
struct DecomposePass : impl::GemmaDecomposeBase<DecomposePass> {
  using GemmaDecomposeBase::GemmaDecomposeBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::FusionOp> fusions;
    getOperation().walk([&](gemma::FusionOp fusion) { fusions.push_back(fusion); });
    for (gemma::FusionOp fusion : fusions) {
      decompose(fusion);
      ++numDecomposed;
    }
  }
};
} // namespace
