// Sizes of packed weights, activations and caches. See Layout.h; the layouts themselves are in
// docs/architecture.md.
#include "passes/plan/Layout.h"

#include "mlir/IR/BuiltinTypes.h"

namespace gemmac {

using step::Act;
using step::Format;

bool isPanelFormat(Format format) { return superblockBytes(format) != 0; }

bool isRowsFormat(Format format) {
  return format == Format::RowsF32 || format == Format::RowsBF16 || format == Format::RowsF16 ||
         format == Format::RowsQ8;
}

int64_t superblockBytes(Format format) {
  constexpr int64_t elements = kPanelRows * kSuperblockK;
  constexpr int64_t scales = kPanelRows * (kSuperblockK / kScaleGroup) * 2;
  switch (format) {
  case Format::F32P16:
    return elements * 4;
  case Format::BF16P16:
  case Format::F16P16:
    return elements * 2;
  case Format::Q8P16:
    return elements + scales;
  case Format::Q4P16:
    return elements / 2 + scales;
  default:
    return 0;
  }
}

int64_t panelBytes(Format format, int64_t k) { return paddedK(k) / kSuperblockK * superblockBytes(format); }

int64_t rowStrideBytes(Format format, int64_t k) {
  switch (format) {
  case Format::RowsF32:
    return k * 4;
  case Format::RowsBF16:
  case Format::RowsF16:
    return k * 2;
  case Format::RowsQ8: {
    int64_t padded = rowsQ8ScaleOffset(k);
    return roundUp(padded + padded / kScaleGroup * 2, kAlign);
  }
  default:
    return 0;
  }
}

int64_t matrixBytes(Format format, int64_t n, int64_t k) {
  if (isPanelFormat(format))
    return roundUp(n, kPanelRows) / kPanelRows * panelBytes(format, k);
  if (isRowsFormat(format))
    return roundUp(n * rowStrideBytes(format, k), kAlign);
  return roundUp(n * k * 4, kAlign);
}

int64_t packedBytes(step::WeightOp weight) {
  int64_t matrices = weight.getExperts() > 0 ? weight.getExperts() : 1;
  return matrices * matrixBytes(weight.getFormat(), weight.getN(), weight.getK());
}

int64_t taskBytes(step::WeightOp weight) {
  return weight.getTile() / kPanelRows * panelBytes(weight.getFormat(), weight.getK());
}

int64_t gatherBytes(step::WeightOp table) {
  if (isRowsFormat(table.getFormat()))
    return rowStrideBytes(table.getFormat(), table.getK());
  // One lane of a panel: its share of the bytes. Cache lines bring more of them, which a model of traffic may
  // ignore.
  return panelBytes(table.getFormat(), table.getK()) / kPanelRows;
}

int64_t actRowBytes(Act act, int64_t k) {
  int64_t padded = paddedK(k);
  return act == Act::I8 ? roundUp(padded + padded / kScaleGroup * 8, kAlign) : padded * 4;
}

int64_t actColumns(Act act, int64_t k) { return act == Act::I8 ? actRowBytes(act, k) : paddedK(k); }

int64_t elementBytes(step::KvType type) { return type == step::KvType::F32 ? 4 : 2; }

int64_t cacheHalfBytes(step::CacheOp cache, int64_t batch) {
  return roundUp(batch * cache.getHeads() * cache.getSlots() * cache.getHeadDim() *
                     elementBytes(cache.getType()),
                 kAlign);
}

int64_t bufferBytes(mlir::MemRefType type) {
  return roundUp(type.getNumElements() * static_cast<int64_t>(type.getElementTypeBitWidth() / 8), kAlign);
}

} // namespace gemmac
