// Row-wise ops of the model as tile ops. Every one reads through Scope::operand and writes through
// Scope::destination, so that it means the same for a whole row, a piece of one, or a task's columns.
#include "passes/lower/Scope.h"

#include "dialect/gemma/Quantize.h"
#include "passes/lower/Names.h"

#include "llvm/ADT/TypeSwitch.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

static mlir::FlatSymbolRefAttr reference(step::WeightOp weight) {
  return mlir::FlatSymbolRefAttr::get(weight.getSymNameAttr());
}

/// dst = f(operand 0). `inPlace`: dst may be the operand's place.
template <typename StepOp, typename... Attributes>
LogicalResult Scope::unary(mlir::Operation *op, bool inPlace, Attributes... attributes) {
  Value x = op->getOperand(0);
  FailureOr<Value> source = operand(op, x);
  if (failed(source))
    return failure();
  Value to = destination(op, op->getResult(0), inPlace ? llvm::ArrayRef<Value>(x) : llvm::ArrayRef<Value>());
  StepOp::create(b, op->getLoc(), to, *source, attributes...);
  return success();
}

template <typename StepOp> LogicalResult Scope::binary(mlir::Operation *op) {
  FailureOr<Value> lhs = operand(op, op->getOperand(0)), rhs = operand(op, op->getOperand(1));
  if (failed(lhs) || failed(rhs))
    return failure();
  Value to = destination(op, op->getResult(0), {op->getOperand(0), op->getOperand(1)});
  StepOp::create(b, op->getLoc(), to, *lhs, *rhs);
  return success();
}

LogicalResult Scope::emitNorm(gemma::RmsNormOp op) {
  mlir::FlatSymbolRefAttr weight;
  if (auto symbol = op.getWeight())
    weight = reference(entry.info.weights.vec(*symbol, op.getLoc()));
  return unary<step::NormOp>(op, true, weight, b.getI64IntegerAttr(op.getGroup()), op.getEpsAttr(),
                             op.getOffsetAttr());
}

LogicalResult Scope::emitScaleBy(gemma::ScaleByOp op) {
  return unary<step::ScaleByOp>(op, true, reference(entry.info.weights.vec(op.getWeight(), op.getLoc())));
}

LogicalResult Scope::emitEmbed(gemma::EmbedOp op) {
  // (4): under --compute=bf16 the scale is rounded to the weights' type first.
  double scale = op.getScale().convertToDouble();
  if (entry.info.options.compute == Compute::BF16)
    scale = bf16ToF32(f32ToBF16(static_cast<float>(scale)));
  mlir::FlatSymbolRefAttr table = entry.info.weights.table(op.getTable(), op.getLoc());
  step::EmbedOp::create(b, op.getLoc(), destination(op, op.getResult()), table, b.getF64FloatAttr(scale));
  return success();
}

LogicalResult Scope::emitRope(gemma::RopeOp op) {
  FailureOr<Value> source = operand(op, op.getX());
  if (failed(source))
    return failure();
  Value table = entry.ropeTables.at({static_cast<unsigned>(phase.rows), op.getHeadDim(), op.getAngles(),
                                     op.getTheta().convertToDouble(), op.getFactor().convertToDouble()});
  step::RopeOp::create(b, op.getLoc(), destination(op, op.getResult(), {op.getX()}), *source, table,
                       op.getHeadDim(), op.getAngles());
  return success();
}

/// A slice is a view of where its source lies.
LogicalResult Scope::emitSlice(gemma::SliceOp op) {
  auto offset = static_cast<int64_t>(op.getOffset()), size = static_cast<int64_t>(op.getSize());
  if (Value made = tiles.lookup(op.getX())) {
    if (kind == Kind::Tile)
      return op.emitOpError("of a task's columns has no lowering");
    // Its reader must not take this place over while another slice of it is still to be read.
    ++phase.uses[op.getX()];
    tiles[op.getResult()] = tileOf(made, offset, 0, size);
    phase.uses[op.getResult()] += 2;
  }
  const View *view = find(op.getX());
  if (!view)
    return tiles.count(op.getX()) ? success()
                                  : op.emitOpError("reads a value that no phase before it has made");
  View part = *view;
  part.offset += offset;
  part.width = size;
  phase.pinned.insert(part.buffer.getAsOpaquePointer());
  if (phase.local.count(op.getX()))
    phase.local[op.getResult()] = part;
  if (auto shared = entry.views.find(op.getX()); shared != entry.views.end()) {
    View published = shared->second;
    published.offset += offset;
    published.width = size;
    entry.views[op.getResult()] = published;
  }
  return success();
}

LogicalResult Scope::emitTopK(gemma::TopKOp op) {
  FailureOr<Value> source = operand(op, op.getP());
  if (failed(source))
    return failure();
  mlir::FlatSymbolRefAttr scale;
  if (auto symbol = op.getExpertScale())
    scale = reference(entry.info.weights.vec(*symbol, op.getLoc()));
  Value weights = destination(op, op.getWeights()), indices = destination(op, op.getIndices());
  step::TopKOp::create(b, op.getLoc(), weights, indices, *source, b.getI64IntegerAttr(op.getK()), scale);
  return success();
}

LogicalResult Scope::emitCombine(gemma::CombineOp op) {
  const View *y = find(op.getY());
  FailureOr<Value> weights = operand(op, op.getWeights());
  if (!y || failed(weights))
    return y ? failure() : op.emitOpError("reads a value that no phase before it has made");
  if (y->groups > 1 && !y->whole())
    return op.emitOpError("reads pieces of ") << y->width << " columns that lie " << y->stride << " apart";
  FailureOr<Value> source = y->groups > 1 ? y->buffer : operand(op, op.getY());
  if (failed(source))
    return failure();
  // Padding of the pieces is summed like the rest, so that the result's columns are theirs.
  int64_t columns = y->groups > 1 ? y->stride : y->width;
  Value to = place(op, op.getResult(), columns, b.getF32Type());
  step::CombineOp::create(b, op.getLoc(), to, *source, *weights);
  return success();
}

/// Kind Tile: the halves that this task made, in the heads of its columns.
LogicalResult Scope::emitCacheUpdate(gemma::CacheUpdateOp op) {
  int64_t headDim = llvm::cast<gemma::KvType>(op.getKv().getType()).getHeadDim();
  int64_t stride = kind == Kind::Tile ? tile.columns / headDim : 0;
  const std::pair<Value, step::Which> halves[] = {{op.getK(), step::Which::K}, {op.getV(), step::Which::V}};
  for (auto [value, which] : halves) {
    if (kind == Kind::Tile && !tiles.count(value))
      continue;
    FailureOr<Value> source = operand(op, value);
    if (failed(source))
      return failure();
    step::CacheWriteOp::create(b, op.getLoc(), op.getCache(), *source, which, /*head=*/0, stride);
  }
  entry.kvs[op.getKv()] = op.getCache();
  return success();
}

LogicalResult Scope::emitTakeRows(gemma::TakeRowsOp op) {
  const View *view = find(op.getX());
  if (!view || view->groups != 1 || !op.getResult().getType().getElementType().isF32())
    return op.emitOpError("of this value has no lowering; expected rank 2 of f32, found ")
           << op.getX().getType();
  // The whole of the buffer, so that what is behind the columns in use need not be told apart.
  View source = *view;
  // A decode step of one sequence, or rows that a take_rows has left: one row for each sequence, in order.
  const bool taken = !llvm::cast<mlir::RankedTensorType>(op.getX().getType()).isDynamicDim(0);
  const bool isLocal = phase.local.count(op.getX()) > 0;
  if (taken && (!isLocal || kind == Kind::Prologue || !entry.isExternal(phase, op.getResult()))) {
    phase.pinned.insert(source.buffer.getAsOpaquePointer());
    (isLocal ? phase.local : entry.views)[op.getResult()] = source;
    return success();
  }
  Value to = place(op, op.getResult(), source.columns(), b.getF32Type());
  if (taken)
    step::CopyOp::create(b, op.getLoc(), to, source.buffer);
  else
    step::TakeRowOp::create(b, op.getLoc(), to, source.buffer);
  (phase.local.count(op.getResult()) ? phase.local : entry.views)[op.getResult()].offset = source.offset;
  return success();
}

/// Counts the op's reads as done.
void Scope::done(mlir::Operation *op) {
  llvm::SmallPtrSet<void *, 4> seen;
  for (Value value : op->getOperands())
    if (seen.insert(value.getAsOpaquePointer()).second)
      if (auto uses = phase.uses.find(value); uses != phase.uses.end() && uses->second > 0)
        --uses->second;
}

LogicalResult Scope::emit(mlir::Operation *op) {
  LogicalResult emitted =
      llvm::TypeSwitch<mlir::Operation *, LogicalResult>(op)
          .Case([&](gemma::AddOp op) { return binary<step::AddOp>(op); })
          .Case([&](gemma::MulOp op) { return binary<step::MulOp>(op); })
          .Case([&](gemma::GeluOp op) { return unary<step::GeluOp>(op, true); })
          .Case([&](gemma::ScaleOp op) { return unary<step::ScaleOp>(op, true, op.getFactorAttr()); })
          .Case([&](gemma::SoftcapOp op) { return unary<step::SoftcapOp>(op, true, op.getCapAttr()); })
          .Case([&](gemma::SoftmaxOp op) { return unary<step::SoftmaxOp>(op, false); })
          .Case([&](gemma::RmsNormOp op) { return emitNorm(op); })
          .Case([&](gemma::ScaleByOp op) { return emitScaleBy(op); })
          .Case([&](gemma::EmbedOp op) { return emitEmbed(op); })
          .Case([&](gemma::RopeOp op) { return emitRope(op); })
          .Case([&](gemma::SliceOp op) { return emitSlice(op); })
          .Case([&](gemma::TopKOp op) { return emitTopK(op); })
          .Case([&](gemma::CombineOp op) { return emitCombine(op); })
          .Case([&](gemma::CacheUpdateOp op) { return emitCacheUpdate(op); })
          .Case([&](gemma::TakeRowsOp op) { return emitTakeRows(op); })
          .Default([](mlir::Operation *op) { return op->emitOpError("has no lowering to a step"); });
  if (failed(emitted))
    return failure();
  done(op);
  if (kind != Kind::Prologue || llvm::isa<gemma::SliceOp>(op))
    return success();
  for (Value result : op->getResults()) {
    auto local = phase.local.find(result);
    if (local == phase.local.end() || !entry.isExternal(phase, result))
      continue;
    View view = local->second;
    auto type = llvm::cast<mlir::MemRefType>(view.buffer.getType());
    Value buffer = entry.shared(phase, nameOf(op), type.getDimSize(1), type.getElementType());
    step::PublishOp::create(b, op->getLoc(), buffer, view.buffer);
    view.buffer = buffer;
    entry.views[result] = view;
  }
  return success();
}

/// At once: an op behind this one may reuse the task's tile.
LogicalResult Scope::packResults(mlir::Operation *op) {
  for (Value result : op->getResults()) {
    auto form = packedHere.find(result);
    if (form == packedHere.end())
      continue;
    mlir::FailureOr<Value> made = operand(op, result);
    if (failed(made))
      return failure();
    step::PackTileOp::create(b, op->getLoc(), entry.packedBuffer(phase, result, form->second), *made,
                             form->second);
  }
  return success();
}

LogicalResult Scope::emitAll(llvm::ArrayRef<mlir::Operation *> ops) {
  for (mlir::Operation *op : ops)
    for (Value result : op->getResults())
      if (kind == Kind::Tile && tile.groups == 1 && entry.isExternal(phase, result))
        if (std::optional<step::Act> act = entry.packedByTasks(phase, result, tile.columns, tile.tasks))
          packedHere[result] = *act;
  for (mlir::Operation *op : ops)
    if (failed(emit(op)) || failed(packResults(op)))
      return failure();
  return success();
}

} // namespace gemmac::lower
