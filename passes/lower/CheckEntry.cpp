// What the lowering takes for granted of an entry function and the dialect's verifiers do not say. A step has
// one list of tokens, positions and sequences: ops read them by themselves, so every op must mean those.
#include "passes/lower/EntryLowering.h"

#include "llvm/ADT/TypeSwitch.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

/// Arguments of an entry function.
enum Argument : unsigned { Tokens, Positions, Sequences };

/// The value behind results of fusions and, if `takes`, take_rows.
static Value sourceOf(Value value, bool takes) {
  for (;;) {
    if (auto fusion = value.getDefiningOp<gemma::FusionOp>())
      value = fusion.getBody().front().getTerminator()->getOperand(
          llvm::cast<mlir::OpResult>(value).getResultNumber());
    else if (auto take = value.getDefiningOp<gemma::TakeRowsOp>(); take && takes)
      value = take.getX();
    else
      return value;
  }
}

/// `value` is the argument, or what take_rows left of it.
static LogicalResult checkIndex(mlir::Operation *op, llvm::StringRef name, Value value, Argument argument) {
  auto source = llvm::dyn_cast<mlir::BlockArgument>(sourceOf(value, true));
  if (source && source.getArgNumber() == argument)
    return success();
  return op->emitOpError() << name << " is not what the step gives its rows, expected argument "
                           << static_cast<int64_t>(argument) << " of the entry or a take_rows of it";
}

static LogicalResult checkAttention(mlir::Operation *op, Value pos, Value seq) {
  return success(succeeded(checkIndex(op, "pos", pos, Positions)) &&
                 succeeded(checkIndex(op, "seq", seq, Sequences)));
}

static LogicalResult checkTakeRows(gemma::TakeRowsOp op, bool decode, int64_t batch) {
  if (decode && batch > 1)
    return op.emitOpError() << "in a decode step of " << batch
                            << " sequences has no lowering: their rows may come in any order";
  if (op.getBatch() != static_cast<uint64_t>(batch))
    return op.emitOpError() << "takes " << op.getBatch() << " rows, expected one for each of the " << batch
                            << " sequences of a step";
  return checkIndex(op, "seq", op.getSeq(), Sequences);
}

/// Nothing checks indices when they are used: all that the router can choose must be there.
static LogicalResult checkExperts(gemma::ExpertLinearOp op, const WeightTable &weights) {
  auto chosen = sourceOf(op.getIndices(), true).getDefiningOp<gemma::TopKOp>();
  if (!chosen)
    return op.emitOpError("has indices that no gemma.top_k chose, expected some that one did");
  const int64_t choices = llvm::cast<mlir::RankedTensorType>(chosen.getP().getType()).getShape().back();
  const int64_t experts = weights.source(op.getWeight()).getShape().front();
  if (choices <= experts)
    return success();
  return op.emitOpError() << "has indices chosen of " << choices << " experts, expected at most the "
                          << experts << " of @" << op.getWeight();
}

static LogicalResult checkArguments(mlir::func::FuncOp function, bool decode, int64_t batch) {
  auto isIndex = [](mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32);
  };
  llvm::ArrayRef<mlir::Type> types = function.getArgumentTypes();
  if (types.size() != 3 || !llvm::all_of(types, isIndex) || !llvm::all_equal(types))
    return function.emitError("expected the arguments tokens, pos, seq, found ")
           << function.getFunctionType();
  auto tokens = llvm::cast<mlir::RankedTensorType>(types[Tokens]);
  if (decode && tokens.isDynamicDim(0))
    return function.emitError("expected a static number of rows in decode, found ") << tokens;
  if (decode && tokens.getDimSize(0) != batch)
    return function.emitError("expected one row for each of the ")
           << batch << " sequences of a step in decode, found " << tokens;
  if (!decode && !tokens.isDynamicDim(0))
    return function.emitError("expected any number of rows in prefill, found ") << tokens;
  return success();
}

static LogicalResult checkResults(mlir::func::FuncOp function, step::Logits logits) {
  if (logits == step::Logits::None)
    return success();
  auto type = function.getNumResults() == 1
                  ? llvm::dyn_cast<mlir::RankedTensorType>(function.getResultTypes()[0])
                  : mlir::RankedTensorType();
  if (!type || type.getRank() != 2 || !type.getElementType().isF32() || type.isDynamicDim(1) ||
      type.getDimSize(1) < 1 || type.getDimSize(1) > INT32_MAX)
    return function.emitError("expected one result, logits of f32 with 1 to 2147483647 columns, found ")
           << function.getFunctionType();
  return success();
}

LogicalResult checkSignature(mlir::func::FuncOp function, bool decode, step::Logits logits, int64_t batch) {
  return success(succeeded(checkArguments(function, decode, batch)) &&
                 succeeded(checkResults(function, logits)));
}

LogicalResult EntryLowering::check() {
  mlir::WalkResult result = function.walk([&](mlir::Operation *op) {
    LogicalResult checked =
        llvm::TypeSwitch<mlir::Operation *, LogicalResult>(op)
            .Case([&](gemma::EmbedOp op) { return checkIndex(op, "tokens", op.getTokens(), Tokens); })
            .Case([&](gemma::RopeOp op) { return checkIndex(op, "pos", op.getPos(), Positions); })
            .Case<gemma::CacheUpdateOp, gemma::QkOp, gemma::PvOp>(
                [&](auto op) { return checkAttention(op, op.getPos(), op.getSeq()); })
            .Case([&](gemma::TakeRowsOp op) { return checkTakeRows(op, decode, batch); })
            .Case([&](gemma::ExpertLinearOp op) { return checkExperts(op, info.weights); })
            .Default([](mlir::Operation *) { return success(); });
    return failed(checked) ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
  });
  return mlir::failure(result.wasInterrupted());
}

} // namespace gemmac::lower
