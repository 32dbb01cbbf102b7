// The layouts of gguf's block formats, one unpacker each. See GgmlBlocks.h.
#include "frontend/GgmlBlocks.h"

#include "frontend/F16.h"

#include <cassert>
#include <cstring>

using namespace gemmac;

namespace {

uint16_t read16(const uint8_t *from) { return static_cast<uint16_t>(from[0] | from[1] << 8); }
uint32_t read32(const uint8_t *from) {
  return static_cast<uint32_t>(read16(from)) | static_cast<uint32_t>(read16(from + 2)) << 16;
}

/// 16 bytes hold the low four bits of 32 elements: element i of the first half low, i + 16 high.
void lowNibbles(const uint8_t *from, uint8_t *codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = from[i] & 15;
    codes[i + 16] = from[i] >> 4;
  }
}

/// The fifth bits of 32 elements.
void fifthBits(uint32_t bits, uint8_t *codes) {
  for (int i = 0; i < 32; ++i)
    codes[i] |= static_cast<uint8_t>((bits >> i & 1) << 4);
}

/// The eight 6-bit factors of scales and of minima that Q4_K and Q5_K pack into 12 bytes.
void packedFactors(const uint8_t *from, BlockParts &parts) {
  for (int group = 0; group < 8; ++group) {
    uint8_t scale, minimum;
    if (group < 4) {
      scale = from[group] & 63;
      minimum = from[group + 4] & 63;
    } else {
      scale = static_cast<uint8_t>((from[group + 4] & 15) | (from[group - 4] >> 6) << 4);
      minimum = static_cast<uint8_t>(from[group + 4] >> 4 | (from[group] >> 6) << 4);
    }
    parts.factors[group] = static_cast<int8_t>(scale);
    parts.minFactors[group] = minimum;
  }
}

/// Q4_K and Q5_K: 128 bytes, each 32 of which hold 64 elements, the first 32 in the low nibbles.
void wideNibbles(const uint8_t *from, uint8_t *codes) {
  for (int chunk = 0; chunk < 4; ++chunk)
    for (int i = 0; i < 32; ++i) {
      codes[64 * chunk + i] = from[32 * chunk + i] & 15;
      codes[64 * chunk + 32 + i] = from[32 * chunk + i] >> 4;
    }
}

/// Q6_K: halves of 128 elements; quarter q of a half has its low bits in the nibbles of 64 bytes, its high
/// two in bits 2q of 32 bytes.
void sixBits(const uint8_t *low, const uint8_t *high, uint8_t *codes) {
  for (int part = 0; part < 2; ++part)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        uint8_t byte = low[64 * part + 32 * (quarter & 1) + i];
        uint8_t nibble = quarter < 2 ? byte & 15 : byte >> 4;
        uint8_t top = high[32 * part + i] >> (2 * quarter) & 3;
        codes[128 * part + 32 * quarter + i] = static_cast<uint8_t>(nibble | top << 4);
      }
}

/// By DType, from Q4_0 on. Sizes are those of the format's C structures.
constexpr BlockShape shapes[] = {
    {32, 18, 4, 8, 32, false, false},   // Q4_0: d, 16 bytes
    {32, 20, 4, 0, 32, true, false},    // Q4_1: d, m, 16 bytes
    {32, 22, 5, 16, 32, false, false},  // Q5_0: d, 4 bytes of fifth bits, 16 bytes
    {32, 24, 5, 0, 32, true, false},    // Q5_1: d, m, 4, 16
    {32, 34, 8, 128, 32, false, false}, // Q8_0: d, 32 int8
    {256, 144, 4, 0, 32, true, true},   // Q4_K: d, dmin, 12 bytes of factors, 128
    {256, 176, 5, 0, 32, true, true},   // Q5_K: d, dmin, 12, 32 bytes of fifth bits, 128
    {256, 210, 6, 32, 16, false, true}, // Q6_K: 128 low, 64 high, 16 int8 factors, d
};

} // namespace

bool gemmac::isBlockType(DType type) { return type >= DType::Q4_0 && type <= DType::Q6_K; }

const BlockShape &gemmac::blockShape(DType type) {
  assert(isBlockType(type));
  return shapes[static_cast<int>(type) - static_cast<int>(DType::Q4_0)];
}

void gemmac::unpackBlock(DType type, const uint8_t *from, BlockParts &parts) {
  std::memset(parts.factors, 1, sizeof parts.factors);
  std::memset(parts.minFactors, 1, sizeof parts.minFactors);
  if (type != DType::Q6_K)
    parts.d = read16(from);
  switch (type) {
  case DType::Q4_0:
    return lowNibbles(from + 2, parts.codes);
  case DType::Q4_1:
    parts.min = read16(from + 2);
    return lowNibbles(from + 4, parts.codes);
  case DType::Q5_0:
    lowNibbles(from + 6, parts.codes);
    return fifthBits(read32(from + 2), parts.codes);
  case DType::Q5_1:
    parts.min = read16(from + 2);
    lowNibbles(from + 8, parts.codes);
    return fifthBits(read32(from + 4), parts.codes);
  case DType::Q8_0:
    for (int i = 0; i < 32; ++i)
      parts.codes[i] = from[2 + i] ^ 0x80;
    return;
  case DType::Q4_K:
    parts.min = read16(from + 2);
    packedFactors(from + 4, parts);
    return wideNibbles(from + 16, parts.codes);
  case DType::Q5_K:
    parts.min = read16(from + 2);
    packedFactors(from + 4, parts);
    wideNibbles(from + 48, parts.codes);
    for (int i = 0; i < 256; ++i)
      parts.codes[i] |= static_cast<uint8_t>((from[16 + i % 32] >> (i / 32) & 1) << 4);
    return;
  case DType::Q6_K:
    parts.d = read16(from + 208);
    std::memcpy(parts.factors, from + 192, 16);
    return sixBits(from, from + 128, parts.codes);
  default:
    assert(false && "not a block type");
  }
}

void gemmac::decodeBlock(DType type, const uint8_t *from, float *out) {
  const BlockShape &shape = blockShape(type);
  BlockParts parts;
  unpackBlock(type, from, parts);
  const float d = f16ToF32(parts.d), min = f16ToF32(parts.min);
  for (int first = 0; first < shape.elements; first += shape.group) {
    const int group = first / shape.group;
    // Products of an f16 and two small integers have at most 24 bits: only the minimum rounds.
    const float scale = d * static_cast<float>(parts.factors[group]);
    float minimum = 0;
    if (shape.minimum)
      minimum = shape.factors ? -(min * static_cast<float>(parts.minFactors[group])) : min;
    for (int i = first; i < first + shape.group; ++i) {
      const float value = scale * static_cast<float>(parts.codes[i] - shape.bias);
      out[i] = shape.minimum ? value + minimum : value;
    }
  }
}

bool gemmac::blockIsFinite(DType type, const uint8_t *from) {
  auto finite = [](uint16_t bits) { return (bits & 0x7C00) != 0x7C00; };
  if (type == DType::Q6_K)
    return finite(read16(from + 208));
  return finite(read16(from)) && (!blockShape(type).minimum || finite(read16(from + 2)));
}
