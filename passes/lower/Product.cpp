// Linears of one x -> one phase of column tasks, with what comes before and after them. See Product.h for the
// plan.
#include "passes/lower/Product.h"

#include "passes/lower/Names.h"
#include "passes/lower/Scope.h"
#include "passes/lower/Tiles.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

namespace {
/// Emits the body of a product's phase.
class ProductBody {
public:
  /// `rows`: of the phase.
  ProductBody(EntryLowering &entry, WeightTable &weights, ProductPlan &plan, int64_t rows, mlir::Location loc)
      : entry(entry), weights(weights), plan(plan), rows(rows), loc(loc) {
    if (plan.merged) {
      merged = matrix(plan.sources(), plan.interleave ? plan.tiles[0] * plan.cores.size() : plan.tiles[0],
                      plan.interleave);
    } else {
      for (unsigned i = 0; i < plan.cores.size(); ++i)
        parts.push_back(matrix({plan.cores[i].getWeight()}, plan.tiles[i], false));
    }
  }

  /// Column tasks of a core (interleaved: of the phase).
  int64_t tasks(unsigned core) const {
    if (plan.interleave && plan.merged)
      return rowsOf(merged) / tileOf(merged);
    if (plan.merged)
      return paddedRows({plan.outputs(core)}, plan.tiles[core]) / plan.tiles[core];
    return rowsOf(parts[core]) / tileOf(parts[core]);
  }
  int64_t allTasks() const {
    if (plan.interleave)
      return tasks(0);
    int64_t sum = 0;
    for (unsigned i = 0; i < plan.cores.size(); ++i)
      sum += tasks(i);
    return sum;
  }
  /// One for each format of an activation that the cores read.
  llvm::SmallVector<step::Act> acts() const {
    llvm::SmallVector<step::Act> result;
    for (unsigned i = 0; i < plan.cores.size(); ++i)
      if (step::Act act = actOf(weightOf(i)); !llvm::is_contained(result, act))
        result.push_back(act);
    return result;
  }

  LogicalResult emit(Phase &phase, const std::function<Value(step::Act)> &packed);
  bool isPlainStack() const { return plan.merged && !plan.interleave && plan.epilogue.empty(); }
  step::WeightOp mergedWeight() const { return merged; }

private:
  static int64_t rowsOf(step::WeightOp weight) { return weight.getN(); }
  static int64_t tileOf(step::WeightOp weight) { return weight.getTile(); }
  step::Act actOf(step::WeightOp weight) const { return weights.act(weight.getFormat(), rows); }
  step::WeightOp weightOf(unsigned core) const { return plan.merged ? merged : parts[core]; }
  step::WeightOp matrix(llvm::ArrayRef<llvm::StringRef> sources, int64_t tile, bool interleave) {
    MatrixSpec spec;
    spec.sources.assign(sources.begin(), sources.end());
    spec.tile = tile;
    spec.interleave = interleave;
    return weights.matrix(spec, loc);
  }

  void matmul(Scope &scope, Value to, step::WeightOp weight, const std::function<Value(step::Act)> &packed) {
    step::Act act = actOf(weight);
    step::MatmulOp::create(scope.builder(), loc, to, packed(act), weight.getSymName(), act);
  }
  void shape(Scope &scope, unsigned core) {
    scope.tile.columns = plan.tiles[core];
    scope.tile.tasks = tasks(core);
    scope.tile.rows = rows;
  }
  /// The core's raw result lies in the task's tile `from`; copied to where others read it, if they do.
  void handOver(Phase &phase, Scope &scope, unsigned core, Value from);
  LogicalResult emitInterleaved(Phase &phase, const std::function<Value(step::Act)> &packed);
  LogicalResult emitStacked(Phase &phase, const std::function<Value(step::Act)> &packed);

  EntryLowering &entry;
  WeightTable &weights;
  ProductPlan &plan;
  int64_t rows;
  mlir::Location loc;
  step::WeightOp merged;
  llvm::SmallVector<step::WeightOp> parts;
};
} // namespace

void ProductBody::handOver(Phase &phase, Scope &scope, unsigned core, Value from) {
  gemma::LinearOp op = plan.cores[core];
  if (!entry.isExternal(phase, op.getResult())) {
    scope.tiles[op.getResult()] = from;
    return;
  }
  Value to = scope.destination(op, op.getResult());
  step::CopyOp::create(scope.builder(), loc, to, from);
}

LogicalResult ProductBody::emitInterleaved(Phase &phase, const std::function<Value(step::Act)> &packed) {
  Scope scope(entry, phase, Scope::Kind::Tile, phase.op.getBody().front());
  shape(scope, 0);
  const int64_t part = plan.tiles[0];
  if (plan.merged) {
    Value all = entry.privateTile(phase, rows, part * plan.cores.size());
    matmul(scope, all, merged, packed);
    for (unsigned i = 0; i < plan.cores.size(); ++i)
      handOver(phase, scope, i, scope.tileOf(all, i * part, 0, part));
  } else {
    for (unsigned i = 0; i < plan.cores.size(); ++i)
      matmul(scope, scope.destination(plan.cores[i], plan.cores[i].getResult()), parts[i], packed);
  }
  return scope.emitAll(plan.epilogue);
}

LogicalResult ProductBody::emitStacked(Phase &phase, const std::function<Value(step::Act)> &packed) {
  mlir::Block &body = phase.op.getBody().front();
  if (plan.cores.size() == 1) {
    Scope scope(entry, phase, Scope::Kind::Tile, body);
    shape(scope, 0);
    matmul(scope, scope.destination(plan.cores[0], plan.cores[0].getResult()), parts[0], packed);
    return scope.emitAll(plan.epilogue);
  }
  Value all;
  if (plan.merged) {
    Scope scope(entry, phase, Scope::Kind::Tile, body);
    all = entry.privateTile(phase, rows, plan.tiles[0]);
    matmul(scope, all, merged, packed);
  }
  mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(&body);
  int64_t begin = 0;
  for (unsigned i = 0; i < plan.cores.size(); begin += tasks(i++)) {
    auto branch = step::CaseOp::create(builder, plan.cores[i].getLoc(), begin, begin + tasks(i));
    if (branch.getBody().empty())
      branch.getBody().emplaceBlock();
    Scope scope(entry, phase, Scope::Kind::Tile, branch.getBody().front());
    shape(scope, i);
    if (plan.merged)
      handOver(phase, scope, i, all);
    else
      matmul(scope, scope.destination(plan.cores[i], plan.cores[i].getResult()), parts[i], packed);
    if (failed(scope.emitAll(plan.epilogueOf(i))))
      return failure();
  }
  return success();
}

LogicalResult ProductBody::emit(Phase &phase, const std::function<Value(step::Act)> &packed) {
  if (!isPlainStack())
    return plan.interleave ? emitInterleaved(phase, packed) : emitStacked(phase, packed);
  // Nothing follows: one buffer takes all, and each core's result is some of its columns.
  Scope scope(entry, phase, Scope::Kind::Tile, phase.op.getBody().front());
  const int64_t tile = plan.tiles[0];
  Value buffer = entry.shared(phase, phase.name, rowsOf(merged));
  int64_t offset = 0;
  for (unsigned i = 0; i < plan.cores.size(); offset += tasks(i++) * tile)
    entry.views[plan.cores[i].getResult()] = View{buffer, offset, 1, 0, plan.outputs(i)};
  matmul(scope, scope.tileOf(buffer, 0, tile, tile), merged, packed);
  return success();
}

Ops remaining(llvm::ArrayRef<mlir::Operation *> ops, std::initializer_list<Ops> done) {
  llvm::SmallPtrSet<mlir::Operation *, 32> gone;
  for (const Ops &list : done)
    gone.insert(list.begin(), list.end());
  Ops rest;
  for (mlir::Operation *op : ops)
    if (!gone.contains(op))
      rest.push_back(op);
  return rest;
}

LogicalResult EntryLowering::lowerLinear(Ops ops, mlir::Operation *first) {
  Value x = llvm::cast<gemma::LinearOp>(first).getX();
  Ops cores; // more of them than coresOf has bits for are a product of their own
  for (mlir::Operation *op : ops)
    if (auto linear = llvm::dyn_cast<gemma::LinearOp>(op);
        linear && linear.getX() == x && cores.size() < ProductPlan::kMaxCores)
      cores.push_back(op);
  Split split = splitGroup(ops, cores);
  ProductPlan plan = planProduct(cores, split.after, info.weights);
  llvm::SmallVector<std::string> coreNames;
  for (mlir::Operation *core : cores)
    coreNames.push_back(nameOf(core));
  const std::string name = productName(coreNames);
  const Ops rest = remaining(ops, {split.pre, cores, plan.epilogue});
  if (failed(beforeProduct(split.pre, cores, name)))
    return failure();

  const step::Rows kind = rowsOf(first);
  ProductBody body(*this, info.weights, plan, rowCount(kind), first->getLoc());
  const bool prologue = rowCount(kind) == 1;
  FailureOr<Packed> packedX = Packed();
  if (!prologue)
    packedX = packInPhase(split.pre, cores, x, body.acts(), name);
  if (failed(packedX))
    return failure();
  Phase phase = beginPhase(name, kind, body.allTasks(), false, first->getLoc());
  if (prologue)
    setInside(phase, split.pre);
  setInside(phase, cores);
  setInside(phase, plan.epilogue);
  if (prologue)
    packedX = packInPrologue(phase, split.pre, x, body.acts());
  if (failed(packedX) || failed(body.emit(phase, [&](step::Act act) { return packedX->of(act); })))
    return failure();
  return lowerGroup(rest);
}

} // namespace gemmac::lower
