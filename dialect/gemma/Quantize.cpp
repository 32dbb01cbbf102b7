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

/// The value of largest magnitude; where both signs have it, the positive one.
static float extremeOf(const float *x, int n) {
  uint32_t bits = largestMagnitude(x, n);
  float extreme;
  std::memcpy(&extreme, &bits, 4);
  bool positive = false, negative = false;
  for (int i = 0; i < n; ++i) {
    positive |= x[i] == extreme;
    negative |= x[i] == -extreme;
  }
  return negative && !positive ? -extreme : extreme;
}

static inline float levelQ4(float scaled) {
  float rounded = roundToEven(scaled);
  return rounded > 7.0f ? 7.0f : rounded < -8.0f ? -8.0f : rounded;
}

namespace {
/// Sums over a group, in eight lanes added in one order, so that every machine gets the same.
struct Sums {
  float lanes[8] = {};
  float total() const {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }
};
} // namespace

namespace {
/// A group and how much an error of each of its elements counts: x^2 plus twice the mean of x^2. Large
/// weights move a model most; with plain squares the many small ones win, and perplexity is worse than with
/// no search at all (docs/quantization.md has the numbers).
struct WeightedGroup {
  float x[kQuantGroup] = {}, weight[kQuantGroup] = {};

  WeightedGroup(const float *values, int n) {
    Sums squares;
    for (int i = 0; i < n; ++i) {
      x[i] = values[i];
      squares.lanes[i % 8] += x[i] * x[i];
    }
    const float floor = 2 * squares.total() / static_cast<float>(n);
    for (int i = 0; i < n; ++i)
      weight[i] = x[i] * x[i] + floor;
  }
  float fittedScale(float inverse) const;
  float error(float d) const;
};
} // namespace

/// The weighted least-squares scale for the levels that x * inverse rounds to.
float WeightedGroup::fittedScale(float inverse) const {
  Sums xq, qq;
  for (int64_t at = 0; at < kQuantGroup; at += 8)
    for (int lane = 0; lane < 8; ++lane) {
      float q = levelQ4(x[at + lane] * inverse), wq = weight[at + lane] * q;
      xq.lanes[lane] += x[at + lane] * wq;
      qq.lanes[lane] += q * wq;
    }
  float square = qq.total();
  return square > 0 ? xq.total() / square : 0;
}

float WeightedGroup::error(float d) const {
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  Sums sums;
  for (int64_t at = 0; at < kQuantGroup; at += 8)
    for (int lane = 0; lane < 8; ++lane) {
      float change = levelQ4(x[at + lane] * inverse) * d - x[at + lane];
      sums.lanes[lane] += weight[at + lane] * (change * change);
    }
  return sums.total();
}

void quantizeQ4(const float *x, int n, uint8_t *q, uint16_t *scale) {
  const WeightedGroup group(x, n);
  const float extreme = extremeOf(x, n);
  *scale = f32ToF16(extreme / -8.0f);
  float least = group.error(f16ToF32(*scale));
  for (int step = -9; step <= 9 && least > 0; ++step) {
    const float divisor = -8.0f + 0.1f * static_cast<float>(step);
    const uint16_t candidate = f32ToF16(group.fittedScale(divisor / extreme));
    const float error = group.error(f16ToF32(candidate));
    if (error < least) {
      least = error;
      *scale = candidate;
    }
  }
  const float d = f16ToF32(*scale), inverse = d != 0 ? 1.0f / d : 0.0f;
  for (int i = 0; i < n; ++i)
    q[i] = static_cast<uint8_t>(static_cast<int32_t>(levelQ4(x[i] * inverse) + 8.0f));
}

} // namespace gemmac
