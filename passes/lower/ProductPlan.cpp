// How linears of one x and the ops after them share a phase. See Product.h.
#include "passes/lower/Product.h"

#include "dialect/step/Layout.h"
#include "passes/lower/Tiles.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace gemmac::lower {

using mlir::Value;

int64_t ProductPlan::outputs(unsigned core) const {
  gemma::LinearOp op = cores[core];
  return op.getResult().getType().getShape().back();
}

Ops ProductPlan::epilogueOf(unsigned core) const {
  Ops ops;
  for (mlir::Operation *op : epilogue)
    if (coresOf.lookup(op) >> core & 1)
      ops.push_back(op);
  return ops;
}

llvm::SmallVector<llvm::StringRef> ProductPlan::sources() const {
  llvm::SmallVector<llvm::StringRef> names;
  for (gemma::LinearOp core : cores)
    names.push_back(gemma::LinearOp(core).getWeight());
  return names;
}

namespace {
class Planner {
public:
  Planner(ProductPlan &plan, llvm::ArrayRef<mlir::Operation *> after, const WeightTable &weights)
      : plan(plan), after(after), weights(weights) {
    for (gemma::LinearOp core : plan.cores) {
      n.push_back(core.getResult().getType().getShape().back());
      plan.coresOf[core] = uint32_t(1) << (n.size() - 1);
    }
    for (mlir::Operation *op : after)
      for (Value value : op->getOperands())
        plan.coresOf[op] |= coresOf(value);
    k = plan.cores.front().getX().getType().getShape().back();
    format = weights.format(plan.cores.front().getWeight());
  }

  void run() {
    plan.merged = plan.cores.size() > 1 && weights.mergeable(plan.sources());
    const int64_t heads = headTile();
    plan.interleave = heads == 0 && combines() && llvm::all_equal(n);
    if (heads)
      plan.tiles.assign(n.size(), heads);
    else if (plan.interleave)
      plan.tiles.assign(n.size(), pickInterleavedTile(n.front(), n.size(), k, format, many()));
    else if (plan.merged)
      plan.tiles.assign(n.size(), pickTile(n, k, format, many()));
    else
      for (gemma::LinearOp core : plan.cores)
        plan.tiles.push_back(plainTile(core));
    llvm::SmallPtrSet<mlir::Operation *, 16> made;
    for (gemma::LinearOp core : plan.cores)
      made.insert(core);
    for (mlir::Operation *op : after)
      if (fits(op, made)) {
        made.insert(op);
        plan.epilogue.push_back(op);
      }
  }

private:
  int64_t many() const { return weights.options.tasks; }

  uint32_t coresOf(Value value) const {
    mlir::Operation *op = value.getDefiningOp();
    return op ? plan.coresOf.lookup(op) : 0;
  }

  int64_t plainTile(gemma::LinearOp core) const {
    if (int64_t tile = weights.plainTile(core.getWeight()))
      return tile;
    return pickTile({core.getResult().getType().getShape().back()}, k, weights.format(core.getWeight()),
                    many());
  }

  /// Columns of a head that an op needs to see together, 0 if none.
  static int64_t headDim(mlir::Operation *op) {
    return llvm::TypeSwitch<mlir::Operation *, int64_t>(op)
        .Case([](gemma::RmsNormOp op) { return op.getGroup(); })
        .Case([](gemma::RopeOp op) { return op.getHeadDim(); })
        .Case([](gemma::CacheUpdateOp op) {
          return llvm::cast<gemma::KvType>(op.getKv().getType()).getHeadDim();
        })
        .Default(int64_t(0));
  }

  /// The tile with which ops on heads (or on one layer's PLE) fit behind the product: one head. 0 where there
  /// are no such ops, heads are no whole panels, or so few that workers would be idle.
  int64_t headTile() const {
    int64_t tile = 0;
    for (mlir::Operation *op : after)
      tile = std::max(tile, headDim(op));
    if (!tile || tile % kPanelRows)
      return 0;
    int64_t tasks = 0;
    for (int64_t outputs : n) {
      if (outputs % tile)
        return 0;
      tasks += outputs / tile;
    }
    return tasks >= weights.options.headTasks ? tile : 0;
  }

  /// An op after the product needs columns of more than one core.
  bool combines() const {
    return llvm::any_of(after, [&](mlir::Operation *op) {
      return !llvm::isa<gemma::CacheUpdateOp>(op) && llvm::popcount(plan.coresOf.lookup(op)) > 1;
    });
  }

  /// The columns of a task hold all that `op` needs, and the task holds all its operands.
  bool fits(mlir::Operation *op, const llvm::SmallPtrSetImpl<mlir::Operation *> &made) const {
    const uint32_t cores = plan.coresOf.lookup(op);
    if (!plan.interleave && llvm::popcount(cores) > 1 && !llvm::isa<gemma::CacheUpdateOp>(op))
      return false;
    const unsigned core = llvm::countr_zero(cores);
    bool outside = false;
    for (Value value : op->getOperands()) {
      if (!coresOf(value))
        outside |= llvm::isa<mlir::RankedTensorType>(value.getType()) &&
                   llvm::cast<mlir::RankedTensorType>(value.getType()).getRank() > 1;
      else if (!made.contains(value.getDefiningOp()))
        return false;
    }
    const int64_t tile = plan.tiles[core];
    const bool exact = n[core] % tile == 0; // no padding: the same columns of other values are there
    auto heads = [&](int64_t headDim) {
      return !plan.interleave && !outside && exact && epilogueFits(tile, headDim);
    };
    return llvm::TypeSwitch<mlir::Operation *, bool>(op)
        .Case<gemma::GeluOp, gemma::ScaleOp, gemma::SoftcapOp>([](auto) { return true; })
        .Case<gemma::AddOp, gemma::MulOp>([&](auto) { return !outside || exact; })
        .Case([&](gemma::ScaleByOp op) {
          return weights.source(op.getWeight()).getTensorType().getNumElements() == 1;
        })
        .Case<gemma::RmsNormOp, gemma::RopeOp>([&](mlir::Operation *op) { return heads(headDim(op)); })
        .Case([&](gemma::CacheUpdateOp op) {
          unsigned ofK = coresOf(op.getK()), ofV = coresOf(op.getV());
          return ofK && ofV && heads(headDim(op)) && n[llvm::countr_zero(ofV)] % tile == 0;
        })
        .Default(false);
  }

  ProductPlan &plan;
  llvm::ArrayRef<mlir::Operation *> after;
  const WeightTable &weights;
  llvm::SmallVector<int64_t> n;
  int64_t k;
  step::Format format;
};
} // namespace

ProductPlan planProduct(llvm::ArrayRef<mlir::Operation *> cores, llvm::ArrayRef<mlir::Operation *> after,
                        const WeightTable &weights) {
  ProductPlan plan;
  for (mlir::Operation *core : cores)
    plan.cores.push_back(llvm::cast<gemma::LinearOp>(core));
  Planner(plan, after, weights).run();
  return plan;
}

} // namespace gemmac::lower
