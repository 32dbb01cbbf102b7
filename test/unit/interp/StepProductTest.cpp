// pack, matmul, expert_matmul: activation formats, packed row orders, padding.
#include "StepTest.h"

using namespace gemmac;

namespace {
using Matrix = std::vector<std::vector<float>>;

/// Row i is {i + first, 1, -i - first}: times (1, 2, 3) that is 2 - 2 (i + first).
Matrix ramp(int rows, float first = 0) {
  Matrix m;
  for (int i = 0; i < rows; ++i)
    m.push_back({static_cast<float>(i) + first, 1, -static_cast<float>(i) - first});
  return m;
}

class StepProduct : public StepTest {
protected:
  /// %y = the product of %x (k columns) with @w, which `weight` declares; act as pack makes it.
  void loadProduct(const Matrix &input, const std::string &sources, const std::string &weight, int64_t n,
                   int64_t tile, const std::string &format, const std::string &act) {
    std::string x = "memref<4x" + std::to_string(input[0].size()) + "xf32>",
                y = "memref<4x" + std::to_string(n) + "xf32>",
                t = "memref<4x" + std::to_string(tile) + "xf32>";
    loadStep(input, sources, weight,
             "%a = step.buffer \"a\" : " + act + "\n%y = step.buffer \"y\" : " + y +
                 "\nstep.phase \"pack\" rows(all) cols(1) by_row do {\nstep.pack %a, %x as " + format +
                 " : " + act + ", " + x + "\n}\nstep.barrier\nstep.phase \"product\" rows(all) cols(" +
                 std::to_string(n / tile) + ") do {\n%0 = step.tile %y {offset = 0 : i64, stride = " +
                 std::to_string(tile) + " : i64, width = " + std::to_string(tile) + " : i64} : " + y +
                 " -> " + t + "\nstep.matmul %0, %a, @w as " + format + " : " + t + ", " + act + "\n}\n");
  }
  static std::string packed(const std::string &format, int64_t n, int64_t k, int64_t tile,
                            const std::string &sources, const std::string &more = "") {
    return "step.weight @w " + format + " {n = " + std::to_string(n) + " : i64, k = " + std::to_string(k) +
           " : i64, tile = " + std::to_string(tile) + " : i64, sources = [" + sources + "]" + more + "}\n";
  }
  std::vector<float> y(size_t begin, size_t count) {
    const std::vector<float> &all = buffers["y"].f32;
    EXPECT_GE(all.size(), begin + count);
    return all.size() < begin + count
               ? std::vector<float>()
               : std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                    all.begin() + static_cast<std::ptrdiff_t>(begin + count));
  }
};
} // namespace

TEST_F(StepProduct, PadsRowsWithZeros) {
  loadProduct({{1, 2, 3}, {1, 0, 0}}, literal("w", ramp(20)), packed("f32p16", 32, 3, 16, "@w"), 32, 16,
              "f32", "memref<4x64xf32>");
  ASSERT_EQ(run({0, 1}), "ok");
  expectNear(buffers["a"].f32[3], {0});
  EXPECT_EQ(y(0, 3), (std::vector<float>{2, 0, -2}));
  EXPECT_EQ(y(18, 4), (std::vector<float>{-34, -36, 0, 0}));
  EXPECT_EQ(y(32, 3), (std::vector<float>{0, 1, 2}));
}

TEST_F(StepProduct, SourcesOneBelowTheOther) {
  loadProduct({{1, 2, 3}}, literal("u", ramp(3)) + literal("v", ramp(16, 100)),
              packed("f32p16", 32, 3, 16, "@u, @v"), 32, 16, "f32", "memref<4x64xf32>");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(y(0, 5), (std::vector<float>{2, 0, -2, 0, 0}));
  EXPECT_EQ(y(16, 2), (std::vector<float>{-198, -200}));
}

TEST_F(StepProduct, Interleaved) { // tasks of 16 rows of u and 16 of v
  loadProduct({{1, 2, 3}}, literal("u", ramp(32)) + literal("v", ramp(20, 100)),
              packed("f32p16", 64, 3, 32, "@u, @v", ", interleave"), 64, 32, "f32", "memref<4x64xf32>");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(y(0, 2), (std::vector<float>{2, 0}));
  EXPECT_EQ(y(15, 2), (std::vector<float>{-28, -198}));
  EXPECT_EQ(y(32, 1), (std::vector<float>{-30}));
  EXPECT_EQ(y(48, 1), (std::vector<float>{-230}));
  EXPECT_EQ(y(52, 2), (std::vector<float>{0, 0})); // v has 20 rows
}

TEST_F(StepProduct, BF16Activations) { // 1 + 2^-8 becomes 1
  loadProduct({{1.00390625f, 2}}, literal("w", {{1, 10}}), packed("bf16p16", 16, 2, 16, "@w"), 16, 16, "bf16",
              "memref<4x64xf32>");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(y(0, 2), (std::vector<float>{21, 0}));
}

TEST_F(StepProduct, TilesRoundBoth) { // 32 rows in the layout of Layout.h; 1 + 2^-8 becomes 1 on either side
  const int64_t rows = 32, k = 40;
  Matrix input(rows, std::vector<float>(k, 0));
  for (int64_t r = 0; r < rows; ++r) {
    input[static_cast<size_t>(r)][0] = 1.00390625f;
    input[static_cast<size_t>(r)][39] = static_cast<float>(r);
  }
  Matrix w(1, std::vector<float>(k, 0));
  w[0][0] = 1.00390625f;
  w[0][39] = 2;
  step.reset();
  load(literal("in", input) + literal("w", w) +
       "step.program @p attributes {context = 32 : i64, chunk = 32 : i64, batch = 1 : i64} {\n" +
       stepTable("in", "rows_f32", 32, 40) + packed("bf16p16", 16, 40, 16, "@w") +
       "step.entry @e logits(none) attributes {rows = 32 : i64} {\n"
       "%x = step.buffer \"x\" : memref<32x40xf32>\n%a = step.buffer \"a\" : memref<32x128xi8>\n"
       "%y = step.buffer \"y\" : memref<32x16xf32>\n"
       "step.phase \"in\" rows(all) cols(1) by_row do {\nstep.embed %x, @in {scale = 1.0 : f64} : "
       "memref<32x40xf32>\nstep.pack %a, %x as bf16t : memref<32x128xi8>, memref<32x40xf32>\n}\n"
       "step.barrier\nstep.phase \"product\" rows(all) cols(1) do {\nstep.matmul %y, %a, @w as bf16t : "
       "memref<32x16xf32>, memref<32x128xi8>\n}\n}\n}\n");
  std::vector<int32_t> tokens;
  for (int32_t r = 0; r < rows; ++r)
    tokens.push_back(r);
  ASSERT_EQ(run(tokens), "ok");
  for (int64_t r : {0, 1, 17, 31})
    EXPECT_EQ(y(static_cast<size_t>(r * 16), 1), (std::vector<float>{1 + 2 * static_cast<float>(r)}));
}

TEST_F(StepProduct, BF16WeightsAreRounded) {
  loadProduct({{1, 2}}, literal("w", {{1.00390625f, 10}}), packed("bf16p16", 16, 2, 16, "@w"), 16, 16, "f32",
              "memref<4x64xf32>");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(y(0, 1), (std::vector<float>{21}));
}

TEST_F(StepProduct, Int8) {
  // activations: scale 1, integers 127 and -64, their sum 63; weights: 127 and -64 times f16(1 / 127)
  loadProduct({{127, -64}}, literal("w", {{1, -0.5f}}, "quant = 1 : i32, "), packed("q8p16", 16, 2, 16, "@w"),
              16, 16, "i8", "memref<4x128xi8>");
  ASSERT_EQ(run({0}), "ok");
  std::vector<int32_t> bytes = buffers["a"].i32;
  ASSERT_EQ(bytes.size(), 128u);
  EXPECT_EQ(std::vector<int32_t>(bytes.begin(), bytes.begin() + 3), (std::vector<int32_t>{127, -64, 0}));
  EXPECT_EQ(std::vector<int32_t>(bytes.begin() + 64, bytes.begin() + 68),
            (std::vector<int32_t>{0, 0, -128, 63}));
  EXPECT_EQ(std::vector<int32_t>(bytes.begin() + 72, bytes.begin() + 76),
            (std::vector<int32_t>{63, 0, 0, 0}));
  EXPECT_EQ(y(0, 1), (std::vector<float>{0.00787353515625f * (127 * 127 + 64 * 64)}));
}

TEST_F(StepProduct, Int8WithFourBitWeights) { // weights -8 and 4 times -1/8
  loadProduct({{127, -64}}, literal("w", {{1, -0.5f}}, "quant = 2 : i32, "), packed("q4p16", 16, 2, 16, "@w"),
              16, 16, "i8", "memref<4x128xi8>");
  ASSERT_EQ(run({0}), "ok");
  EXPECT_EQ(y(0, 1), (std::vector<float>{127 + 32}));
}

TEST_F(StepProduct, Int8RoundsActivations) { // scale 2 / 127: 0.7 is 44.45 of it
  loadProduct({{2, 0.7f}}, literal("w", {{0, 1}}, "quant = 1 : i32, "), packed("q8p16", 16, 2, 16, "@w"), 16,
              16, "i8", "memref<4x128xi8>");
  ASSERT_EQ(run({0}), "ok");
  expectNear(y(0, 1), {44 * 2.0f / 127 * 0.99993896484375f});
}

namespace {
/// Rows [x0, x1, p0, p1]: p chooses the order of two experts; expert e is e + 1 times the identity (2 rows of
/// 2).
class StepExperts : public StepTest {
protected:
  void loadExperts(const std::string &packAndIndices, const std::string &perSlot, const std::string &act) {
    loadStep({{1, 2, 0.25f, 0.75f}, {3, 4, 0.75f, 0.25f}},
             "gemma.weight @w {literal = dense<[[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]]> : "
             "tensor<2x2x2xf32>}"
             " : tensor<2x2x2xf32>\n",
             "step.weight @w f32p16 {n = 16 : i64, k = 2 : i64, tile = 16 : i64, experts = 2 : i64, sources "
             "= [@w]}\n",
             "%w = step.buffer \"w\" : memref<4x2xf32>\n%i = step.buffer \"i\" : memref<4x2xi32>\n"
             "%a = step.buffer \"a\" : " +
                 act +
                 "\n%y = step.buffer \"y\" : memref<4x32xf32>\n"
                 "step.phase \"choose\" rows(all) cols(1) by_row do {\n"
                 "%0 = step.tile %x {offset = 0 : i64, stride = 0 : i64, width = 2 : i64} : memref<4x4xf32> "
                 "-> memref<4x2xf32>\n"
                 "%1 = step.tile %x {offset = 2 : i64, stride = 0 : i64, width = 2 : i64} : memref<4x4xf32> "
                 "-> memref<4x2xf32>\n"
                 "step.top_k %w, %i, %1 {k = 2 : i64} : memref<4x2xf32>, memref<4x2xi32>, memref<4x2xf32>\n" +
                 packAndIndices +
                 "}\nstep.barrier\nstep.phase \"experts\" rows(all) cols(2) by_row do {\n"
                 "%0 = step.tile %y {offset = 0 : i64, stride = 16 : i64, width = 16 : i64} : "
                 "memref<4x32xf32> -> memref<4x16xf32>\n"
                 "step.expert_matmul %0, %a, %i, @w as f32 {slots = 2 : i64" +
                 perSlot + "} : memref<4x16xf32>, " + act + ", memref<4x2xi32>\n}\n");
  }
};
} // namespace

TEST_F(StepExperts, SharedInput) {
  loadExperts("step.pack %a, %0 as f32 : memref<4x64xf32>, memref<4x2xf32>\n", "", "memref<4x64xf32>");
  ASSERT_EQ(run({0, 1}), "ok");
  const std::vector<float> &y = buffers["y"].f32;
  ASSERT_EQ(y.size(), 64u);
  expectNear({y[0], y[1], y[2], y[16], y[17]}, {2, 4, 0, 1, 2}); // experts 1, 0
  expectNear({y[32], y[33], y[48], y[49]}, {3, 4, 6, 8});        // experts 0, 1
}

TEST_F(StepExperts, InputPerSlot) {
  loadExperts("step.pack %a, %x as f32 {groups = 2 : i64} : memref<4x128xf32>, memref<4x4xf32>\n",
              ", act_per_slot", "memref<4x128xf32>");
  ASSERT_EQ(run({0}), "ok");
  const std::vector<float> &y = buffers["y"].f32;
  ASSERT_EQ(y.size(), 32u);
  expectNear({y[0], y[1], y[16], y[17]}, {2, 4, 0.25f, 0.75f});
}
