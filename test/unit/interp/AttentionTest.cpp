// cache_update, qk, softmax, pv: masks, GQA, several sequences, runs in pieces.
#include "InterpTest.h"

#include <limits>

using namespace gemmac;

namespace {
constexpr float kMasked = -std::numeric_limits<float>::infinity();

/// Two query heads on one KV head of one element. Arguments q [T, 2], k [T, 1], v [T, 1], pos, seq; results
/// scores and output.
class Attention : public InterpTest {
protected:
  void loadWindow(int64_t window, double scale = 1) {
    std::string w = std::to_string(window);
    load("gemma.cache @kv {heads = 1 : i64, head_dim = 1 : i64, window = " + w + " : i64}\n" +
         "func.func @f(%q: tensor<?x2xf32>, %k: tensor<?x1xf32>, %v: tensor<?x1xf32>, %pos: tensor<?xi32>, "
         "%seq: "
         "tensor<?xi32>) -> (tensor<?x2x?xf32>, tensor<?x2xf32>) {\n"
         "%kv = gemma.cache_update @kv, %k, %v, %pos, %seq : tensor<?x1xf32>, tensor<?xi32> -> !gemma.kv<1 x "
         "1>\n"
         "%s = gemma.qk %q, %kv, %pos, %seq {heads = 2 : i64, window = " +
         w + " : i64, scale = " + std::to_string(scale) +
         " : f64} : tensor<?x2xf32>, !gemma.kv<1 x 1>, tensor<?xi32> -> tensor<?x2x?xf32>\n"
         "%p = gemma.softmax %s : tensor<?x2x?xf32>\n"
         "%y = gemma.pv %p, %kv, %pos, %seq : tensor<?x2x?xf32>, !gemma.kv<1 x 1>, tensor<?xi32> -> "
         "tensor<?x2xf32>\n"
         "return %s, %y : tensor<?x2x?xf32>, tensor<?x2xf32> }");
  }
  static std::vector<Tensor> rows(std::vector<float> q, std::vector<float> k, std::vector<float> v,
                                  std::vector<int32_t> pos, std::vector<int32_t> seq) {
    int64_t n = static_cast<int64_t>(pos.size());
    return {Tensor::ofFloats({n, 2}, q), Tensor::ofFloats({n, 1}, k), Tensor::ofFloats({n, 1}, v),
            Tensor::ofInts({n}, pos), Tensor::ofInts({n}, seq)};
  }
};
} // namespace

TEST_F(Attention, Causal) {
  loadWindow(0);
  std::vector<Tensor> got = call(rows({1, 0, 1, 0, 1, 0}, {1, 2, 3}, {10, 20, 30}, {0, 1, 2}, {0, 0, 0}));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].f32, (std::vector<float>{1, kMasked, kMasked, 0, kMasked, kMasked, //
                                            1, 2, kMasked, 0, 0, kMasked,             //
                                            1, 2, 3, 0, 0, 0}));
  // softmax(1, 2) = 0.26894, 0.73106; softmax(1, 2, 3) = 0.090031, 0.244728, 0.665241
  expectNear(got[1].f32, {10, 10, 17.310586f, 15, 25.752103f, 20});
}

TEST_F(Attention, WindowAndScale) {
  loadWindow(2, 0.5);
  std::vector<Tensor> got = call(rows({1, 0, 1, 0, 2, 0}, {1, 2, 3}, {10, 20, 30}, {0, 1, 2}, {0, 0, 0}));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].f32, (std::vector<float>{0.5f, kMasked, kMasked, 0, kMasked, kMasked, //
                                            0.5f, 1, kMasked, 0, 0, kMasked,             //
                                            kMasked, 2, 3, kMasked, 0, 0}));
  EXPECT_NEAR(got[1].f32[4], 27.310586f, 1e-5);
  EXPECT_NEAR(got[1].f32[5], 25, 1e-5);
}

TEST_F(Attention, InPieces) {
  loadWindow(0);
  call(rows({1, 0, 1, 0}, {1, 2}, {10, 20}, {0, 1}, {0, 0}));
  std::vector<Tensor> got = call(rows({1, 0}, {3}, {30}, {2}, {0}));
  ASSERT_EQ(got.size(), 2u);
  expectNear(got[1].f32, {25.752103f, 20});
}

TEST_F(Attention, SequencesDoNotSeeEachOther) {
  loadWindow(0);
  std::vector<Tensor> got = call(rows({1, 0, 1, 0, 1, 0}, {1, 9, 2}, {10, 90, 20}, {0, 0, 1}, {0, 1, 0}));
  ASSERT_EQ(got.size(), 2u);
  expectNear(got[1].f32, {10, 10, 90, 90, 17.310586f, 15});
}

TEST_F(Attention, MissingPosition) {
  loadWindow(0);
  EXPECT_NE(failure(rows({1, 0}, {1}, {10}, {1}, {0})).find("position 0 of sequence 0 was never cached"),
            std::string::npos);
}

TEST_F(Attention, ClearedCachesAreEmpty) {
  loadWindow(0);
  call(rows({1, 0}, {1}, {10}, {0}, {0}));
  interpreter->clearCaches();
  EXPECT_NE(failure(rows({1, 0}, {1}, {10}, {1}, {0})).find("was never cached"), std::string::npos);
}

TEST_F(Attention, HeadsOfAGroupShareTheirKvHead) {
  load("gemma.cache @kv {heads = 2 : i64, head_dim = 1 : i64, window = 0 : i64}\n"
       "func.func @f(%q: tensor<?x4xf32>, %k: tensor<?x2xf32>, %pos: tensor<?xi32>) -> tensor<?x4xf32> {\n"
       "%kv = gemma.cache_update @kv, %k, %k, %pos, %pos : tensor<?x2xf32>, tensor<?xi32> -> !gemma.kv<2 x "
       "1>\n"
       "%s = gemma.qk %q, %kv, %pos, %pos {heads = 4 : i64, window = 0 : i64, scale = 1.0 : f64} : "
       "tensor<?x4xf32>, "
       "!gemma.kv<2 x 1>, tensor<?xi32> -> tensor<?x4x?xf32>\n"
       "%y = gemma.pv %s, %kv, %pos, %pos : tensor<?x4x?xf32>, !gemma.kv<2 x 1>, tensor<?xi32> -> "
       "tensor<?x4xf32>\n"
       "return %y : tensor<?x4xf32> }");
  // no softmax: y = q k k with k = 3 for heads 0, 1 and 5 for heads 2, 3
  std::vector<Tensor> got = call(
      {Tensor::ofFloats({1, 4}, {1, 2, 3, 4}), Tensor::ofFloats({1, 2}, {3, 5}), Tensor::ofInts({1}, {0})});
  ASSERT_EQ(got.size(), 1u);
  expectNear(got[0].f32, {9, 18, 75, 100});
}
