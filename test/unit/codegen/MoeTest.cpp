// Mixture of experts: top_k with ties, expert_matmul on shared and on per-slot activations, combine.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include "dialect/gemma/Quantize.h"

#include <cmath>

namespace gemmac::test {

namespace {

class Moe : public testing::TestWithParam<std::string> {};

TEST_P(Moe, TopK) {
  const int64_t experts = 20, k = 4;
  TestProgram p(Options{64, 2});
  Buffer x = p.buffer("x", 2, experts), w = p.buffer("weights", 2, k), idx = p.buffer("idx", 2, k, "i32");
  std::vector<float> scale;
  for (int64_t i = 0; i < experts; ++i)
    scale.push_back(1 + 0.5f * static_cast<float>(i));
  p.vec("scale", scale);
  p.phase("\"top\" rows(all) cols(1) by_row do {\n  step.top_k " +
          operands({w, idx, x}, "k = 4", ", @scale") + "\n}");
  p.fill(x);
  float *row = p.f32(x);
  for (int64_t i = 0; i < experts; ++i)
    row[i] = 0.01f, row[experts + i] = static_cast<float>(i % 7) / 8;
  row[9] = 0.5f, row[3] = 0.25f, row[12] = 0.25f;
  p.compile(GetParam());
  p.run(2, 1);
  const int32_t expected[2][4] = {{9, 3, 12, 0}, {6, 13, 5, 12}}; // ties go to the lower index
  for (int64_t r = 0; r < 2; ++r) {
    double sum = 0;
    for (int64_t s = 0; s < k; ++s)
      sum += row[r * experts + expected[r][s]];
    for (int64_t s = 0; s < k; ++s) {
      EXPECT_EQ(p.data<int32_t>(idx)[r * k + s], expected[r][s]) << r << " " << s;
      double weight = row[r * experts + expected[r][s]] / sum * scale[static_cast<size_t>(expected[r][s])];
      EXPECT_NEAR(p.f32(w)[r * k + s], weight, 1e-6 * weight) << r << " " << s;
    }
  }
}

/// Values that are not numbers choose expert 0: the index is always valid.
TEST_P(Moe, TopKOfNansIsInRange) {
  TestProgram p(Options{64, 1});
  Buffer x = p.buffer("x", 1, 16), w = p.buffer("weights", 1, 2), idx = p.buffer("idx", 1, 2, "i32");
  p.phase("\"top\" rows(all) cols(1) by_row do {\n  step.top_k " + operands({w, idx, x}, "k = 2") + "\n}");
  p.fill(x);
  std::fill(p.f32(x), p.f32(x) + 16, NAN);
  p.compile(GetParam());
  p.run(1, 1);
  EXPECT_EQ(p.data<int32_t>(idx)[0], 0);
  EXPECT_EQ(p.data<int32_t>(idx)[1], 0);
}

double rounded(double x) { return bf16ToF32(f32ToBF16(static_cast<float>(x))); }

struct Routing {
  int64_t rows, live;
  bool skewed; ///< most rows choose expert 3
  std::vector<int32_t> choose(int64_t experts, int64_t slots) const {
    std::vector<int32_t> chosen;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t s = 0; s < slots; ++s)
        chosen.push_back(static_cast<int32_t>(skewed && s == 0 ? 3 : (r * 7 + s * 3 + r / 5) % experts));
    return chosen;
  }
};

/// y[row, slot] = 2 * (expert of the slot) x: what follows the product runs on the task's own columns. `as`:
/// how the product reads x, "bf16t" with rounded weights.
struct ExpertShape {
  int64_t k = 80, tile = 16;
};

void checkExperts(const std::string &target, const std::string &format, const std::string &as, bool perSlot,
                  Routing routing, ExpertShape shape = {}) {
  const bool tiles = as == "bf16t";
  const std::string act = tiles ? "bf16" : as;
  const int64_t experts = 5, slots = 2, n = 48, k = shape.k, tile = shape.tile, rows = routing.rows;
  PackedWeight w = randomWeight(format, n, k, 3, experts);
  TestProgram p(Options{64, rows});
  int64_t vectors = perSlot ? slots : 1;
  bool bytes = act == "i8";
  Buffer x = p.buffer("x", rows, k * vectors), idx = p.buffer("idx", rows, slots, "i32"),
         y = p.buffer("y", rows, slots * n), own = p.buffer("own", 1, tile, "f32", true);
  Buffer packed = p.buffer("packed", rows, vectors * activationColumns(k, act), bytes ? "i8" : "f32");
  p.weight("w", w.fields(tile), w.bytes);
  p.phase("\"pack\" rows(all) cols(1) by_row do {\n  step.pack " +
          operands({packed, x}, perSlot ? "groups = 2" : "", " as " + act) + "\n}");
  Buffer t = p.tile("t", y, 0, tile, tile);
  p.phase("\"experts\" rows(all) cols(" + std::to_string(slots * n / tile) + ") by_row do {\n  " + t.name +
          "\n  step.expert_matmul " +
          operands({own, packed, idx}, std::string("slots = 2") + (perSlot ? ", act_per_slot" : ""),
                   ", @w as " + as) +
          "\n  step.scale " + operands({t, own}, "factor = 2.0") + "\n}");
  std::vector<float> values = p.fill(x);
  const std::vector<int32_t> chosen = routing.choose(experts, slots);
  std::memcpy(p.data<int32_t>(idx), chosen.data(), chosen.size() * 4);
  p.compile(target);
  p.run(routing.live, 2);
  for (int64_t r = 0; r < routing.live; ++r)
    for (int64_t s = 0; s < slots; ++s) {
      auto begin = values.begin() + (r * vectors + (perSlot ? s : 0)) * k;
      std::vector<double> a = activationValues(std::vector<float>(begin, begin + k), act);
      const int32_t expert = chosen[static_cast<size_t>(r * slots + s)];
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < k; ++j) {
          const double term =
              a[static_cast<size_t>(j)] * (tiles ? rounded(w.at(expert, i, j)) : w.at(expert, i, j));
          sum += term;
          size += std::fabs(term);
        }
        ASSERT_NEAR(p.f32(y)[(r * slots + s) * n + i], 2 * sum, (bytes ? 5e-5 : 2e-6) * size + 1e-6)
            << format << " row " << r << " slot " << s << " " << i;
      }
    }
}

TEST_P(Moe, ExpertMatmul) {
  for (bool perSlot : {false, true})
    for (Routing routing : {Routing{1, 1, false}, Routing{3, 3, false}, Routing{32, 17, false}}) {
      checkExperts(GetParam(), "q4p16", "i8", perSlot, routing);
      checkExperts(GetParam(), "bf16p16", "bf16", perSlot, routing);
    }
}

/// A single task for each row: the product goes straight to a shared buffer that is its own.
TEST_P(Moe, OneTaskForARow) {
  const int64_t experts = 3, n = 32, k = 64, rows = 40;
  PackedWeight w = randomWeight("q8p16", n, k, 5, experts);
  TestProgram p(Options{64, rows});
  Buffer x = p.buffer("x", rows, k), idx = p.buffer("idx", rows, 1, "i32"), y = p.buffer("y", rows, n);
  p.weight("w", w.fields(n), w.bytes);
  p.phase("\"experts\" rows(all) cols(1) by_row do {\n  step.expert_matmul " +
          operands({y, x, idx}, "slots = 1", ", @w as f32") + "\n}");
  std::vector<float> values = p.fill(x);
  for (int64_t r = 0; r < rows; ++r)
    p.data<int32_t>(idx)[r] = static_cast<int32_t>(r * r % experts);
  p.compile(GetParam());
  p.run(rows, 2);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j)
        sum += values[static_cast<size_t>(r * k + j)] * w.at(r * r % experts, i, j);
      ASSERT_NEAR(p.f32(y)[r * n + i], sum, 1e-3) << "row " << r << " column " << i;
    }
}

/// Every worker chooses for itself; what further phases read is what one of them publishes.
TEST_P(Moe, ChosenInThePrologue) {
  const int64_t experts = 5, slots = 2, n = 32, k = 64, tile = 16;
  PackedWeight w = randomWeight("q8p16", n, k, 5, experts);
  TestProgram p(Options{64, 1});
  Buffer x = p.buffer("x", 1, k), router = p.buffer("router", 1, experts);
  Buffer own = p.buffer("own", 1, slots, "i32", true), parts = p.buffer("parts", 1, slots, "f32", true);
  Buffer idx = p.buffer("idx", 1, slots, "i32"), weights = p.buffer("weights", 1, slots);
  Buffer first = p.buffer("first", 1, slots * n), second = p.buffer("second", 1, slots * n);
  p.weight("w", w.fields(tile), w.bytes);
  Buffer t = p.tile("t", first, 0, tile, tile), u = p.tile("u", second, 0, tile, tile);
  const std::string grid = " rows(all) cols(" + std::to_string(slots * n / tile) + ") by_row ";
  p.phase("\"first\"" + grid + "prologue {\n  step.top_k " + operands({parts, own, router}, "k = 2") +
          "\n  step.publish " + operands({weights, parts}) + "\n  step.publish " + operands({idx, own}) +
          "\n} do {\n  " + t.name + "\n  step.expert_matmul " +
          operands({t, x, own}, "slots = 2", ", @w as f32") + "\n}");
  p.phase("\"second\"" + grid + "do {\n  " + u.name + "\n  step.expert_matmul " +
          operands({u, x, idx}, "slots = 2", ", @w as f32") + "\n}");
  std::vector<float> values = p.fill(x);
  const float scores[] = {0.1f, 0.3f, 0.05f, 0.15f, 0.4f};
  const int64_t chosen[] = {4, 1};
  p.fill(router);
  std::copy_n(scores, experts, p.f32(router));
  p.compile(GetParam());
  for (int workers : {1, 2, 5}) {
    p.run(1, workers);
    for (int64_t s = 0; s < slots; ++s) {
      EXPECT_EQ(p.data<int32_t>(idx)[s], chosen[s]) << workers << " workers";
      EXPECT_NEAR(p.f32(weights)[s], scores[chosen[s]] / 0.7f, 1e-6) << workers << " workers";
      for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < k; ++j)
          sum += values[static_cast<size_t>(j)] * w.at(chosen[s], i, j);
        ASSERT_NEAR(p.f32(first)[s * n + i], sum, 1e-3) << workers << " workers, slot " << s << " " << i;
        ASSERT_EQ(p.f32(second)[s * n + i], p.f32(first)[s * n + i]) << "slot " << s << " " << i;
      }
    }
  }
}

/// More rows for one expert than are multiplied at once.
TEST_P(Moe, ManyRowsOfOneExpert) { checkExperts(GetParam(), "q4p16", "i8", true, {300, 290, true}); }

TEST(MoeTiles, ExpertMatmul) {
  if (!haveTiles())
    GTEST_SKIP() << "this machine has no AMX tiles";
  for (bool perSlot : {false, true})
    for (Routing routing : {Routing{32, 1, false}, Routing{64, 60, false}, Routing{320, 300, true}})
      for (const char *format : {"q4p16", "q6kp16", "bf16p16"})
        checkExperts(kTilesTarget, format, "bf16t", perSlot, routing);
  // Whole blocks of 256 k for more than 64 rows of an expert, a rest of k, and an odd panel.
  checkExperts(kTilesTarget, "q4p16", "bf16t", true, {320, 300, true}, {600, 48});
}

TEST_P(Moe, Combine) {
  const int64_t slots = 3, columns = 40;
  TestProgram p(Options{64, 2});
  Buffer x = p.buffer("x", 2, slots * columns), w = p.buffer("weights", 2, slots),
         y = p.buffer("y", 2, columns);
  p.phase("\"combine\" rows(all) cols(1) by_row do {\n  step.combine " + operands({y, x, w}) + "\n}");
  std::vector<float> values = p.fill(x), weights = p.fill(w);
  p.compile(GetParam());
  p.run(2, 1);
  std::vector<double> expected;
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t i = 0; i < columns; ++i) {
      double sum = 0;
      for (int64_t s = 0; s < slots; ++s)
        sum += double(weights[static_cast<size_t>(r * slots + s)]) *
               values[static_cast<size_t>((r * slots + s) * columns + i)];
      expected.push_back(sum);
    }
  expectClose(p.f32(y), expected, 3e-7, "combine");
}

INSTANTIATE_TEST_SUITE_P(Targets, Moe, testing::ValuesIn(runnableTargets()), targetName);

} // namespace
} // namespace gemmac::test
