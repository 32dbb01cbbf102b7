// Verifiers of caches, buffers, tiles, cases, prefetches: what an op can check by itself and its symbols.
#include "dialect/Numbers.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::step;

LogicalResult CacheOp::verify() {
  int64_t heads = getHeads(), headDim = getHeadDim(), window = getWindow(), slots = getSlots(), elements;
  if (heads <= 0 || headDim <= 0 || window < 0 || window > gemmac::kMaxWindow)
    return emitOpError() << "heads is " << heads << ", head_dim " << headDim << " and window " << window
                         << ", expected heads and head_dim at least 1 and window 0 to " << gemmac::kMaxWindow;
  if (getType() == KvType::BF16 && headDim % 2 != 0)
    return emitOpError() << "head_dim is " << headDim << " with bf16 elements, expected an even number";
  if (getType() == KvType::Q8 && headDim % gemmac::kScaleGroup != 0)
    return emitOpError() << "head_dim is " << headDim << " with q8 elements, expected a multiple of "
                         << gemmac::kScaleGroup;
  if (slots <= 0 || slots % 16 != 0)
    return emitOpError() << "slots is " << slots << ", expected a positive multiple of 16";
  if (llvm::MulOverflow(heads, headDim, elements) || llvm::MulOverflow(elements, slots, elements) ||
      elements > (int64_t(1) << 48))
    return emitOpError() << "heads is " << heads << ", head_dim " << headDim << " and slots " << slots
                         << ", expected at most 2^48 elements";
  return success(succeeded(verifyOffset(*this, "k_offset", getKOffsetAttr())) &&
                 succeeded(verifyOffset(*this, "v_offset", getVOffsetAttr())));
}

LogicalResult EntryOp::verify() {
  int64_t rows = getRows(), batch = getBatch();
  if (batch <= 0 || rows < batch)
    return emitOpError() << "rows is " << rows << " and batch " << batch
                         << ", expected batch at least 1 and rows at least batch";
  return success();
}

/// Printed IR calls a buffer by its name.
void BufferOp::getAsmResultNames(OpAsmSetValueNameFn setName) { setName(getResult(), getName()); }

LogicalResult BufferOp::verify() {
  MemRefType type = getType();
  auto space = dyn_cast_or_null<StringAttr>(type.getMemorySpace());
  if (type.getMemorySpace() && (!space || space.getValue() != "private"))
    return emitOpError() << "memory space is " << type.getMemorySpace() << ", expected none or \"private\"";
  if (!type.getLayout().isIdentity())
    return emitOpError() << "layout is " << type.getLayout() << ", expected none";
  for (int64_t dim : type.getShape())
    if (dim <= 0) // `?` is negative too
      return emitOpError() << "type is " << type << ", expected static dimensions of at least 1";
  if (!checkedBytes(type))
    return emitOpError() << "type is " << type << ", expected at most 2^44 bytes";
  return verifyOffset(*this, "offset", getOffsetAttr());
}

LogicalResult PrefetchOp::verify() {
  int64_t bytes = getBytes();
  if (bytes > 0)
    return success();
  return emitOpError() << "bytes is " << bytes << ", expected at least 1";
}

LogicalResult PrefetchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp weight = lookupWeight(*this, symbols, getWeightAttr(), "weight");
  if (!weight)
    return failure();
  if (!isPanelFormat(weight.getFormat()))
    return emitOpError() << "weight " << getWeightAttr() << " is " << stringifyFormat(weight.getFormat())
                         << ", expected a p16 format, which tasks stream";
  int64_t bytes = getBytes(), task = gemmac::taskBytes(weight);
  if (bytes > task)
    return emitOpError() << "bytes is " << bytes << ", expected at most the " << task
                         << " that a task of weight " << getWeightAttr() << " streams";
  Operation *next = (*this)->getNextNode();
  bool waits = false;
  for (; next && !isa<PhaseOp>(next); next = next->getNextNode()) {
    waits |= isa<BarrierOp>(next);
    if (auto other = dyn_cast<PrefetchOp>(next); other && other.getWeightAttr() == getWeightAttr())
      return other.emitOpError() << "weight " << getWeightAttr()
                                 << " is prefetched already, expected one prefetch of it";
  }
  if (!next)
    return emitOpError() << "weight " << getWeightAttr()
                         << " is used by no later phase, expected the next one to";
  if (!waits)
    return emitOpError() << "stands behind the barrier of phase \"" << cast<PhaseOp>(next).getName()
                         << "\", expected before it";
  WalkResult found = next->walk([&](Operation *op) {
    auto named = [&](NamedAttribute attr) { return attr.getValue() == getWeightAttr(); };
    return llvm::any_of(op->getAttrs(), named) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (found.wasInterrupted())
    return success();
  InFlightDiagnostic diagnostic = emitOpError() << "weight " << getWeightAttr()
                                                << " is not used by the next phase, expected it to be";
  diagnostic.attachNote(next->getLoc()) << "next phase is here";
  return failure();
}

LogicalResult CaseOp::verify() {
  int64_t begin = getBegin(), end = getEnd(), cols = cast<PhaseOp>((*this)->getParentOp()).getCols();
  if (0 <= begin && begin < end && end <= cols)
    return success();
  return emitOpError() << "has column tasks [" << begin << ", " << end << "), expected some of [0, " << cols
                       << ")";
}

LogicalResult TileOp::verify() {
  int64_t offset = getOffset(), stride = getStride(), width = getWidth(), columns = columnsOf(getBuffer());
  if (!getBuffer().getDefiningOp<BufferOp>())
    return emitOpError() << "buffer is no result of a step.buffer, expected one";
  if (offset < 0 || stride < 0 || width <= 0 || stride > columns)
    return emitOpError() << "offset is " << offset << ", stride " << stride << " and width " << width
                         << ", expected offset at least 0, stride 0 to " << columns
                         << " and width at least 1";
  Place place = placeOf(*this);
  int64_t last;
  if (llvm::MulOverflow(stride, place.end - place.begin - 1, last) || llvm::AddOverflow(last, offset, last) ||
      llvm::AddOverflow(last, width, last) || last > columns)
    return emitOpError() << "offset " << offset << " + stride " << stride << " * "
                         << place.end - place.begin - 1 << " + width " << width << " ends behind the "
                         << columns << " columns of buffer " << bufferName(getBuffer());
  MemRefType from = getBuffer().getType();
  auto expected = MemRefType::get({from.getDimSize(0), width}, from.getElementType(),
                                  MemRefLayoutAttrInterface(), from.getMemorySpace());
  if (getType() != expected)
    return emitOpError() << "result is " << getType() << ", expected " << expected;
  for (Operation *user : getResult().getUsers())
    if (user->getBlock() != (*this)->getBlock()) {
      InFlightDiagnostic diagnostic =
          user->emitOpError() << "uses a tile of buffer " << bufferName(getBuffer())
                              << " from another block, expected one of its own: a case counts its column "
                                 "tasks from its beginning";
      diagnostic.attachNote(getLoc()) << "tile made here";
      return failure();
    }
  return success();
}
