// gemma-fuse-mlp: GeGLU as the epilogue of its gate and up projections, dense and of experts.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEMLP
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FuseMlpPass : impl::GemmaFuseMlpBase<FuseMlpPass> {
  using GemmaFuseMlpBase::GemmaFuseMlpBase;

  void runOnOperation() override {
    llvm::SmallVector<gemma::MulOp> candidates;
    for (mlir::Block &block : getOperation().getBody())
      llvm::append_range(candidates, block.getOps<gemma::MulOp>());
    for (gemma::MulOp mul : candidates) {
      llvm::SmallVector<Operation *> units = match(mul, mul.getLhs(), mul.getRhs());
      if (units.empty())
        units = match(mul, mul.getRhs(), mul.getLhs());
      if (!units.empty() && fuse(units, "mlp"))
        ++numFused;
    }
  }

private:
  /// The ops of mul(gelu(gate), up) with gate and up from one x, or nothing.
  static llvm::SmallVector<Operation *> match(gemma::MulOp mul, Value activated, Value up) {
    auto gelu = onlyUsed<gemma::GeluOp>(activated);
    if (!gelu)
      return {};
    auto gateLinear = onlyUsed<gemma::LinearOp>(gelu.getX()), upLinear = onlyUsed<gemma::LinearOp>(up);
    if (gateLinear && upLinear && gateLinear.getX() == upLinear.getX())
      return {gateLinear, upLinear, gelu, mul};
    auto gateSlice = onlyUsed<gemma::SliceOp>(gelu.getX()), upSlice = onlyUsed<gemma::SliceOp>(up);
    if (!gateSlice || !upSlice || gateSlice.getX() != upSlice.getX())
      return {};
    auto both = plain<gemma::ExpertLinearOp>(gateSlice.getX());
    if (!both || !both.getResult().hasNUses(2))
      return {};
    return {both, gateSlice, gelu, upSlice, mul};
  }
};
} // namespace
