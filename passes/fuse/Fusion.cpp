// The helpers of the fusion passes: see Fusion.h. fuse() keeps SSA order by moving what depends on the fusion
// behind it.
#include "passes/fuse/Fusion.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

llvm::SmallVector<Operation *> gemmac::productsOf(Operation *unit) {
  llvm::SmallVector<Operation *> products;
  unit->walk([&](Operation *op) {
    if (isProduct(op))
      products.push_back(op);
  });
  return products;
}

Operation *gemmac::unitOf(Operation *op) {
  auto fusion = op->getParentOfType<gemma::FusionOp>();
  return fusion ? fusion.getOperation() : op;
}

llvm::SmallVector<Operation *> gemmac::usersOf(Value value) {
  Operation *maker = value.getDefiningOp() ? unitOf(value.getDefiningOp()) : nullptr;
  llvm::SmallSetVector<Operation *, 4> units;
  for (Operation *user : value.getUsers())
    if (unitOf(user) != maker)
      units.insert(unitOf(user));
  return units.takeVector();
}

bool gemmac::isFullRow(gemma::RmsNormOp norm) {
  auto type = llvm::cast<mlir::RankedTensorType>(norm.getX().getType());
  return static_cast<int64_t>(norm.getGroup()) == type.getShape().back();
}

bool gemmac::feedsAttention(Value value) {
  for (mlir::OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto update = llvm::dyn_cast<gemma::CacheUpdateOp>(user)) {
      if (value == update.getK() || value == update.getV())
        return true;
    } else if (llvm::isa<gemma::QkOp>(user)) {
      return true;
    } else if (llvm::isa<gemma::RmsNormOp, gemma::RopeOp>(user)) {
      if (feedsAttention(user->getResult(0)))
        return true;
    } else if (llvm::isa<gemma::YieldOp>(user)) {
      if (feedsAttention(user->getParentOp()->getResult(use.getOperandNumber())))
        return true;
    }
  }
  return false;
}

/// Every value that the unit reads from outside of it.
static llvm::SetVector<Value> inputsOf(Operation *unit) {
  llvm::SetVector<Value> inputs;
  inputs.insert(unit->operand_begin(), unit->operand_end());
  mlir::getUsedValuesDefinedAbove(unit->getRegions(), inputs);
  return inputs;
}

static void sortByPosition(llvm::SmallVectorImpl<Operation *> &units) {
  llvm::sort(units, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
}

/// Collects the ops between the first and the last of the sorted `units` that depend on one of them; false if
/// one of the units depends on such an op.
static bool dependants(llvm::ArrayRef<Operation *> units, llvm::SmallVectorImpl<Operation *> &late) {
  llvm::SmallPtrSet<Operation *, 16> group(units.begin(), units.end()), lateSet;
  auto dependsOn = [](Operation *op, const llvm::SmallPtrSetImpl<Operation *> &set) {
    return llvm::any_of(inputsOf(op), [&](Value input) { return set.contains(input.getDefiningOp()); });
  };
  for (Operation *op = units.front(); op != units.back()->getNextNode(); op = op->getNextNode()) {
    if (group.contains(op)) {
      if (dependsOn(op, lateSet))
        return false;
    } else if (dependsOn(op, group) || dependsOn(op, lateSet)) {
      late.push_back(op);
      lateSet.insert(op);
    }
  }
  return true;
}

bool gemmac::canFuse(llvm::ArrayRef<Operation *> units) {
  llvm::SmallVector<Operation *> sorted(units), late;
  sortByPosition(sorted);
  return dependants(sorted, late);
}

/// Kinds of all units, each once, then `kind`.
static mlir::ArrayAttr kindsOf(llvm::ArrayRef<Operation *> units, llvm::StringRef kind) {
  llvm::SmallSetVector<mlir::Attribute, 4> kinds;
  for (Operation *unit : units)
    if (auto fusion = llvm::dyn_cast<gemma::FusionOp>(unit))
      kinds.insert(fusion.getKinds().begin(), fusion.getKinds().end());
  mlir::MLIRContext *context = units.front()->getContext();
  kinds.insert(mlir::StringAttr::get(context, kind));
  return mlir::ArrayAttr::get(context, kinds.getArrayRef());
}

/// The model-level ops of `units` as plain ops of the block: fusions among them are decomposed.
static llvm::SmallVector<Operation *> flatten(llvm::ArrayRef<Operation *> units) {
  llvm::SmallVector<Operation *> ops;
  for (Operation *unit : units) {
    auto fusion = llvm::dyn_cast<gemma::FusionOp>(unit);
    if (!fusion) {
      ops.push_back(unit);
      continue;
    }
    for (Operation &op : fusion.getBody().front().without_terminator())
      ops.push_back(&op);
    decompose(fusion);
  }
  return ops;
}

gemma::FusionOp gemmac::fuse(llvm::ArrayRef<Operation *> units, llvm::StringRef kind) {
  llvm::SmallVector<Operation *> sorted(units), late;
  sortByPosition(sorted);
  if (!dependants(sorted, late))
    return nullptr;
  mlir::ArrayAttr kinds = kindsOf(sorted, kind);
  Operation *after = sorted.back()->getNextNode(); // a block ends with a terminator, which is no unit
  llvm::SmallVector<Operation *> ops = flatten(sorted);

  llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
  auto isOutside = [&](mlir::OpOperand &use) { return !inside.contains(use.getOwner()); };
  llvm::SmallVector<Value> escaping;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUses(), isOutside))
        escaping.push_back(result);

  const auto *core = llvm::find_if(ops, isProduct);
  mlir::Location place = core == ops.end() ? ops.back()->getLoc() : (*core)->getLoc();
  mlir::OpBuilder builder(after);
  auto fusion = gemma::FusionOp::create(builder, place, mlir::ValueRange(escaping).getTypes(), kinds);
  mlir::Block *body = builder.createBlock(&fusion.getBody());
  for (auto [inner, outer] : llvm::zip_equal(escaping, fusion.getResults()))
    inner.replaceUsesWithIf(outer, isOutside);
  for (Operation *op : ops)
    op->moveBefore(body, body->end());
  builder.setInsertionPointToEnd(body);
  gemma::YieldOp::create(builder, place, escaping);
  for (Operation *op : late)
    op->moveBefore(after);
  return fusion;
}

void gemmac::decompose(gemma::FusionOp fusion) {
  mlir::Block &body = fusion.getBody().front();
  auto yield = llvm::cast<gemma::YieldOp>(body.getTerminator());
  llvm::SmallVector<Value> values(yield.getValues());
  yield.erase();
  fusion->getBlock()->getOperations().splice(fusion->getIterator(), body.getOperations());
  fusion->replaceAllUsesWith(values);
  fusion.erase();
}
