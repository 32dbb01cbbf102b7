// Verifier of gemma.rms_norm.
#include "dialect/Numbers.h"
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

LogicalResult RmsNormOp::verify() {
  int64_t group = getGroup(), columns = columnsOf(getX());
  if (group <= 0 || ShapedType::isDynamic(columns) || columns % group != 0)
    return emitOpError() << "group is " << group << ", expected a positive divisor of the "
                         << dimText(columns) << " columns of x";
  double eps = getEps().convertToDouble();
  if (eps != 0 && !gemmac::isPositiveF32(eps))
    return emitOpError() << "eps is " << eps << ", expected 0 or a positive, normal f32";
  return success();
}

LogicalResult RmsNormOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return getWeightAttr() ? verifyWeightShape(*this, symbols, getWeightAttr(), "weight", int64_t(getGroup()))
                         : success();
}
