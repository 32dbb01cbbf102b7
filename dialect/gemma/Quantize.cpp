// Round-to-nearest group quantisation; see Quantize.h for the definition.
#include "dialect/gemma/Quantize.h"

#include <algorithm>
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

float f16ToF32(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
  float value;
  if (exponent == 0) {
    value = static_cast<float>(fraction) * 5.9604644775390625e-8f; // 2^-24
  } else {
    uint32_t u = exponent == 31 ? 0x7f800000u | fraction << 13 : (exponent + 112) << 23 | fraction << 13;
    std::memcpy(&value, &u, 4);
  }
  uint32_t u = bitsOf(value) | sign;
  std::memcpy(&value, &u, 4);
  return value;
}

void quantizeQ8(const float *x, int n, int8_t *q, uint16_t *scale) {
  float largest = 0;
  for (int i = 0; i < n; ++i)
    largest = std::max(largest, std::fabs(x[i]));
  *scale = f32ToF16(largest / 127.0f);
  float d = f16ToF32(*scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (int i = 0; i < n; ++i)
    q[i] = static_cast<int8_t>(std::clamp(std::nearbyint(x[i] * inverse), -127.0f, 127.0f));
}

void quantizeQ4(const float *x, int n, uint8_t *q, uint16_t *scale) {
  float extreme = 0;
  for (int i = 0; i < n; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme))
      extreme = x[i];
  *scale = f32ToF16(extreme / -8.0f);
  float d = f16ToF32(*scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (int i = 0; i < n; ++i)
    q[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(x[i] * inverse) + 8.0f, 0.0f, 15.0f));
}

} // namespace gemmac
