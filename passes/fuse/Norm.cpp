// gemma-fuse-norm: what lies between the residual stream and a product becomes the product's prologue, and so
// does the residual sum itself. Each of these has one place: a value that several phases read is made once
// and handed out.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSENORM
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FuseNormPass : impl::GemmaFuseNormBase<FuseNormPass> {
  using GemmaFuseNormBase::GemmaFuseNormBase;

  void runOnOperation() override {
    llvm::SmallVector<Operation *> products;
    for (mlir::Block &block : getOperation().getBody())
      for (Operation &op : block)
        if (coreInput(&op))
          products.push_back(&op);
    for (Operation *unit : products) {
      Operation *whole = takeNorm(unit);
      takeResidual(whole);
    }
  }

private:
  /// What the unit's core multiplies with weights, or null: the x of its linears or of its expert_linear.
  /// Attention has none: its q comes straight from another phase.
  static Value coreInput(Operation *unit) {
    llvm::SmallVector<Operation *> products = productsOf(unit);
    if (products.empty() || !llvm::isa<gemma::LinearOp, gemma::ExpertLinearOp>(products.front()))
      return nullptr;
    return products.front()->getOperand(0);
  }

  /// Moves the plain scales and the norm that only `unit` reads into it. Returns the unit as it then is.
  Operation *takeNorm(Operation *unit) {
    llvm::SmallVector<Operation *> chain{unit};
    Value x = coreInput(unit);
    for (bool more = true; more;) {
      Operation *maker = x.getDefiningOp();
      more = maker && llvm::isa<gemma::ScaleOp, gemma::ScaleByOp, gemma::RmsNormOp>(maker) &&
             unitOf(maker) == maker && usersOf(x).size() == 1;
      if (!more)
        break;
      chain.push_back(maker);
      x = maker->getOperand(0);
      more = !llvm::isa<gemma::RmsNormOp>(maker);
    }
    // Scales alone, without a norm above them, belong to whoever makes x.
    if (chain.size() == 1 || !llvm::isa<gemma::RmsNormOp>(chain.back()))
      return unit;
    return merged(chain, unit);
  }

  /// Moves the residual fusion that makes the stream into `unit`, which starts from it.
  void takeResidual(Operation *unit) {
    Value x = coreInput(unit);
    auto isPrologue = [&](Operation *maker) {
      return maker && unitOf(maker) == unit &&
             llvm::isa<gemma::ScaleOp, gemma::ScaleByOp, gemma::RmsNormOp>(maker);
    };
    while (isPrologue(x.getDefiningOp()))
      x = x.getDefiningOp()->getOperand(0);
    auto residual = x.getDefiningOp<gemma::FusionOp>();
    if (residual && productsOf(residual).empty())
      merged({residual, unit}, unit);
  }

  Operation *merged(llvm::ArrayRef<Operation *> units, Operation *old) {
    gemma::FusionOp fusion = fuse(units, "norm");
    if (!fusion)
      return old;
    ++numFused;
    return fusion;
  }
};
} // namespace
