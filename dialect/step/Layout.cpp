// Sizes of packed weights, activations and caches. See Layout.h; the layouts themselves are in
// docs/architecture.md.
#include "dialect/step/Layout.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

namespace gemmac {

using step::Act;
using step::Format;

const PanelCodes *panelCodes(Format format) {
  using Scales = PanelCodes::Scales;
  static constexpr PanelCodes q8{8, 0, Scales::F16}, q4{4, 8, Scales::F16}, q5{5, 16, Scales::F16},
      q4m{4, 0, Scales::F16Min}, q5m{5, 0, Scales::F16Min}, q4k{4, 0, Scales::K}, q5k{5, 0, Scales::K},
      q6k{6, 32, Scales::K6};
  switch (format) {
  case Format::Q8P16:
    return &q8;
  case Format::Q4P16:
    return &q4;
  case Format::Q5P16:
    return &q5;
  case Format::Q4MP16:
    return &q4m;
  case Format::Q5MP16:
    return &q5m;
  case Format::Q4KP16:
    return &q4k;
  case Format::Q5KP16:
    return &q5k;
  case Format::Q6KP16:
    return &q6k;
  default:
    return nullptr;
  }
}

BlockFormats blockFormats(gemma::Blocks blocks) {
  switch (blocks) {
  case gemma::Blocks::None:
    break;
  case gemma::Blocks::Q4_0:
    return {Format::Q4P16, Format::RowsQ4_0};
  case gemma::Blocks::Q4_1:
    return {Format::Q4MP16, Format::RowsQ4_1};
  case gemma::Blocks::Q5_0:
    return {Format::Q5P16, Format::RowsQ5_0};
  case gemma::Blocks::Q5_1:
    return {Format::Q5MP16, Format::RowsQ5_1};
  case gemma::Blocks::Q8_0:
    return {Format::Q8P16, Format::RowsQ8_0};
  case gemma::Blocks::Q4_K:
    return {Format::Q4KP16, Format::RowsQ4_K};
  case gemma::Blocks::Q5_K:
    return {Format::Q5KP16, Format::RowsQ5_K};
  case gemma::Blocks::Q6_K:
    return {Format::Q6KP16, Format::RowsQ6_K};
  }
  llvm_unreachable("weights without blocks have formats of their own");
}

RowBlocks rowBlocks(Format format) {
  switch (format) {
  case Format::RowsQ4_0:
    return {32, 18};
  case Format::RowsQ4_1:
    return {32, 20};
  case Format::RowsQ5_0:
    return {32, 22};
  case Format::RowsQ5_1:
    return {32, 24};
  case Format::RowsQ8_0:
    return {32, 34};
  case Format::RowsQ4_K:
    return {256, 144};
  case Format::RowsQ5_K:
    return {256, 176};
  case Format::RowsQ6_K:
    return {256, 210};
  default:
    return {0, 0};
  }
}

int64_t superblockBytes(Format format) {
  constexpr int64_t elements = kPanelRows * kSuperblockK;
  if (const PanelCodes *codes = panelCodes(format))
    return codes->scaleOffset() + codes->scaleBytes();
  switch (format) {
  case Format::F32P16:
    return elements * 4;
  case Format::BF16P16:
  case Format::F16P16:
    return elements * 2;
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
  default: {
    RowBlocks blocks = rowBlocks(format);
    return blocks.elements > 0 ? k / blocks.elements * blocks.bytes : 0;
  }
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

std::string weightDifference(step::ProgramOp one, step::ProgramOp other) {
  auto x = llvm::to_vector(one.getOps<step::WeightOp>()), y = llvm::to_vector(other.getOps<step::WeightOp>());
  std::string text;
  llvm::raw_string_ostream os(text);
  if (x.size() != y.size())
    os << x.size() << " weights and " << y.size();
  for (size_t i = 0; i < std::min(x.size(), y.size()) && text.empty(); ++i)
    if (x[i]->getAttrDictionary() != y[i]->getAttrDictionary())
      os << "weight " << i << " is " << x[i] << " and " << y[i];
  if (text.empty() && one.getWeightBytes() != other.getWeightBytes())
    os << one.getWeightBytes().value_or(0) << " bytes and " << other.getWeightBytes().value_or(0);
  return text;
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
  if (act == Act::I8)
    return roundUp(padded + padded / kScaleGroup * 8, kAlign);
  return act == Act::BF16T ? padded * 2 : padded * 4;
}

int64_t actColumns(Act act, int64_t k) { return isByteAct(act) ? actRowBytes(act, k) : paddedK(k); }

int64_t actTileOffset(int64_t rows, int64_t k, int64_t row, int64_t first) {
  const int64_t block = first / kTileBlockK * kTileBlockK, width = std::min(kTileBlockK, paddedK(k) - block);
  const int64_t group = row / kTileRowGroup * kTileRowGroup * width * 2;
  const int64_t pair = (first - block) / kTileK * 2 * kTileBytes;
  return block * rows * 2 + group + pair + row % kTileRowGroup * (kTileBytes / kTileRows);
}

int64_t cacheRowBytes(step::KvType type, int64_t headDim) {
  switch (type) {
  case step::KvType::F32:
    return headDim * 4;
  case step::KvType::BF16:
    return headDim * 2;
  case step::KvType::Q8:
    return headDim + headDim / kScaleGroup * 2;
  }
  llvm_unreachable("all kinds of caches are handled");
}

CacheLayout::CacheLayout(step::CacheOp cache)
    : type(cache.getType()), dim(cache.getHeadDim()), slots(cache.getSlots()) {}

int64_t cacheHalfBytes(step::CacheOp cache, int64_t batch) {
  const auto heads = static_cast<int64_t>(cache.getHeads());
  return roundUp(batch * heads * CacheLayout(cache).headBytes(), kAlign);
}

int64_t bufferBytes(mlir::MemRefType type) {
  return roundUp(type.getNumElements() * static_cast<int64_t>(type.getElementTypeBitWidth() / 8), kAlign);
}

} // namespace gemmac
