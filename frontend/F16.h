// IEEE binary16 to f32, for whoever reads weights: checkpoints' tensors, block formats, quantisation scales.
#pragma once

#include <cstdint>
#include <cstring>

namespace gemmac {

/// Exact, in integer arithmetic and one multiply by 2^112 (which also normalises subnormals); infinities and
/// NaNs get the full exponent, their payload stays. Vectorises.
inline float f16ToF32(uint16_t half) {
  auto magnitude = static_cast<uint32_t>(half & 0x7FFF) << 13;
  float value;
  std::memcpy(&value, &magnitude, sizeof value);
  value *= 0x1p112f;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits |= (magnitude >= 0x0F800000u ? 0x7F800000u : 0u) | static_cast<uint32_t>(half & 0x8000) << 16;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

} // namespace gemmac
