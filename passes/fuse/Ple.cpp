// gemma-fuse-ple: the two small products of per-layer embeddings with what follows them.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEPLE
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FusePlePass : impl::GemmaFusePleBase<FusePlePass> {
  using GemmaFusePleBase::GemmaFusePleBase;

  void runOnOperation() override {
    llvm::SmallVector<Operation *> candidates;
    for (mlir::Block &block : getOperation().getBody())
      for (Operation &op : block)
        if (llvm::isa<gemma::MulOp, gemma::ScaleOp>(op))
          candidates.push_back(&op);
    for (Operation *op : candidates) {
      llvm::SmallVector<Operation *> units = llvm::isa<gemma::MulOp>(op)
                                                 ? matchGate(llvm::cast<gemma::MulOp>(op))
                                                 : matchProjection(llvm::cast<gemma::ScaleOp>(op));
      if (!units.empty() && fuse(units, "ple"))
        ++numFused;
    }
  }

private:
  /// (13): mul(gelu(linear(x)), slice(ple)), or nothing.
  static llvm::SmallVector<Operation *> matchGate(gemma::MulOp mul) {
    for (auto [activated, part] :
         {std::pair(mul.getLhs(), mul.getRhs()), std::pair(mul.getRhs(), mul.getLhs())}) {
      auto gelu = onlyUsed<gemma::GeluOp>(activated);
      auto linear = gelu ? onlyUsed<gemma::LinearOp>(gelu.getX()) : gemma::LinearOp();
      auto slice = onlyUsed<gemma::SliceOp>(part);
      if (linear && slice)
        return {linear, gelu, slice, mul};
    }
    return {};
  }

  /// (6), (7): scale(add(rms_norm(scale(linear(x))), A)), or nothing.
  static llvm::SmallVector<Operation *> matchProjection(gemma::ScaleOp last) {
    auto add = onlyUsed<gemma::AddOp>(last.getX());
    if (!add)
      return {};
    for (Value operand : add->getOperands()) {
      auto norm = onlyUsed<gemma::RmsNormOp>(operand);
      auto first = norm ? onlyUsed<gemma::ScaleOp>(norm.getX()) : gemma::ScaleOp();
      auto linear = first ? onlyUsed<gemma::LinearOp>(first.getX()) : gemma::LinearOp();
      if (linear)
        return {linear, first, norm, add, last};
    }
    return {};
  }
};
} // namespace
