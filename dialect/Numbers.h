// Numbers of the IR that code uses in a narrower type than their attribute's. The verifiers of both dialects
// refuse what would mean something else there.
#pragma once

#include <cfloat>
#include <cstdint>

namespace gemmac {

/// Positive, and as an f32 neither rounded to zero or a subnormal nor to infinity.
inline bool isPositiveF32(double x) { return x >= FLT_MIN && x <= FLT_MAX; }

/// The longest window of attention: positions are i32.
constexpr int64_t kMaxWindow = INT32_MAX;

} // namespace gemmac
