// What `quant` of a gemma.weight means, exactly: round to nearest in groups of 32 along the input axis, scale
// in f16. The interpreter and the weight packer both call these, so that compiled and interpreted values are
// the same numbers.
#pragma once

#include "frontend/F16.h"

#include <cstdint>

namespace gemmac {

constexpr int64_t kQuantGroup = 32;

/// f16 (IEEE binary16) of x, round to nearest even, saturating to the largest finite value; back: f16ToF32.
uint16_t f32ToF16(float x);
/// bf16 of x, round to nearest even; and back.
uint16_t f32ToBF16(float x);
inline float bf16ToF32(uint16_t x) {
  union {
    uint32_t u;
    float f;
  } v{static_cast<uint32_t>(x) << 16};
  return v.f;
}

/// One group of n <= 32 values: scale = f16(max|x| / 127), q = round(x / scale) in [-127, 127]; value = q *
/// scale.
void quantizeQ8(const float *x, int n, int8_t *q, uint16_t *scale);
/// One group of n <= 32 values; q = round(x / scale) + 8 in [0, 15], value = (q - 8) * scale. Of 19 scales, m
/// / -d for d from 7.1 to 8.9 with m the value of largest magnitude, each replaced by the least-squares one
/// for its rounding, and m / -8 itself: the one (in f16) with the least squared error, where an element's
/// error counts as much as x^2 plus twice the group's mean of x^2.
void quantizeQ4(const float *x, int n, uint8_t *q, uint16_t *scale);

} // namespace gemmac
