// gemma-fuse-qknorm-rope-kv: what happens to each head of a projection, and the write of K and V, joins its
// phase.
#include "passes/fuse/Fusion.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAFUSEQKNORMROPEKV
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
struct FuseQknormRopeKvPass : impl::GemmaFuseQknormRopeKvBase<FuseQknormRopeKvPass> {
  using GemmaFuseQknormRopeKvBase::GemmaFuseQknormRopeKvBase;

  void runOnOperation() override {
    llvm::SmallVector<Operation *> projections;
    for (mlir::Block &block : getOperation().getBody())
      for (Operation &op : block)
        if (isProjection(&op))
          projections.push_back(&op);
    for (Operation *projection : projections) {
      llvm::SmallVector<Operation *> units = grow(projection);
      if (units.size() > 1 && fuse(units, "qknorm-rope-kv"))
        ++numFused;
    }
  }

private:
  /// A linear, or a fusion of linears, whose every result is a q, k or v.
  static bool isProjection(Operation *unit) {
    llvm::SmallVector<Operation *> products = productsOf(unit);
    return !products.empty() && llvm::all_of(products, llvm::IsaPred<gemma::LinearOp>) &&
           llvm::all_of(unit->getResults(), feedsAttention);
  }

  /// `projection` and the plain head-wise ops and cache writes that need nothing computed outside of these.
  static llvm::SmallVector<Operation *> grow(Operation *projection) {
    llvm::SmallVector<Operation *> units{projection};
    llvm::SmallPtrSet<Operation *, 8> group{projection};
    auto inside = [&](Value value) { return group.contains(value.getDefiningOp()); };
    for (Operation *op = projection->getNextNode(); op; op = op->getNextNode()) {
      bool joins = false;
      if (llvm::isa<gemma::RmsNormOp, gemma::RopeOp>(op))
        joins = inside(op->getOperand(0)) && feedsAttention(op->getResult(0));
      else if (auto update = llvm::dyn_cast<gemma::CacheUpdateOp>(op))
        joins = inside(update.getK()) && inside(update.getV());
      if (joins) {
        group.insert(op);
        units.push_back(op);
      }
    }
    return units;
  }
};
} // namespace
