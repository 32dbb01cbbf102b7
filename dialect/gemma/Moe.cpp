// Verifiers of the mixture-of-experts ops.
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

static LogicalResult verifyShape(Operation *op, StringRef what, Value value, ArrayRef<int64_t> expected) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  if (shape == expected)
    return success();
  return op->emitOpError() << what << " has shape " << shapeText(shape) << ", expected "
                           << shapeText(expected);
}

LogicalResult TopKOp::verify() {
  int64_t k = getK(), columns = columnsOf(getP()), rows = rowsOf(getP());
  if (k <= 0 || k > columns)
    return emitOpError() << "k is " << k << ", expected 1 to " << dimText(columns) << " = the columns of p";
  return success(succeeded(verifyShape(*this, "weights", getWeights(), {rows, k})) &&
                 succeeded(verifyShape(*this, "indices", getIndices(), {rows, k})));
}

LogicalResult TopKOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return getExpertScaleAttr()
             ? verifyWeightShape(*this, symbols, getExpertScaleAttr(), "expert_scale", columnsOf(getP()))
             : success();
}

LogicalResult ExpertLinearOp::verify() {
  ArrayRef<int64_t> x = getX().getType().getShape(), result = getType().getShape();
  int64_t rows = rowsOf(getIndices()), k = columnsOf(getIndices());
  bool fits = (x.size() == 2 && x[0] == rows) || (x.size() == 3 && x[0] == rows && x[1] == k);
  if (!fits)
    return emitOpError() << "x has shape " << shapeText(x) << ", expected " << dimText(rows) << "xC or "
                         << shapeText({rows, k}) << "xC for the rows and columns of indices";
  return verifyShape(*this, "result", getResult(), {rows, k, result[2]});
}

LogicalResult ExpertLinearOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp weight = lookupWeight(*this, symbols, getWeightAttr(), "weight");
  if (!weight)
    return failure();
  ArrayRef<int64_t> shape = weight.getShape();
  int64_t outputs = columnsOf(getResult()), inputs = columnsOf(getX());
  if (shape.size() == 3 && shape[1] == outputs && shape[2] == inputs)
    return success();
  InFlightDiagnostic diagnostic = emitOpError()
                                  << "weight " << getWeightAttr() << " has shape " << shapeText(shape)
                                  << ", expected Ex" << shapeText({outputs, inputs});
  diagnostic.attachNote(weight.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult CombineOp::verify() {
  ArrayRef<int64_t> y = getY().getType().getShape();
  return success(succeeded(verifyShape(*this, "weights", getWeights(), {y[0], y[1]})) &&
                 succeeded(verifyShape(*this, "result", getResult(), {y[0], y[2]})));
}
