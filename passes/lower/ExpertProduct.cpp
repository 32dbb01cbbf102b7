// expert_linear -> one by_row phase of slots x column tasks. Where gate and up are combined behind it, their
// rows are interleaved, so that a task holds columns of both.
#include "dialect/step/Layout.h"
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
/// What an expert_linear computes in its phase.
struct ExpertPlan {
  gemma::SliceOp gate, up; ///< the two halves of the result, if that is all that reads it; else null
  Ops epilogue;            ///< elementwise ops on the halves
  MatrixSpec spec;
};
} // namespace

/// Sets gate and up where they are the only readers of `op` and in the group.
static void findHalves(gemma::ExpertLinearOp op, llvm::ArrayRef<mlir::Operation *> after, ExpertPlan &plan) {
  const int64_t n = op.getResult().getType().getShape().back();
  gemma::SliceOp gate, up;
  for (mlir::Operation *user : op.getResult().getUsers()) {
    auto slice = llvm::dyn_cast<gemma::SliceOp>(user);
    if (!slice || !llvm::is_contained(after, user) || static_cast<int64_t>(slice.getSize()) * 2 != n)
      return;
    gemma::SliceOp &half = slice.getOffset() == 0 ? gate : up;
    if (half || (slice.getOffset() != 0 && slice.getOffset() != slice.getSize()))
      return;
    half = slice;
  }
  if (!gate || !up)
    return;
  plan.gate = gate;
  plan.up = up;
}

static ExpertPlan planExpert(gemma::ExpertLinearOp op, llvm::ArrayRef<mlir::Operation *> after,
                             const WeightTable &weights) {
  ExpertPlan plan;
  findHalves(op, after, plan);
  const llvm::StringRef symbol = op.getWeight();
  const int64_t n = op.getResult().getType().getShape().back(), k = op.getX().getType().getShape().back();
  const step::Format format = weights.format(symbol);
  plan.spec.sources = {symbol};
  plan.spec.experts = true;
  plan.spec.interleave = static_cast<bool>(plan.gate);
  if (!plan.gate) {
    plan.spec.tile = pickTile({n}, k, format, weights.options.tasks);
    return plan;
  }
  // The next product packs the slots as they lie: padding must not make its vectors longer.
  const int64_t half = n / 2;
  int64_t part = pickInterleavedTile(half, 2, k, format, weights.options.tasks);
  while (part > 16 && paddedK(roundUp(half, 2 * part)) != paddedK(half))
    part /= 2;
  plan.spec.tile = 2 * part;
  llvm::SmallPtrSet<mlir::Operation *, 8> made = {plan.gate, plan.up};
  for (mlir::Operation *candidate : after) {
    bool fits =
        llvm::isa<gemma::GeluOp, gemma::MulOp, gemma::AddOp, gemma::ScaleOp, gemma::SoftcapOp>(candidate) &&
        llvm::all_of(candidate->getOperands(),
                     [&](Value value) { return made.contains(value.getDefiningOp()); });
    if (fits) {
      made.insert(candidate);
      plan.epilogue.push_back(candidate);
    }
  }
  return plan;
}

static LogicalResult emitExpert(EntryLowering &entry, Phase &phase, gemma::ExpertLinearOp op,
                                ExpertPlan &plan, step::WeightOp weight, Value act, step::Act format) {
  const int64_t slots = op.getIndices().getType().getDimSize(1);
  const auto tile = static_cast<int64_t>(weight.getTile());
  Scope scope(entry, phase, Scope::Kind::Tile, phase.op.getBody().front());
  scope.tile = {plan.gate ? tile / 2 : tile, slots * static_cast<int64_t>(weight.getN()) / tile, 1, slots};
  const View *indices = scope.find(op.getIndices());
  if (!indices)
    return op.emitOpError("reads indices that no phase before it has made");
  Value chosen = indices->buffer;
  Value to = plan.gate ? entry.privateTile(phase, 1, tile) : scope.destination(op, op.getResult());
  bool perSlot = llvm::cast<mlir::RankedTensorType>(op.getX().getType()).getRank() == 3;
  step::ExpertMatmulOp::create(scope.builder(), op.getLoc(), to, act, chosen, weight.getSymName(), format,
                               slots, perSlot);
  if (plan.gate) {
    for (gemma::SliceOp half : {plan.gate, plan.up}) {
      Value part = scope.tileOf(to, half.getOffset() == 0 ? 0 : tile / 2, 0, tile / 2);
      if (!entry.isExternal(phase, half.getResult())) {
        scope.tiles[half.getResult()] = part;
        continue;
      }
      Value out = scope.destination(half, half.getResult());
      step::CopyOp::create(scope.builder(), op.getLoc(), out, part);
    }
  }
  return scope.emitAll(plan.epilogue);
}

LogicalResult EntryLowering::lowerExpert(Ops ops, gemma::ExpertLinearOp op) {
  const Ops cores = {op};
  Split split = splitGroup(ops, cores);
  ExpertPlan plan = planExpert(op, split.after, info.weights);
  std::string name = nameOf(op);
  if (plan.gate)
    name = (splitName(name).first + "experts").str();
  Ops halves;
  if (plan.gate)
    halves = {plan.gate, plan.up};
  const Ops rest = remaining(ops, {split.pre, cores, halves, plan.epilogue});
  if (failed(beforeProduct(split.pre, cores, name)))
    return failure();

  step::WeightOp weight = info.weights.matrix(plan.spec, op.getLoc());
  const step::Rows kind = rowsOf(op);
  const step::Act format = info.weights.act(weight.getFormat(), rowCount(kind)), act = expertAct(format);
  const bool prologue = rowCount(kind) == 1;
  FailureOr<Packed> packedX = Packed();
  if (!prologue)
    packedX = packInPhase(split.pre, cores, op.getX(), {act}, name);
  if (failed(packedX))
    return failure();
  const int64_t slots = op.getIndices().getType().getDimSize(1);
  Phase phase = beginPhase(name, kind, slots * static_cast<int64_t>(weight.getN() / weight.getTile()), true,
                           op.getLoc());
  if (prologue)
    setInside(phase, split.pre);
  setInside(phase, cores);
  setInside(phase, halves);
  setInside(phase, plan.epilogue);
  if (prologue)
    packedX = packInPrologue(phase, split.pre, op.getX(), {act});
  if (failed(packedX) || failed(emitExpert(*this, phase, op, plan, weight, packedX->of(act), format)))
    return failure();
  return lowerGroup(rest);
}

} // namespace gemmac::lower
