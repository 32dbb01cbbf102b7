// Decoding to f32, checked on every bit pattern of the 16-bit types, and the search for values that are not
// finite.
#include "frontend/TensorSource.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace gemmac;

/// IEEE 754 binary16 by its definition.
static float halfByDefinition(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float sign = bits & 0x8000 ? -1.f : 1.f;
  if (exponent == 31)
    return fraction ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  if (exponent == 0)
    return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

static std::vector<uint8_t> allHalves() {
  std::vector<uint8_t> bytes;
  for (unsigned i = 0; i < 65536; ++i)
    bytes.insert(bytes.end(), {static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8)});
  return bytes;
}

static uint32_t bitsOf(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

TEST(TensorSource, DecodesEveryF16) {
  std::vector<float> out(65536);
  decodeToF32(DType::F16, allHalves(), 0, out);
  for (unsigned i = 0; i < 65536; ++i) {
    float expected = halfByDefinition(static_cast<uint16_t>(i));
    if (std::isnan(expected))
      ASSERT_EQ(bitsOf(out[i]), (i & 0x8000) << 16 | 0x7F800000u | (i & 0x3FF) << 13) << i;
    else
      ASSERT_EQ(bitsOf(out[i]), bitsOf(expected)) << i;
  }
}

TEST(TensorSource, DecodesEveryBF16FromAnyPlace) {
  std::vector<uint8_t> bytes = allHalves();
  bytes.insert(bytes.begin(), 0); // now every element is misaligned
  llvm::ArrayRef<uint8_t> misaligned = llvm::ArrayRef<uint8_t>(bytes).drop_front();
  std::vector<float> out(65536);
  decodeToF32(DType::BF16, misaligned, 0, out);
  for (unsigned i = 0; i < 65536; ++i)
    ASSERT_EQ(bitsOf(out[i]), i << 16);
  float three[3];
  decodeToF32(DType::BF16, misaligned, 0x3F80, three);
  EXPECT_EQ(three[0], 1.0f);
  EXPECT_EQ(bitsOf(three[2]), 0x3F820000u);
}

TEST(TensorSource, DecodesF32AsItIs) {
  float in[3] = {1.5f, -0.0f, 3e38f}, out[2];
  decodeToF32(DType::F32, {reinterpret_cast<const uint8_t *>(in), sizeof in}, 1, out);
  EXPECT_EQ(bitsOf(out[0]), bitsOf(-0.0f));
  EXPECT_EQ(out[1], 3e38f);
}

TEST(TensorSource, FindsTheFirstNonFiniteValue) {
  for (auto [type, worst, bad] : {std::tuple(DType::BF16, 0x7F7Fu, 0x7F80u),
                                  {DType::BF16, 0xFF7Fu, 0xFFC0u},
                                  {DType::F16, 0x7BFFu, 0x7C00u},
                                  {DType::F16, 0xFBFFu, 0xFE00u},
                                  {DType::F32, 0x7F7FFFFFu, 0x7F800000u},
                                  {DType::F32, 0xFF7FFFFFu, 0x7FC00000u}}) {
    unsigned size = dtypeSize(type);
    std::vector<uint8_t> bytes;
    for (int i = 0; i < 10000; ++i)
      for (unsigned b = 0; b < size; ++b)
        bytes.push_back(static_cast<uint8_t>(worst >> (8 * b)));
    EXPECT_EQ(firstNonFinite(type, bytes), -1);
    for (int64_t place : {9999, 4097, 2048, 2047, 0}) {
      for (unsigned b = 0; b < size; ++b)
        bytes[static_cast<size_t>(place) * size + b] = static_cast<uint8_t>(bad >> (8 * b));
      EXPECT_EQ(firstNonFinite(type, bytes), place);
    }
  }
  EXPECT_EQ(firstNonFinite(DType::BF16, {}), -1);
}

TEST(TensorSource, NamesTypes) {
  EXPECT_EQ(dtypeName(DType::BF16), "BF16");
  EXPECT_EQ(dtypeName(DType::Bool), "BOOL");
  EXPECT_EQ(dtypeSize(DType::I64), 8u);
  EXPECT_TRUE(isWeightType(DType::F16));
  EXPECT_FALSE(isWeightType(DType::F64));
}
