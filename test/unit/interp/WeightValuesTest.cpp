// What a gemma.weight's values are: literals in each element type, quantised ones, random ones.
#include "InterpTest.h"

#include "dialect/gemma/Quantize.h"
#include "dialect/interp/WeightValues.h"

#include <cmath>
#include <random>

using namespace gemmac;

namespace {
class Weights : public InterpTest {
protected:
  std::vector<float> values(const std::string &attributes, const std::string &type) {
    load("gemma.weight @w {" + attributes + "} : " + type);
    if (!module)
      return {};
    WeightValues weights(*module, nullptr);
    auto all = weights.all(weights.find("w"));
    if (all)
      return all->vec();
    ADD_FAILURE() << llvm::toString(all.takeError());
    return {};
  }
};
} // namespace

TEST_F(Weights, LiteralsOfEachType) {
  expectNear(values("literal = dense<[1.5, -2.0]> : tensor<2xf32>", "tensor<2xf32>"), {1.5f, -2});
  expectNear(values("literal = dense<[1.5, -2.0]> : tensor<2xbf16>", "tensor<2xbf16>"), {1.5f, -2});
  expectNear(values("literal = dense<[1.5, -2.0]> : tensor<2xf16>", "tensor<2xf16>"), {1.5f, -2});
}

TEST_F(Weights, Q8) { // scale = f16(1 / 127) = 0.00787353515625, q = 127, -64
  EXPECT_EQ(values("quant = 1 : i32, literal = dense<[[1.0, -0.5]]> : tensor<1x2xf32>", "tensor<1x2xf32>"),
            (std::vector<float>{0.99993896484375f, -0.50390625f}));
}

TEST_F(Weights, Q4) {
  // On the grid of m / -8 nothing is rounded and no other scale is tried.
  EXPECT_EQ(
      values("quant = 2 : i32, literal = dense<[[1.0, -0.5, 0.25]]> : tensor<1x3xf32>", "tensor<1x3xf32>"),
      (std::vector<float>{1, -0.5f, 0.25f}));
  // Off it, a scale near 1/8 (in f16) serves all three better.
  EXPECT_EQ(
      values("quant = 2 : i32, literal = dense<[[1.0, -0.5, 0.3]]> : tensor<1x3xf32>", "tensor<1x3xf32>"),
      (std::vector<float>{1.005859375f, -0.5029296875f, 0.25146484375f}));
}

TEST_F(Weights, GroupsOf32AlongTheLastAxis) {
  // one row of 33: the last element is a group of its own and is kept exactly, the 1 next to 127 is not lost
  // either
  std::string row = "127.0, 0.25";
  for (int i = 2; i < 32; ++i)
    row += ", 0.0";
  std::vector<float> got = values(
      "quant = 1 : i32, literal = dense<[[" + row + ", 0.25]]> : tensor<1x33xf32>", "tensor<1x33xf32>");
  ASSERT_EQ(got.size(), 33u);
  EXPECT_EQ(got[0], 127.0f);
  EXPECT_EQ(got[1], 0.0f); // a quarter of the scale
  EXPECT_NEAR(got[32], 0.25f, 1e-4);
}

TEST_F(Weights, RandomIsReproducible) {
  // splitmix64(1 << 40) >> 40 and so on, worked out with an independent program
  std::vector<float> got = values("random = 1 : i64", "tensor<2x3xf32>");
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got, values("random = 1 : i64", "tensor<2x3xf32>"));
  EXPECT_NE(got, values("random = 2 : i64", "tensor<2x3xf32>"));
  expectNear(got, {-0.751054645f, -0.145354986f, -0.683121085f, 0.0388647318f, -0.883257747f, -0.434127212f},
             1e-7f);
  for (float x : values("random = 5 : i64", "tensor<64xf32>"))
    EXPECT_TRUE(x >= 0.5f && x < 1.5f);
}

TEST_F(Weights, RandomIsRoundedToItsType) {
  for (float x : values("random = 3 : i64", "tensor<4x32xbf16>")) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    EXPECT_EQ(bits & 0xffff, 0u);
  }
}

TEST_F(Weights, FileWithoutACheckpoint) {
  load("gemma.weight @w {file = \"model.safetensors\", tensor = \"a.b\", offset = 0 : i64} : tensor<2xf32>");
  WeightValues weights(*module, nullptr);
  auto all = weights.all(weights.find("w"));
  ASSERT_FALSE(static_cast<bool>(all));
  EXPECT_EQ(llvm::toString(all.takeError()),
            "model.safetensors: a.b: no checkpoint is open; run with the model that this "
            "module was imported from");
}

/// The weighted squared error of a group, as dialect/gemma/Quantize.h defines it.
static double weightedError(const std::vector<float> &x, float scale) {
  double mean = 0, error = 0;
  for (float v : x)
    mean += static_cast<double>(v) * v / static_cast<double>(x.size());
  for (float v : x) {
    double level = scale != 0 ? std::nearbyint(static_cast<double>(v) / scale) : 0;
    double change = std::min(7.0, std::max(-8.0, level)) * scale - v;
    error += (static_cast<double>(v) * v + 2 * mean) * change * change;
  }
  return error;
}

TEST(QuantizeQ4, SearchIsNeverWorseThanTheExtremesScale) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  int better = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(32);
    float extreme = 0;
    for (float &v : x) {
      v = normal(random);
      if (std::fabs(v) > std::fabs(extreme))
        extreme = v;
    }
    uint8_t q[32];
    uint16_t scale;
    gemmac::quantizeQ4(x.data(), 32, q, &scale);
    const double plain = weightedError(x, gemmac::f16ToF32(gemmac::f32ToF16(extreme / -8)));
    const double found = weightedError(x, gemmac::f16ToF32(scale));
    EXPECT_LE(found, plain * 1.0001);
    better += found < 0.9 * plain;
    for (int i = 0; i < 32; ++i)
      EXPECT_LE(q[i], 15);
  }
  EXPECT_GT(better, 50); // a third of random groups gain more than a tenth
}
