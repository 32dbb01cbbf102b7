// add, mul, gelu, scale, scale_by, softcap, slice, rms_norm, rope with numbers worked out by hand.
#include "InterpTest.h"

using namespace gemmac;

namespace {
class Elementwise : public InterpTest {};
} // namespace

TEST_F(Elementwise, Add) {
  expectNear(unary("gemma.add %x, %x : tensor<?x2xf32>", 2, 2, {1, -2, 3, 0.5f}), {2, -4, 6, 1});
}

TEST_F(Elementwise, Mul) {
  expectNear(unary("gemma.mul %x, %x : tensor<?x2xf32>", 2, 2, {1, -2, 3, 0.5f}), {1, 4, 9, 0.25f});
}

TEST_F(Elementwise, Gelu) {
  expectNear(unary("gemma.gelu %x : tensor<?x4xf32>", 4, 4, {0, 1, -2, 10}),
             {0, 0.8411920f, -0.0454023f, 10});
}

TEST_F(Elementwise, Scale) {
  expectNear(unary("gemma.scale %x {factor = -0.5 : f64} : tensor<?x2xf32>", 2, 2, {4, 6}), {-2, -3});
}

TEST_F(Elementwise, ScaleByScalar) {
  expectNear(unary("gemma.scale_by %x, @w : tensor<?x2xf32>", 2, 2, {4, 6, 1, 2},
                   "gemma.weight @w {literal = dense<3.0> : tensor<1xf32>} : tensor<1xf32>"),
             {12, 18, 3, 6});
}

TEST_F(Elementwise, ScaleByColumn) {
  expectNear(unary("gemma.scale_by %x, @w : tensor<?x2xf32>", 2, 2, {4, 6, 1, 2},
                   "gemma.weight @w {literal = dense<[2.0, 0.5]> : tensor<2xf32>} : tensor<2xf32>"),
             {8, 3, 2, 1});
}

TEST_F(Elementwise, Softcap) { // 30 tanh(1) and 30 tanh(-1/3)
  expectNear(unary("gemma.softcap %x {cap = 30.0 : f64} : tensor<?x2xf32>", 2, 2, {30, -10}),
             {22.8478247f, -9.6453822f});
}

TEST_F(Elementwise, Slice) {
  expectNear(unary("gemma.slice %x {offset = 1 : i64, size = 2 : i64} : tensor<?x4xf32> -> tensor<?x2xf32>",
                   4, 2, {0, 1, 2, 3, 10, 11, 12, 13}),
             {1, 2, 11, 12});
}

TEST_F(Elementwise, SliceOfSlots) {
  load("func.func @f(%x: tensor<?x2x3xf32>) -> tensor<?x2x1xf32> {\n"
       "%y = gemma.slice %x {offset = 2 : i64, size = 1 : i64} : tensor<?x2x3xf32> -> tensor<?x2x1xf32>\n"
       "return %y : tensor<?x2x1xf32> }");
  expectNear(call({Tensor::ofFloats({1, 2, 3}, {1, 2, 3, 4, 5, 6})})[0].f32, {3, 6});
}

TEST_F(Elementwise, RmsNorm) { // mean of squares 12.5
  expectNear(unary("gemma.rms_norm %x {group = 2 : i64, eps = 0.0 : f64} : tensor<?x2xf32>", 2, 2, {3, 4}),
             {0.8485281f, 1.1313708f});
}

TEST_F(Elementwise, RmsNormEps) { // 1 / sqrt(1 + 3)
  expectNear(unary("gemma.rms_norm %x {group = 2 : i64, eps = 3.0 : f64} : tensor<?x2xf32>", 2, 2, {1, -1}),
             {0.5f, -0.5f});
}

TEST_F(Elementwise, RmsNormGroupsWeightOffset) {
  expectNear(
      unary("gemma.rms_norm %x, @w {group = 2 : i64, eps = 0.0 : f64, offset = 1.0 : f64} : tensor<?x4xf32>",
            4, 4, {3, 4, -2, 2},
            "gemma.weight @w {literal = dense<[2.0, 1.0]> : tensor<2xf32>} : tensor<2xf32>"),
      {2.5455844f, 2.2627417f, -3, 2});
}

TEST_F(Elementwise, Rope) {
  load("func.func @f(%x: tensor<?x4xf32>, %pos: tensor<?xi32>) -> tensor<?x4xf32> {\n"
       "%y = gemma.rope %x, %pos {head_dim = 4 : i64, angles = 2 : i64, theta = 100.0 : f64}"
       " : tensor<?x4xf32>, tensor<?xi32>\n"
       "return %y : tensor<?x4xf32> }");
  // position 1: pair (0, 2) by 1, pair (1, 3) by 100^(-1/2) = 0.1; position 0 does not turn
  expectNear(call({Tensor::ofFloats({2, 4}, {1, 2, 3, 4, 1, 2, 3, 4}), Tensor::ofInts({2}, {1, 0})})[0].f32,
             {-1.9841106f, 1.5906746f, 2.4623779f, 4.1796835f, 1, 2, 3, 4});
}

TEST_F(Elementwise, RopeProportionalPerHeadWithFactor) {
  load("func.func @f(%x: tensor<?x8xf32>, %pos: tensor<?xi32>) -> tensor<?x8xf32> {\n"
       "%y = gemma.rope %x, %pos {head_dim = 4 : i64, angles = 1 : i64, theta = 100.0 : f64, factor = 8.0 : "
       "f64}"
       " : tensor<?x8xf32>, tensor<?xi32>\n"
       "return %y : tensor<?x8xf32> }");
  // position 8 / 8: angle 1 for pair (0, 2); pair (1, 3) passes through
  expectNear(call({Tensor::ofFloats({1, 8}, {1, 2, 3, 4, 0, 5, 1, 6}), Tensor::ofInts({1}, {8})})[0].f32,
             {-1.9841106f, 2, 2.4623779f, 4, -0.8414710f, 5, 0.5403023f, 6});
}
