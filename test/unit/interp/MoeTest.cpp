// top_k, expert_linear, combine.
#include "InterpTest.h"

using namespace gemmac;

namespace {
class Moe : public InterpTest {
protected:
  static constexpr const char *kExperts = "gemma.weight @w {literal = dense<[[[1.0, 0.0], [0.0, 1.0]], "
                                          "[[2.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [3.0, 0.0]]]>"
                                          " : tensor<3x2x2xf32>} : tensor<3x2x2xf32>\n";
};
} // namespace

TEST_F(Moe, TopK) {
  load("gemma.weight @s {literal = dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>} : tensor<4xf32>\n"
       "func.func @f(%p: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xi32>) {\n"
       "%w, %i = gemma.top_k %p, @s {k = 2 : i64} : tensor<?x4xf32> -> tensor<?x2xf32>, tensor<?x2xi32>\n"
       "return %w, %i : tensor<?x2xf32>, tensor<?x2xi32> }");
  std::vector<Tensor> got =
      call({Tensor::ofFloats({2, 4}, {0.1f, 0.4f, 0.4f, 0.1f, 0.15f, 0.05f, 0.2f, 0.6f})});
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].i32, (std::vector<int32_t>{1, 2, 3, 2})); // ties to the lower index
  expectNear(got[0].f32, {1, 1.5f, 3, 0.75f});
}

TEST_F(Moe, ExpertLinearSharedInput) {
  load(std::string(kExperts) +
       "func.func @f(%x: tensor<?x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x2x2xf32> {\n"
       "%y = gemma.expert_linear %x, %i, @w : tensor<?x2xf32>, tensor<?x2xi32> -> tensor<?x2x2xf32>\n"
       "return %y : tensor<?x2x2xf32> }");
  std::vector<Tensor> got =
      call({Tensor::ofFloats({2, 2}, {1, 2, 3, 4}), Tensor::ofInts({2, 2}, {0, 2, 1, 0})});
  ASSERT_EQ(got.size(), 1u);
  expectNear(got[0].f32, {1, 2, 6, 3, 6, 8, 3, 4});
  EXPECT_NE(
      failure({Tensor::ofFloats({1, 2}), Tensor::ofInts({1, 2}, {0, 3})}).find("expert 3 is not in [0, 3)"),
      std::string::npos);
}

TEST_F(Moe, ExpertLinearInputPerSlot) {
  load(std::string(kExperts) +
       "func.func @f(%x: tensor<?x2x2xf32>, %i: tensor<?x2xi32>) -> tensor<?x2x2xf32> {\n"
       "%y = gemma.expert_linear %x, %i, @w : tensor<?x2x2xf32>, tensor<?x2xi32> -> tensor<?x2x2xf32>\n"
       "return %y : tensor<?x2x2xf32> }");
  std::vector<Tensor> got = call({Tensor::ofFloats({1, 2, 2}, {1, 2, 3, 4}), Tensor::ofInts({1, 2}, {1, 2})});
  ASSERT_EQ(got.size(), 1u);
  expectNear(got[0].f32, {2, 4, 12, 9});
}

TEST_F(Moe, Combine) {
  load("func.func @f(%y: tensor<?x2x3xf32>, %w: tensor<?x2xf32>) -> tensor<?x3xf32> {\n"
       "%z = gemma.combine %y, %w : tensor<?x2x3xf32>, tensor<?x2xf32> -> tensor<?x3xf32>\n"
       "return %z : tensor<?x3xf32> }");
  std::vector<Tensor> got =
      call({Tensor::ofFloats({1, 2, 3}, {1, 2, 3, 10, 20, 30}), Tensor::ofFloats({1, 2}, {0.5f, 2})});
  ASSERT_EQ(got.size(), 1u);
  expectNear(got[0].f32, {20.5f, 41, 61.5f});
}
