// Verifier and folder of gemma.take_rows.
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

LogicalResult TakeRowsOp::verify() {
  auto from = cast<RankedTensorType>(getX().getType()), to = cast<RankedTensorType>(getType());
  int64_t batch = getBatch();
  if (batch <= 0 || to.getRank() == 0 || to.getDimSize(0) != batch)
    return emitOpError() << "batch is " << batch << ", expected at least 1 and the "
                         << dimText(rowsOf(getResult())) << " rows of the result";
  if (from.getRank() == 0 || from.getDimSize(0) != rowsOf(getSeq()))
    return emitOpError() << "x has shape " << shapeText(from.getShape()) << ", expected "
                         << dimText(rowsOf(getSeq())) << " rows as seq";
  if (from.getShape().drop_front() != to.getShape().drop_front() ||
      from.getElementType() != to.getElementType())
    return emitOpError() << "result is " << to << ", expected " << batch << " rows of x, which is " << from;
  return success();
}

/// As many rows as sequences are not enough: seq may name them in another order.
OpFoldResult TakeRowsOp::fold(FoldAdaptor) {
  auto made = getSeq().getDefiningOp<TakeRowsOp>();
  bool inOrder = getBatch() == 1 || (made && made.getX() == made.getSeq());
  return inOrder && getX().getType() == getType() ? OpFoldResult(getX()) : OpFoldResult();
}
