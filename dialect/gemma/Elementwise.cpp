// Verifiers and folders of the elementwise ops.
#include "dialect/Numbers.h"
#include "dialect/gemma/Verify.h"

#include "mlir/IR/PatternMatch.h"

#include <cmath>

using namespace mlir;
using namespace gemmac::gemma;

OpFoldResult ScaleOp::fold(FoldAdaptor) {
  return getFactor().convertToDouble() == 1.0 ? OpFoldResult(getX()) : OpFoldResult();
}

namespace {
/// scale(scale(x, a), b) = scale(x, a * b), where none of them leaves the range of normal f32: in f32, a * x
/// may overflow or vanish where a * b * x does not.
struct ScaleOfScale : OpRewritePattern<ScaleOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ScaleOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<ScaleOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "x is not a scale");
    double first = inner.getFactor().convertToDouble(), second = op.getFactor().convertToDouble();
    double factor = first * second;
    for (double each : {first, second, factor})
      if (!gemmac::isPositiveF32(std::fabs(each)))
        return rewriter.notifyMatchFailure(op, "a factor is no normal f32");
    rewriter.replaceOpWithNewOp<ScaleOp>(op, op.getType(), inner.getX(), rewriter.getF64FloatAttr(factor));
    return success();
  }
};
} // namespace

void ScaleOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ScaleOfScale>(context);
}

LogicalResult ScaleByOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp weight = lookupWeight(*this, symbols, getWeightAttr(), "weight");
  if (!weight)
    return failure();
  ArrayRef<int64_t> shape = weight.getShape();
  int64_t columns = columnsOf(getX());
  if (shape.size() == 1 && (shape[0] == 1 || shape[0] == columns))
    return success();
  InFlightDiagnostic diagnostic = emitOpError() << "weight " << getWeightAttr() << " has shape "
                                                << shapeText(shape) << ", expected 1 or " << dimText(columns);
  diagnostic.attachNote(weight.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult SoftcapOp::verify() {
  double cap = getCap().convertToDouble();
  if (gemmac::isPositiveF32(cap))
    return success();
  return emitOpError() << "cap is " << cap << ", expected a positive, normal f32";
}

LogicalResult SliceOp::verify() {
  auto from = cast<RankedTensorType>(getX().getType()), to = cast<RankedTensorType>(getType());
  int64_t offset = getOffset(), size = getSize(), columns = columnsOf(getX());
  if (offset < 0 || size <= 0 || ShapedType::isDynamic(columns) || from.getRank() == 0 || size > columns ||
      offset > columns - size)
    return emitOpError() << "takes columns [" << offset << ", " << offset << " + " << size
                         << ") of x, which has " << dimText(columns) << ", expected some that it has";
  SmallVector<int64_t> shape(from.getShape());
  shape.back() = size;
  if (to.getShape() == ArrayRef<int64_t>(shape))
    return success();
  return emitOpError() << "result has shape " << shapeText(to.getShape()) << ", expected "
                       << shapeText(shape);
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  return getX().getType() == getType() ? OpFoldResult(getX()) : OpFoldResult();
}
