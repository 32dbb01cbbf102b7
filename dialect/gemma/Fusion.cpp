// Verifier of gemma.fusion.
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

LogicalResult FusionOp::verify() {
  if (getKinds().empty())
    return emitOpError() << "names 0 kinds, expected at least 1";
  if ((*this)->getParentOfType<FusionOp>())
    return emitOpError() << "stands inside another fusion, expected none inside a fusion";
  return success();
}

LogicalResult YieldOp::verify() {
  auto fusion = cast<FusionOp>((*this)->getParentOp());
  if (getNumOperands() != fusion.getNumResults())
    return emitOpError() << "hands out " << getNumOperands() << " values, expected " << fusion.getNumResults()
                         << " as the results of the fusion";
  for (auto [index, types] : llvm::enumerate(llvm::zip(getOperandTypes(), fusion.getResultTypes())))
    if (auto [value, result] = types; value != result)
      return emitOpError() << "value " << index << " is " << value << ", expected " << result << " as result "
                           << index << " of the fusion";
  return success();
}
