// Tile ops of the step dialect that work row by row, with the numbers of the gemma ops.
#include "StepTest.h"

#include <limits>

using namespace gemmac;

namespace {
class StepOps : public StepTest {};
constexpr float kMasked = -std::numeric_limits<float>::infinity();
} // namespace

TEST_F(StepOps, AddAndMul) {
  loadStep({{1, 2}}, "", "",
           "%y = step.buffer \"y\" : memref<4x2xf32>\n"
           "step.phase \"op\" rows(all) cols(1) by_row do {\n"
           "step.add %y, %x, %x : memref<4x2xf32>, memref<4x2xf32>, memref<4x2xf32>\n"
           "step.mul %y, %y, %x : memref<4x2xf32>, memref<4x2xf32>, memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({0}), "ok");
  expectNear(buffers["y"].f32, {2, 8});
}

TEST_F(StepOps, Unary) {
  expectNear(rowOp("step.gelu %y, %x", 4, {{0, 1, -2, 10}}), {0, 0.8411920f, -0.0454023f, 10});
  expectNear(rowOp("step.copy %y, %x", 2, {{1, 2}, {3, 4}}), {1, 2, 3, 4});
  expectNear(rowOp("step.scale %y, %x {factor = -0.5 : f64}", 2, {{4, 6}}), {-2, -3});
  expectNear(rowOp("step.softcap %y, %x {cap = 30.0 : f64}", 2, {{30, -10}}), {22.8478247f, -9.6453822f});
  expectNear(rowOp("step.softmax %y, %x", 3, {{1, 2, 3}, {5, 5, 5}}),
             {0.0900306f, 0.2447285f, 0.6652410f, 1 / 3.0f, 1 / 3.0f, 1 / 3.0f});
}

TEST_F(StepOps, ScaleBy) {
  expectNear(rowOp("step.scale_by %y, %x, @w", 2, {{4, 6}, {1, 2}}, vector("w", {3}), stepVector("w", 1)),
             {12, 18, 3, 6});
  expectNear(
      rowOp("step.scale_by %y, %x, @w", 2, {{4, 6}, {1, 2}}, vector("w", {2, 0.5f}), stepVector("w", 2)),
      {8, 3, 2, 1});
}

TEST_F(StepOps, Norm) {
  expectNear(rowOp("step.norm %y, %x {group = 2 : i64, eps = 3.0 : f64}", 2, {{1, -1}}), {0.5f, -0.5f});
  expectNear(rowOp("step.norm %y, %x, @w {group = 2 : i64, eps = 0.0 : f64, offset = 1.0 : f64}", 4,
                   {{3, 4, -2, 2}}, vector("w", {2, 1}), stepVector("w", 2)),
             {2.5455844f, 2.2627417f, -3, 2});
}

/// Two tasks of three columns, of which five count: the larger first, of equal ones the lower id, whatever
/// order the tasks run in; -1 where there are no more.
TEST_F(StepOps, SelectTop) {
  for (auto [k, values, ids] :
       {std::tuple<size_t, std::vector<float>, std::vector<int32_t>>(3, {14, 8, 8}, {3, 0, 4}),
        {5, {14, 8, 8, 0, kMasked}, {3, 0, 4, 2, -1}}}) {
    const std::string v = "memref<1x" + std::to_string(k) + "xf32>",
                      i = "memref<1x" + std::to_string(k) + "xi32>";
    loadStep(
        {{4, -3e38f, 0, 7, 4, 9}, {1, 1, 1, 1, 1, 1}}, "", "",
        "%l = step.buffer \"l\" : memref<1x6xf32>\n%v = step.buffer \"v\" : " + v +
            "\n%i = step.buffer \"i\" : " + i +
            "\nstep.phase \"take\" rows(last) cols(1) by_row do {\n"
            "step.take_row %l, %x : memref<1x6xf32>, memref<4x6xf32>\n"
            "step.scale %l, %l {factor = 2.0 : f64} : memref<1x6xf32>, memref<1x6xf32>\n}\nstep.barrier\n"
            "step.phase \"top\" rows(last) cols(2) do {\n"
            "%t = step.tile %l {offset = 0 : i64, stride = 3 : i64, width = 3 : i64} : memref<1x6xf32> -> "
            "memref<1x3xf32>\n"
            "step.select_top %v, %i, %t {columns = 5 : i64} : " +
            v + ", " + i + ", memref<1x3xf32>\n}\n");
    for (TaskOrder order : {TaskOrder::Ascending, TaskOrder::Descending}) {
      StepRunOptions options;
      options.order = order;
      ASSERT_EQ(run({1, 0}, 0, options), "ok");
      EXPECT_EQ(buffers["v"].f32, values);
      EXPECT_EQ(buffers["i"].i32, ids);
    }
  }
}

TEST_F(StepOps, EmbedScalesAndRefuses) {
  loadStep({{1, 2}, {3, 4}}, "", "",
           "%y = step.buffer \"y\" : memref<4x2xf32>\n"
           "step.phase \"op\" rows(all) cols(1) by_row do {\n"
           "step.embed %y, @in {scale = 2.0 : f64} : memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({1, 0, 1}), "ok");
  expectNear(buffers["y"].f32, {6, 8, 2, 4, 6, 8});
  EXPECT_NE(run({2}).find("token 2 is not in [0, 2)"), std::string::npos);
}

TEST_F(StepOps, RopeTableAndRope) {
  loadStep(
      {{1, 2, 3, 4}}, "", "",
      "%t = step.buffer \"t\" : memref<4x4xf32>\n%y = step.buffer \"y\" : memref<4x4xf32>\n"
      "step.phase \"table\" rows(all) cols(1) by_row do {\n"
      "step.rope_table %t {head_dim = 4 : i64, angles = 2 : i64, theta = 100.0 : f64, factor = 1.0 : f64}"
      " : memref<4x4xf32>\n}\nstep.barrier\n"
      "step.phase \"op\" rows(all) cols(1) by_row do {\n"
      "step.rope %y, %x, %t {head_dim = 4 : i64, angles = 2 : i64} : memref<4x4xf32>, memref<4x4xf32>,"
      " memref<4x4xf32>\n}\n");
  ASSERT_EQ(run({0, 0}), "ok");
  expectNear(buffers["t"].f32, {1, 1, 0, 0, 0.5403023f, 0.9950042f, 0.8414710f, 0.0998334f});
  expectNear(buffers["y"].f32, {1, 2, 3, 4, -1.9841106f, 1.5906746f, 2.4623779f, 4.1796835f});
}

TEST_F(StepOps, RopeTableRoundsToBF16) {
  loadStep({{0, 0}}, "", "",
           "%t = step.buffer \"t\" : memref<4x2xf32>\nstep.phase \"op\" rows(all) cols(1) by_row do {\n"
           "step.rope_table %t {head_dim = 2 : i64, angles = 1 : i64, theta = 100.0 : f64, factor = 1.0 : "
           "f64, round}"
           " : memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({0}, 1), "ok");
  EXPECT_EQ(buffers["t"].f32, (std::vector<float>{0.5390625f, 0.83984375f}));
}

TEST_F(StepOps, TakeRowAndLastRows) {
  loadStep({{1, 2}, {3, 4}, {5, 6}}, "", "",
           "%y = step.buffer \"y\" : memref<1x2xf32>\n"
           "step.phase \"op\" rows(last) cols(1) by_row do {\n"
           "step.take_row %y, %x : memref<1x2xf32>, memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({2, 0, 1}), "ok");
  expectNear(buffers["y"].f32, {3, 4});
}

TEST_F(StepOps, TopKAndCombine) {
  loadStep({{0.1f, 0.4f, 0.4f, 0.1f}}, vector("s", {1, 2, 3, 4}), stepVector("s", 4),
           "%w = step.buffer \"w\" : memref<4x2xf32>\n%i = step.buffer \"i\" : memref<4x2xi32>\n"
           "%y = step.buffer \"y\" : memref<4x2xf32>\n"
           "step.phase \"op\" rows(all) cols(1) by_row do {\n"
           "step.top_k %w, %i, %x, @s {k = 2 : i64} : memref<4x2xf32>, memref<4x2xi32>, memref<4x4xf32>\n"
           "step.combine %y, %x, %w : memref<4x2xf32>, memref<4x4xf32>, memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({0}), "ok");
  expectNear(buffers["w"].f32, {1, 1.5f});
  EXPECT_EQ(buffers["i"].i32, (std::vector<int32_t>{1, 2}));
  expectNear(buffers["y"].f32, {0.1f + 1.5f * 0.4f, 0.4f + 1.5f * 0.1f});
}

namespace {
/// Rows [q0, q1, k, v]: two query heads on one KV head of one element.
class StepAttention : public StepTest {
protected:
  void loadWith(const std::string &ops, int64_t window, const std::string &type = "f32") {
    std::string w = std::to_string(window);
    loadStep({{1, 0, 1, 10}, {1, 0, 2, 20}, {1, 0, 3, 30}}, "",
             "step.cache @kv " + type + " {heads = 1 : i64, head_dim = 1 : i64, window = " + w +
                 " : i64, slots = 32 : i64}\n",
             "%q = step.buffer \"q\" : memref<4x2xf32>\n%y = step.buffer \"y\" : memref<4x2xf32>\n"
             "step.phase \"kv\" rows(all) cols(1) by_row do {\n"
             "%0 = step.tile %x {offset = 0 : i64, stride = 0 : i64, width = 2 : i64} : memref<4x4xf32> -> "
             "memref<4x2xf32>\n"
             "%1 = step.tile %x {offset = 2 : i64, stride = 0 : i64, width = 1 : i64} : memref<4x4xf32> -> "
             "memref<4x1xf32>\n"
             "%2 = step.tile %x {offset = 3 : i64, stride = 0 : i64, width = 1 : i64} : memref<4x4xf32> -> "
             "memref<4x1xf32>\n"
             "step.copy %q, %0 : memref<4x2xf32>, memref<4x2xf32>\n"
             "step.cache_write @kv k, %1 : memref<4x1xf32>\n"
             "step.cache_write @kv v, %2 : memref<4x1xf32>\n}\nstep.barrier\n" +
                 ops);
  }
  static std::string fused(int64_t window) {
    return "step.phase \"attention\" rows(all) cols(2) by_row do {\n"
           "step.attention %y, %q, @kv {heads = 2 : i64, window = " +
           std::to_string(window) + " : i64, scale = 1.0 : f64} : memref<4x2xf32>, memref<4x2xf32>\n}\n";
  }
};
} // namespace

TEST_F(StepAttention, Causal) {
  loadWith(fused(0), 0);
  ASSERT_EQ(run({0, 1, 2}), "ok");
  expectNear(buffers["y"].f32, {10, 10, 17.310586f, 15, 25.752103f, 20});
}

TEST_F(StepAttention, InPiecesThroughTheCache) {
  loadWith(fused(0), 0);
  ASSERT_EQ(run({0, 1}), "ok");
  ASSERT_EQ(run({2}, 2), "ok");
  expectNear(buffers["y"].f32, {25.752103f, 20});
}

TEST_F(StepAttention, Window) {
  loadWith(fused(2), 2);
  ASSERT_EQ(run({0, 1, 2}), "ok");
  expectNear(buffers["y"].f32, {10, 10, 17.310586f, 15, 27.310586f, 25});
}

TEST_F(StepAttention, MissingPosition) {
  loadWith(fused(0), 0);
  EXPECT_NE(run({2}, 1).find("position 0 of sequence 0 is not in the cache, while position 1 reads it"),
            std::string::npos);
}

TEST_F(StepAttention, InThreePhases) {
  // P = context rounded up to 16 = 32 columns a head
  loadWith("%s = step.buffer \"s\" : memref<4x64xf32>\n%p = step.buffer \"p\" : memref<4x64xf32>\n"
           "step.phase \"qk\" rows(all) cols(2) by_row do {\n"
           "step.qk %s, %q, @kv {heads = 2 : i64, window = 2 : i64, scale = 0.5 : f64} : memref<4x64xf32>, "
           "memref<4x2xf32>\n"
           "}\nstep.barrier\nstep.phase \"softmax\" rows(all) cols(2) by_row do {\n"
           "%0 = step.tile %s {offset = 0 : i64, stride = 32 : i64, width = 32 : i64} : memref<4x64xf32> -> "
           "memref<4x32xf32>\n"
           "%1 = step.tile %p {offset = 0 : i64, stride = 32 : i64, width = 32 : i64} : memref<4x64xf32> -> "
           "memref<4x32xf32>\n"
           "step.softmax %1, %0 : memref<4x32xf32>, memref<4x32xf32>\n"
           "}\nstep.barrier\nstep.phase \"pv\" rows(all) cols(2) by_row do {\n"
           "step.pv %y, %p, @kv {heads = 2 : i64, window = 2 : i64} : memref<4x2xf32>, memref<4x64xf32>\n}\n",
           2);
  ASSERT_EQ(run({0, 1, 2}), "ok");
  std::vector<float> s = buffers["s"].f32;
  ASSERT_EQ(s.size(), 3u * 64);
  EXPECT_EQ(std::vector<float>(s.begin() + 128, s.begin() + 132),
            (std::vector<float>{kMasked, 1, 1.5f, kMasked}));
  EXPECT_EQ(std::vector<float>(s.begin() + 160, s.begin() + 164),
            (std::vector<float>{kMasked, 0, 0, kMasked}));
  // softmax(1, 1.5) = 0.3775407, 0.6224593
  expectNear(llvm::ArrayRef<float>(buffers["y"].f32).take_back(2), {26.224593f, 25});
}

TEST_F(StepAttention, CacheInBF16) {
  loadStep({{1, 1, 1.00390625f, 1.01171875f}}, "",
           "step.cache @kv bf16 {heads = 1 : i64, head_dim = 2 : i64, window = 0 : i64, slots = 32 : i64}\n",
           "%y = step.buffer \"y\" : memref<4x2xf32>\nstep.phase \"kv\" rows(all) cols(1) by_row do {\n"
           "%1 = step.tile %x {offset = 2 : i64, stride = 0 : i64, width = 2 : i64} : memref<4x4xf32> -> "
           "memref<4x2xf32>\n"
           "step.cache_write @kv k, %1 : memref<4x2xf32>\nstep.cache_write @kv v, %1 : "
           "memref<4x2xf32>\n}\nstep.barrier\n"
           "%q = step.buffer \"q\" : memref<4x2xf32>\nstep.phase \"q\" rows(all) cols(1) by_row do {\n"
           "%0 = step.tile %x {offset = 0 : i64, stride = 0 : i64, width = 2 : i64} : memref<4x4xf32> -> "
           "memref<4x2xf32>\n"
           "step.copy %q, %0 : memref<4x2xf32>, memref<4x2xf32>\n}\nstep.barrier\n"
           "step.phase \"attention\" rows(all) cols(1) by_row do {\nstep.attention %y, %q, @kv "
           "{heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : memref<4x2xf32>, memref<4x2xf32>\n}\n");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(buffers["y"].f32, (std::vector<float>{1, 1.015625f}));
}
