// Element types, and the two loops that read every weight of a checkpoint: decoding to f32 and the search for
// values that are not finite. Both work on blocks without branches inside, so that compilers vectorise them.
#include "frontend/TensorSource.h"

#include "frontend/Diagnostic.h"
#include "frontend/F16.h"
#include "frontend/GgmlBlocks.h"

#include <algorithm>
#include <cassert>
#include <cstring>

using namespace gemmac;

namespace {

struct DTypeRow {
  DType type;
  unsigned size;
  const char *name;
};

/// Indexed by DType.
constexpr DTypeRow dtypeRows[] = {
    {DType::F32, 4, "F32"},     {DType::F16, 2, "F16"},     {DType::BF16, 2, "BF16"},
    {DType::F64, 8, "F64"},     {DType::I8, 1, "I8"},       {DType::U8, 1, "U8"},
    {DType::I16, 2, "I16"},     {DType::U16, 2, "U16"},     {DType::I32, 4, "I32"},
    {DType::U32, 4, "U32"},     {DType::I64, 8, "I64"},     {DType::U64, 8, "U64"},
    {DType::Bool, 1, "BOOL"},   {DType::Q4_0, 18, "Q4_0"},  {DType::Q4_1, 20, "Q4_1"},
    {DType::Q5_0, 22, "Q5_0"},  {DType::Q5_1, 24, "Q5_1"},  {DType::Q8_0, 34, "Q8_0"},
    {DType::Q4_K, 144, "Q4_K"}, {DType::Q5_K, 176, "Q5_K"}, {DType::Q6_K, 210, "Q6_K"},
};

float floatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Blocks that stay in the first-level cache between load and store; the stack copy also makes loads aligned.
constexpr size_t block = 2048;

template <typename Bits, float (*decode)(Bits)>
void decodeBlocks(const uint8_t *from, float *to, size_t count) {
  Bits in[block];
  for (size_t done = 0; done < count; done += block) {
    size_t n = std::min(block, count - done);
    std::memcpy(in, from + done * sizeof(Bits), n * sizeof(Bits));
    for (size_t i = 0; i < n; ++i)
      to[done + i] = decode(in[i]);
  }
}

float decodeBrain(uint16_t brain) { return floatOfBits(static_cast<uint32_t>(brain) << 16); }

/// Index of the first element whose exponent bits are all ones, or -1.
template <typename Bits> int64_t findExponent(llvm::ArrayRef<uint8_t> bytes, Bits mask) {
  size_t count = bytes.size() / sizeof(Bits);
  Bits in[block];
  for (size_t done = 0; done < count; done += block) {
    size_t n = std::min(block, count - done);
    std::memcpy(in, bytes.data() + done * sizeof(Bits), n * sizeof(Bits));
    Bits any = 0;
    for (size_t i = 0; i < n; ++i)
      any |= static_cast<Bits>((in[i] & mask) == mask);
    if (!any)
      continue;
    for (size_t i = 0; i < n; ++i)
      if ((in[i] & mask) == mask)
        return static_cast<int64_t>(done + i);
  }
  return -1;
}

} // namespace

unsigned gemmac::dtypeSize(DType type) { return dtypeRows[static_cast<size_t>(type)].size; }
llvm::StringRef gemmac::dtypeName(DType type) { return dtypeRows[static_cast<size_t>(type)].name; }
bool gemmac::isWeightType(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16 || isBlockType(type);
}
unsigned gemmac::dtypeBlock(DType type) {
  return isBlockType(type) ? static_cast<unsigned>(blockShape(type).elements) : 1;
}

const TensorInfo *gemmac::findByName(llvm::ArrayRef<TensorInfo> sorted, llvm::StringRef name) {
  const TensorInfo *at = std::lower_bound(sorted.begin(), sorted.end(), name,
                                          [](const TensorInfo &a, llvm::StringRef b) { return a.name < b; });
  return at != sorted.end() && at->name == name ? at : nullptr;
}

llvm::ArrayRef<uint8_t> gemmac::rowBytes(const TensorSource &source, const TensorInfo &tensor, int64_t row) {
  const TensorInfo *from = &tensor;
  if (!tensor.halves.empty()) {
    const int64_t rows = tensor.shape[tensor.shape.size() - 2], half = rows / 2;
    const int64_t matrix = row / rows, within = row % rows;
    from = &tensor.halves[static_cast<size_t>(within / half)];
    row = matrix * half + within % half;
  }
  const auto size =
      static_cast<size_t>(from->shape.back()) / dtypeBlock(from->dtype) * dtypeSize(from->dtype);
  return source.bytes(*from).slice(static_cast<size_t>(row) * size, size);
}

int64_t TensorInfo::elements() const {
  int64_t product = 1;
  for (int64_t size : shape)
    product *= size;
  return product;
}

/// Elements of block formats, from any place in a block to any other.
static void decodeBlocksToF32(DType type, const uint8_t *from, int64_t first,
                              llvm::MutableArrayRef<float> out) {
  const BlockShape &shape = blockShape(type);
  float values[BlockParts::kMost];
  for (size_t done = 0; done < out.size();) {
    int64_t index = first + static_cast<int64_t>(done), skip = index % shape.elements;
    size_t count = std::min(out.size() - done, static_cast<size_t>(shape.elements - skip));
    const uint8_t *at = from + index / shape.elements * shape.bytes;
    bool whole = count == static_cast<size_t>(shape.elements);
    decodeBlock(type, at, whole ? out.data() + done : values);
    if (!whole)
      std::memcpy(out.data() + done, values + skip, count * sizeof(float));
    done += count;
  }
}

void gemmac::decodeToF32(DType type, llvm::ArrayRef<uint8_t> bytes, int64_t first,
                         llvm::MutableArrayRef<float> out) {
  assert(isWeightType(type) && first >= 0);
  if (isBlockType(type))
    return decodeBlocksToF32(type, bytes.data(), first, out);
  assert((static_cast<uint64_t>(first) + out.size()) * dtypeSize(type) <= bytes.size());
  const uint8_t *from = bytes.data() + static_cast<size_t>(first) * dtypeSize(type);
  if (out.empty())
    return;
  if (type == DType::F32)
    std::memcpy(out.data(), from, out.size() * sizeof(float));
  else if (type == DType::BF16)
    decodeBlocks<uint16_t, decodeBrain>(from, out.data(), out.size());
  else
    decodeBlocks<uint16_t, f16ToF32>(from, out.data(), out.size());
}

int64_t gemmac::firstNonFinite(DType type, llvm::ArrayRef<uint8_t> bytes) {
  assert(isWeightType(type));
  if (type == DType::F32)
    return findExponent<uint32_t>(bytes, 0x7F800000u);
  if (isBlockType(type)) {
    const BlockShape &shape = blockShape(type);
    for (size_t at = 0; at + static_cast<size_t>(shape.bytes) <= bytes.size();
         at += static_cast<size_t>(shape.bytes))
      if (!blockIsFinite(type, bytes.data() + at))
        return static_cast<int64_t>(at) / shape.bytes * shape.elements;
    return -1;
  }
  return findExponent<uint16_t>(bytes, type == DType::BF16 ? 0x7F80 : 0x7C00);
}

llvm::Error gemmac::checkFinite(const TensorSource &source, const TensorInfo &tensor) {
  for (const TensorInfo &half : tensor.halves)
    if (llvm::Error error = checkFinite(source, half))
      return error;
  if (!tensor.halves.empty())
    return llvm::Error::success();
  llvm::ArrayRef<uint8_t> bytes = source.bytes(tensor);
  int64_t index = firstNonFinite(tensor.dtype, bytes);
  if (index < 0)
    return llvm::Error::success();
  float value;
  decodeToF32(tensor.dtype, bytes, index, value);
  const char *name = value != value ? "NaN" : value > 0 ? "infinity" : "-infinity";
  return inputError(tensor.file, tensor.name,
                    llvm::Twine("found ") + name + " at element " + llvm::Twine(index) + " of shape " +
                        shapeText(tensor.shape) + ", expected finite weights",
                    "the file is damaged or the training diverged");
}

std::string gemmac::shapeText(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}
