// Verifiers of the symbols of a model: gemma.weight and gemma.cache.
#include "dialect/Numbers.h"
#include "dialect/gemma/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::gemma;

static LogicalResult verifySource(WeightOp op) {
  int given = (op.getFile() ? 1 : 0) + (op.getLiteral() ? 1 : 0) + (op.getRandom() ? 1 : 0);
  if (given != 1)
    return op.emitOpError() << "has " << given << " of file, literal and random, expected exactly 1";
  if (op.getFile().has_value() != op.getOffset().has_value())
    return op.emitOpError() << (op.getFile() ? "has file without offset, expected both"
                                             : "has offset without file, expected both or none");
  if (IntegerAttr offset = op.getOffsetAttr(); offset && offset.getInt() < 0)
    return op.emitOpError() << "offset is " << offset.getInt() << ", expected at least 0";
  return success();
}

static LogicalResult verifyBlocks(WeightOp op) {
  Blocks blocks = op.getBlocks();
  if (blocks == Blocks::None)
    return success();
  if (!op.getFile() || op.getQuant() != Quant::None || !op.getTensorType().getElementType().isF32())
    return op.emitOpError() << "has blocks " << stringifyBlocks(blocks)
                            << ", expected a file, element type f32 and no quant with them";
  int64_t block = blocks >= Blocks::Q4_K ? 256 : 32,
          columns = op.getShape().empty() ? 1 : op.getShape().back();
  if (columns % block != 0)
    return op.emitOpError() << "has rows of " << columns << " elements, expected a multiple of " << block
                            << " for blocks " << stringifyBlocks(blocks);
  return success();
}

/// 2^40: sizes of what is made of a weight are then far from wrapping.
static constexpr int64_t kMaxElements = int64_t(1) << 40;

LogicalResult WeightOp::verify() {
  if (failed(verifySource(*this)))
    return failure();
  int64_t elements = 1;
  for (int64_t dim : getShape()) {
    if (dim <= 0 || dim > INT32_MAX) // `?` is negative too
      return emitOpError() << "shape is " << shapeText(getShape()) << ", expected static dimensions of 1 to "
                           << INT32_MAX;
    if (llvm::MulOverflow(elements, dim, elements) || elements > kMaxElements)
      return emitOpError() << "shape is " << shapeText(getShape()) << ", expected at most " << kMaxElements
                           << " elements";
  }
  if (auto literal = getLiteralAttr(); literal && literal.getShapedType() != getTensorType())
    return emitOpError() << "literal is " << literal.getShapedType() << ", expected " << getTensorType();
  return verifyBlocks(*this);
}

LogicalResult CacheOp::verify() {
  int64_t heads = getHeads(), headDim = getHeadDim(), window = getWindow();
  if (heads <= 0 || headDim <= 0)
    return emitOpError() << "heads is " << heads << " and head_dim " << headDim
                         << ", expected both at least 1";
  if (window < 0 || window > gemmac::kMaxWindow)
    return emitOpError() << "window is " << window << ", expected 0 (keeps every position) to "
                         << gemmac::kMaxWindow;
  return success();
}
