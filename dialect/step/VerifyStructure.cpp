// Verifiers of weights, caches, buffers, tiles, cases, prefetches: what an op can check by itself and its
// symbols.
#include "dialect/step/Verify.h"

#include "dialect/gemma/Gemma.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;
using namespace gemmac::step;

/// An optional byte offset: a non-negative multiple of 64.
static LogicalResult verifyOffset(Operation *op, StringRef what, IntegerAttr offset) {
  if (!offset || (offset.getInt() >= 0 && offset.getInt() % 64 == 0))
    return success();
  return op->emitOpError() << what << " is " << offset.getInt() << ", expected a non-negative multiple of 64";
}

static LogicalResult verifyNotNegative(Operation *op, StringRef what, IntegerAttr value) {
  if (!value || value.getInt() >= 0)
    return success();
  return op->emitOpError() << what << " is " << value.getInt() << ", expected at least 0";
}

//===--------------------------------------------------------------------------------------------------------------===//
// Weights and caches
//===--------------------------------------------------------------------------------------------------------------===//

static LogicalResult verifyWeightSizes(WeightOp op) {
  int64_t n = op.getN(), k = op.getK(), tile = op.getTile(), experts = op.getExperts(), total;
  if (n <= 0 || k <= 0 || tile <= 0)
    return op.emitOpError() << "n is " << n << ", k " << k << " and tile " << tile
                            << ", expected all at least 1";
  if (isPanelFormat(op.getFormat()) && (tile % 16 != 0 || n % tile != 0))
    return op.emitOpError() << "tile is " << tile << " and n " << n
                            << ", expected a tile that is a multiple of 16 and divides n";
  if (experts < 0 || (experts > 0 && !isPanelFormat(op.getFormat())))
    return op.emitOpError() << "experts is " << experts << " with format " << stringifyFormat(op.getFormat())
                            << ", expected at least 0, and 0 unless the format is p16";
  if (op.getFormat() == Format::Vec && k != 1)
    return op.emitOpError() << "k is " << k << ", expected 1 for format vec";
  if (llvm::MulOverflow(n, k, total) || llvm::MulOverflow(total, std::max<int64_t>(experts, 1) * 4, total))
    return op.emitOpError() << "n is " << n << ", k " << k << " and experts " << experts
                            << ", expected fewer than 2^61 elements";
  return success();
}

LogicalResult WeightOp::verify() {
  if (failed(verifyWeightSizes(*this)))
    return failure();
  if (getSources().empty())
    return emitOpError() << "has 0 sources, expected at least 1";
  for (Attribute source : getSources())
    if (!isa<FlatSymbolRefAttr>(source))
      return emitOpError() << "source is " << source << ", expected the name of a gemma.weight";
  // One source of experts is interleaved with itself: gate rows are its first half, up rows its second.
  if (getInterleave() && getSources().size() < 2 && getExperts() == 0)
    return emitOpError() << "interleaves " << getSources().size() << " source, expected at least 2";
  int64_t parts = std::max<int64_t>(getSources().size(), 2), tile = getTile();
  if (getInterleave() && tile % (16 * parts) != 0)
    return emitOpError() << "tile is " << tile << ", expected a multiple of 16 for each of " << parts
                         << " interleaved parts";
  return success(succeeded(verifyOffset(*this, "offset", getOffsetAttr())) &&
                 succeeded(verifyNotNegative(*this, "bytes", getBytesAttr())));
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *above = (*this)->getParentOp()->getParentOp();
  Operation *module = above ? SymbolTable::getNearestSymbolTable(above) : nullptr;
  for (Attribute source : getSources()) {
    auto ref = cast<FlatSymbolRefAttr>(source);
    Operation *found = module ? symbols.lookupSymbolIn(module, ref) : nullptr;
    if (!isa_and_nonnull<gemma::WeightOp>(found))
      return emitOpError() << "source " << ref << " is "
                           << (found ? "no gemma.weight"
                                     : "not defined, expected the name of a gemma.weight");
  }
  return success();
}

LogicalResult CacheOp::verify() {
  int64_t heads = getHeads(), headDim = getHeadDim(), window = getWindow(), slots = getSlots(), elements;
  if (heads <= 0 || headDim <= 0 || window < 0)
    return emitOpError() << "heads is " << heads << ", head_dim " << headDim << " and window " << window
                         << ", expected heads and head_dim at least 1 and window at least 0";
  if (slots <= 0 || slots % 16 != 0)
    return emitOpError() << "slots is " << slots << ", expected a positive multiple of 16";
  if (llvm::MulOverflow(heads, headDim, elements) || llvm::MulOverflow(elements, slots, elements) ||
      elements > (int64_t(1) << 48))
    return emitOpError() << "heads is " << heads << ", head_dim " << headDim << " and slots " << slots
                         << ", expected at most 2^48 elements";
  return success(succeeded(verifyOffset(*this, "k_offset", getKOffsetAttr())) &&
                 succeeded(verifyOffset(*this, "v_offset", getVOffsetAttr())));
}

//===--------------------------------------------------------------------------------------------------------------===//
// Entries' ops
//===--------------------------------------------------------------------------------------------------------------===//

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
  if (!lookupWeight(*this, symbols, getWeightAttr(), "weight"))
    return failure();
  Operation *next = (*this)->getNextNode();
  while (next && !isa<PhaseOp>(next))
    next = next->getNextNode();
  if (!next)
    return emitOpError() << "weight " << getWeightAttr()
                         << " is used by no later phase, expected the next one to";
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
  if (getType() == expected)
    return success();
  return emitOpError() << "result is " << getType() << ", expected " << expected;
}
