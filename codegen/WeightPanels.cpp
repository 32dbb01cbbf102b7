// See WeightPanels.h.
#include "codegen/WeightPanels.h"

#include "dialect/gemma/Quantize.h"
#include "dialect/step/Layout.h"
#include "frontend/GgmlBlocks.h"

#include <cstring>

using namespace gemmac;
using step::Format;

static void packFloats(Format format, const float *rows, int64_t kp, int64_t k0, char *out) {
  for (int64_t lane = 0; lane < kPanelRows; ++lane)
    for (int64_t k = 0; k < kSuperblockK; ++k) {
      float value = rows[lane * kp + k0 + k];
      if (format == Format::F32P16) {
        std::memcpy(out + (k * 16 + lane) * 4, &value, 4);
      } else {
        uint16_t half = format == Format::BF16P16 ? f32ToBF16(value) : f32ToF16(value);
        std::memcpy(out + (k / 2 * 16 + lane) * 4 + (k % 2) * 2, &half, 2);
      }
    }
}

/// Element k of a lane: all eight bits of its code (signed), or the low four.
static void putByte(char *superblock, int64_t lane, int64_t k, uint8_t code) {
  superblock[k / 4 * 64 + lane * 4 + k % 4] = static_cast<char>(code);
}
static void putNibble(char *superblock, int64_t lane, int64_t k, uint8_t code) {
  superblock[k / 8 * 64 + lane * 4 + k % 4] |= static_cast<char>((code & 15) << (k % 8 < 4 ? 0 : 4));
}
/// Bits 4 and up of a code of five or six bits: bit k/4 % 8 (two bits at 2 * (k/4 % 4)) of a lane's byte k
/// % 4.
static void putHighBits(char *superblock, int64_t lane, int64_t k, uint8_t code, int64_t bits) {
  int64_t width = bits - 4, words = 8 / width, word = k / 4;
  char *byte = superblock + 512 + word / words * 64 + lane * 4 + k % 4;
  *byte = static_cast<char>(*byte | (code >> 4) << (width * (word % words)));
}

/// Sum over a group of the squares of what rounding changed: element i is now level(i) * scale.
template <typename Level> static double squaredError(const float *x, uint16_t scale, Level level) {
  const float d = f16ToF32(scale);
  double sum = 0;
  for (int64_t i = 0; i < kQuantGroup; ++i) {
    const double change = static_cast<double>(level(i) * d) - x[i];
    sum += change * change;
  }
  return sum;
}

/// Quantises and packs the two groups of each row: `quantize` gives the codes as stored in a panel and the
/// scale, `put` writes one code, `value` reads one.
template <typename Quantize, typename Put, typename Value>
static double packGroups(const float *rows, int64_t kp, int64_t k0, char *scales, Quantize quantize, Put put,
                         Value value) {
  double error = 0;
  for (int64_t lane = 0; lane < kPanelRows; ++lane)
    for (int64_t group = 0; group < 2; ++group) {
      const float *from = rows + lane * kp + k0 + kQuantGroup * group;
      uint8_t q[kQuantGroup];
      uint16_t scale;
      quantize(from, q, &scale);
      for (int64_t i = 0; i < kQuantGroup; ++i)
        put(lane, kQuantGroup * group + i, q[i]);
      std::memcpy(scales + (group * kPanelRows + lane) * 2, &scale, 2);
      error += squaredError(from, scale, [&](int64_t i) { return value(q[i]); });
    }
  return error;
}

double gemmac::packSuperblock(Format format, const float *rows, int64_t kp, int64_t k0, char *out) {
  if (format == Format::Q8P16)
    return packGroups(
        rows, kp, k0, out + panelCodes(format)->scaleOffset(),
        [](const float *from, uint8_t *q, uint16_t *scale) {
          quantizeQ8(from, kQuantGroup, reinterpret_cast<int8_t *>(q), scale);
        },
        [&](int64_t lane, int64_t k, uint8_t q) { putByte(out, lane, k, q); },
        [](uint8_t q) { return float(static_cast<int8_t>(q)); });
  if (format == Format::Q4P16)
    return packGroups(
        rows, kp, k0, out + panelCodes(format)->scaleOffset(),
        [](const float *from, uint8_t *q, uint16_t *scale) { quantizeQ4(from, kQuantGroup, q, scale); },
        [&](int64_t lane, int64_t k, uint8_t q) { putNibble(out, lane, k, q); },
        [](uint8_t q) { return float(q - 8); });
  packFloats(format, rows, kp, k0, out);
  return 0;
}

BlockRow::BlockRow(DType type, const uint8_t *bytes, int64_t k) : group(blockShape(type).group) {
  const BlockShape &shape = blockShape(type);
  codes.assign(static_cast<size_t>(paddedK(k)), static_cast<uint8_t>(shape.bias));
  groups.resize(codes.size() /
                static_cast<size_t>(group)); // scales of zero: padding is zero whatever its codes
  if (!bytes)
    return;
  for (int64_t first = 0; first < k; first += shape.elements, bytes += shape.bytes) {
    isFinite &= blockIsFinite(type, bytes);
    BlockParts parts;
    unpackBlock(type, bytes, parts);
    std::memcpy(codes.data() + first, parts.codes, static_cast<size_t>(shape.elements));
    for (int64_t i = 0; i < shape.elements / group; ++i)
      groups[static_cast<size_t>(first / group + i)] = {parts.d, parts.min, parts.factors[i],
                                                        parts.minFactors[group == 32 ? i : 0]};
  }
}

void BlockRow::pack(Format format, int64_t lane, char *panel) const {
  using Scales = PanelCodes::Scales;
  const PanelCodes &layout = *panelCodes(format);
  auto put16 = [](char *at, uint16_t bits) { std::memcpy(at, &bits, 2); };
  for (size_t k0 = 0; k0 < codes.size(); k0 += kSuperblockK, panel += superblockBytes(format)) {
    for (int64_t k = 0; k < kSuperblockK; ++k) {
      uint8_t code = codes[k0 + static_cast<size_t>(k)];
      if (layout.bits == 8) {
        putByte(panel, lane, k, code ^ 0x80);
        continue;
      }
      putNibble(panel, lane, k, code);
      if (layout.bits > 4)
        putHighBits(panel, lane, k, code, layout.bits);
    }
    const Group *from = groups.data() + k0 / static_cast<size_t>(group);
    char *scales = panel + layout.scaleOffset();
    if (layout.scales == Scales::F16 || layout.scales == Scales::F16Min)
      for (int64_t g = 0; g < 2; ++g) {
        put16(scales + (g * 16 + lane) * 2, from[g].d);
        if (layout.minimum())
          put16(scales + 64 + (g * 16 + lane) * 2, from[g].min);
      }
    if (layout.scales == Scales::K) {
      put16(scales + lane * 2, from[0].d);
      put16(scales + 32 + lane * 2, from[0].min);
      for (int64_t g = 0; g < 2; ++g) {
        scales[64 + g * 16 + lane] = static_cast<char>(from[g].factor);
        scales[96 + g * 16 + lane] = static_cast<char>(from[g].minFactor);
      }
    }
    if (layout.scales == Scales::K6) {
      put16(scales + lane * 2, from[0].d);
      for (int64_t g = 0; g < 4; ++g)
        scales[32 + g * 16 + lane] = static_cast<char>(from[g].factor);
    }
  }
}
