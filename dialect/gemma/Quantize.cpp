// Round-to-nearest group quantisation; see Quantize.h for the definition.
#include "dialect/gemma/Quantize.h"

#include <cmath>
#include <cstring>

namespace gemmac {

static uint32_t bitsOf(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}

uint16_t f32ToBF16(float x) {
  uint32_t u = bitsOf(x);
  if ((u & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>((u >> 16) | 0x40);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

uint16_t f32ToF16(float x) {
  uint32_t u = bitsOf(x), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000u) // rounds to 65536 or more: saturate
    return static_cast<uint16_t>(sign | 0x7bff);
  if (magnitude < 0x38800000u) { // subnormal: units of 2^-24
    float scaled = std::fabs(x) * 16777216.0f;
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(scaled)));
  }
  uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

/// Nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits. Unlike nearbyint
/// it vectorises.
static inline float roundToEven(float x) {
  constexpr float magic = 12582912.0f;
  return (x + magic) - magic;
}

/// The largest magnitude of n values, as f32 bits without sign: integers compare like the floats they are.
static inline uint32_t largestMagnitude(const float *x, int n) {
  uint32_t largest = 0;
  for (int i = 0; i < n; ++i) {
    uint32_t magnitude = bitsOf(x[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

void quantizeQ8(const float *x, int n, int8_t *q, uint16_t *scale) {
  uint32_t bits = largestMagnitude(x, n);
  float largest;
  std::memcpy(&largest, &bits, 4);
  *scale = f32ToF16(largest / 127.0f);
  float d = f16ToF32(*scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (int i = 0; i < n; ++i) {
    float scaled = x[i] * inverse;
    scaled = scaled > 127.0f ? 127.0f : scaled < -127.0f ? -127.0f : scaled;
    q[i] = static_cast<int8_t>(static_cast<int32_t>(roundToEven(scaled)));
  }
}

void quantizeQ4(const float *x, int n, uint8_t *q, uint16_t *scale) {
  uint32_t bits = largestMagnitude(x, n);
  float extreme;
  std::memcpy(&extreme, &bits, 4);
  bool positive = false, negative = false; // both signs there: the positive one decides
  for (int i = 0; i < n; ++i) {
    positive |= x[i] == extreme;
    negative |= x[i] == -extreme;
  }
  if (negative && !positive)
    extreme = -extreme;
  *scale = f32ToF16(extreme / -8.0f);
  float d = f16ToF32(*scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (int i = 0; i < n; ++i) {
    float rounded = roundToEven(x[i] * inverse) + 8.0f;
    rounded = rounded > 15.0f ? 15.0f : rounded < 0.0f ? 0.0f : rounded;
    q[i] = static_cast<uint8_t>(static_cast<int32_t>(rounded));
  }
}

} // namespace gemmac
