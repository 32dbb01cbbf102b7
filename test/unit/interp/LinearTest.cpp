// embed, linear, take_rows, fusion.
#include "InterpTest.h"

using namespace gemmac;

namespace {
class Linear : public InterpTest {};
const char *const kTable =
    "gemma.weight @t {literal = dense<[[1.0, 2.0], [3.0, 4.0], [-5.0, 6.0]]> : tensor<3x2xf32>}"
    " : tensor<3x2xf32>\n";
} // namespace

TEST_F(Linear, Linear) {
  expectNear(unary("gemma.linear %x, @t : tensor<?x2xf32> -> tensor<?x3xf32>", 2, 3, {1, 1, 2, -1}, kTable),
             {3, 7, 1, 0, 2, -16});
}

TEST_F(Linear, Embed) {
  load(std::string(kTable) +
       "func.func @f(%x: tensor<?xi32>) -> tensor<?x2xf32> {\n"
       "%y = gemma.embed %x, @t {scale = 2.0 : f64} : tensor<?xi32> -> tensor<?x2xf32>\n"
       "return %y : tensor<?x2xf32> }");
  expectNear(call({Tensor::ofInts({3}, {2, 0, 2})})[0].f32, {-10, 12, 2, 4, -10, 12});
  EXPECT_NE(failure({Tensor::ofInts({1}, {3})}).find("token 3 is not in [0, 3)"), std::string::npos);
  EXPECT_NE(failure({Tensor::ofInts({1}, {-1})}).find("token -1"), std::string::npos);
}

TEST_F(Linear, TakeRows) {
  load("func.func @f(%x: tensor<?x2xf32>, %i: tensor<?xi32>, %seq: tensor<?xi32>) -> (tensor<2x2xf32>, "
       "tensor<2xi32>) {\n"
       "%a = gemma.take_rows %x, %seq {batch = 2 : i64} : tensor<?x2xf32>, tensor<?xi32> -> tensor<2x2xf32>\n"
       "%b = gemma.take_rows %i, %seq {batch = 2 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<2xi32>\n"
       "return %a, %b : tensor<2x2xf32>, tensor<2xi32> }");
  std::vector<Tensor> got = call({Tensor::ofFloats({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}),
                                  Tensor::ofInts({4}, {10, 11, 12, 13}), Tensor::ofInts({4}, {0, 1, 0, 1})});
  ASSERT_EQ(got.size(), 2u);
  expectNear(got[0].f32, {5, 6, 7, 8});
  EXPECT_EQ(got[1].i32, (std::vector<int32_t>{12, 13}));
  EXPECT_NE(failure({Tensor::ofFloats({1, 2}), Tensor::ofInts({1}), Tensor::ofInts({1})})
                .find("sequence 1 has no row"),
            std::string::npos);
}

TEST_F(Linear, Fusion) {
  load(std::string(kTable) + "func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x3xf32>, tensor<?x2xf32>) {\n"
                             "%f:2 = gemma.fusion [\"norm\"] {\n"
                             "%h = gemma.scale %x {factor = 2.0 : f64} : tensor<?x2xf32>\n"
                             "%y = gemma.linear %h, @t : tensor<?x2xf32> -> tensor<?x3xf32>\n"
                             "gemma.yield %y, %h : tensor<?x3xf32>, tensor<?x2xf32>\n"
                             "} : tensor<?x3xf32>, tensor<?x2xf32>\n"
                             "return %f#0, %f#1 : tensor<?x3xf32>, tensor<?x2xf32> }");
  std::vector<Tensor> got = call({Tensor::ofFloats({1, 2}, {1, 1})});
  ASSERT_EQ(got.size(), 2u);
  expectNear(got[0].f32, {6, 14, 2});
  expectNear(got[1].f32, {2, 2});
}
