// gemma-fuse-qkv: the projections of one x that attention reads become one phase.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEQKV
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FuseQkvPass : impl::GemmaFuseQkvBase<FuseQkvPass> {
  using GemmaFuseQkvBase::GemmaFuseQkvBase;

  void runOnOperation() override {
    // Rows pruned to a few have an x of their own (a take_rows), so the linears of one x always have the same
    // rows.
    llvm::MapVector<Value, llvm::SmallVector<Operation *>> byInput;
    for (mlir::Block &block : getOperation().getBody())
      for (auto linear : block.getOps<gemma::LinearOp>())
        if (feedsAttention(linear.getResult()))
          byInput[linear.getX()].push_back(linear);
    for (auto &[x, linears] : byInput)
      if (linears.size() > 1 && fuse(linears, "qkv"))
        ++numFused;
  }
};
} // namespace
