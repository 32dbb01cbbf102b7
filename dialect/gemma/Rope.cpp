// Verifier of gemma.rope.
#include "dialect/Numbers.h"
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

LogicalResult RopeOp::verify() {
  int64_t headDim = getHeadDim(), angles = getAngles(), columns = columnsOf(getX());
  if (headDim <= 0 || headDim % 2 != 0 || ShapedType::isDynamic(columns) || columns % headDim != 0)
    return emitOpError() << "head_dim is " << headDim << ", expected an even, positive divisor of the "
                         << dimText(columns) << " columns of x";
  if (angles <= 0 || angles > headDim / 2)
    return emitOpError() << "angles is " << angles << ", expected 1 to " << headDim / 2 << " = head_dim / 2";
  double theta = getTheta().convertToDouble(), factor = getFactor().convertToDouble();
  if (!gemmac::isPositiveF32(theta) || !gemmac::isPositiveF32(factor))
    return emitOpError() << "theta is " << theta << " and factor " << factor
                         << ", expected positive, normal f32";
  return verifySameRows(*this, "pos", rowsOf(getPos()), "x", rowsOf(getX()));
}
