// The schedule itself: claiming, rows, cases, prologues, publishing, sharing of functions.
#include "test/unit/codegen/TestProgram.h"

#include <cmath>

namespace gemmac::test {

namespace {

const char *target() {
  static const std::string best = runnableTargets().back();
  return best.c_str();
}

TEST(Phase, CasesCountFromTheirBeginning) {
  TestProgram p(Options{64, 2});
  Buffer x = p.buffer("x", 2, 96), y = p.buffer("y", 2, 96);
  Buffer a = p.tile("a", x, 0, 16, 16), b = p.tile("b", y, 0, 16, 16), c = p.tile("c", x, 64, 16, 16),
         d = p.tile("d", y, 64, 16, 16);
  p.phase("\"cases\" rows(all) cols(6) do {\n step.case 0 to 4 {\n  " + a.name + "\n  " + b.name +
          "\n  step.scale " + operands({b, a}, "factor = 2.0") + "\n }\n step.case 4 to 6 {\n  " + c.name +
          "\n  " + d.name + "\n  step.scale " + operands({d, c}, "factor = -1.0") + "\n }\n}");
  std::vector<float> values = p.fill(x);
  p.compile(target());
  for (int workers : {1, 3, 7}) {
    p.fill(y);
    p.run(2, workers);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(p.f32(y)[i], values[i] * (i % 96 < 64 ? 2 : -1)) << workers << " workers, element " << i;
  }
}

/// A private result of the prologue reaches every task; published, it reaches the next phase exactly once.
TEST(Phase, PrologueAndPublish) {
  TestProgram p(Options{64, 3});
  Buffer x = p.buffer("x", 3, 48), y = p.buffer("y", 3, 48), z = p.buffer("z", 3, 48);
  Buffer h = p.buffer("h", 3, 48, "f32", /*isPrivate=*/true);
  Buffer s = p.tile("s", h, 0, 16, 16), t = p.tile("t", y, 0, 16, 16);
  p.phase("\"first\" rows(all) cols(3) prologue {\n  step.scale " + operands({h, x}, "factor = 3.0") +
          "\n  step.publish " + operands({z, h}) + "\n} do {\n  " + s.name + "\n  " + t.name +
          "\n  step.copy " + operands({t, s}) + "\n}");
  p.phase("\"second\" rows(all) cols(1) by_row do {\n  step.add " + operands({y, y, z}) + "\n}");
  std::vector<float> values = p.fill(x);
  p.compile(target());
  for (int workers : {1, 2, 5}) {
    p.run(3, workers);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(p.f32(y)[i], values[i] * 3 + values[i] * 3) << workers << " workers, element " << i;
  }
}

TEST(Phase, LastRowsAndTakeRow) {
  TestProgram p(Options{64, 8});
  Buffer x = p.buffer("x", 8, 24), y = p.buffer("y", 1, 24), t = p.buffer("t", 1, 16);
  p.phase("\"last\" rows(last) cols(1) do {\n  step.take_row " + operands({y, x}) + "\n  step.rope_table " +
          t.name + " {head_dim = 16, angles = 8, theta = 10000.0, factor = 1.0} : " + t.type + "\n}");
  std::vector<float> values = p.fill(x);
  p.compile(target());
  for (int64_t rows : {1, 5, 8}) {
    p.run(rows, 1, 100);
    for (int64_t i = 0; i < 24; ++i)
      EXPECT_EQ(p.f32(y)[i], values[static_cast<size_t>((rows - 1) * 24 + i)]);
    EXPECT_NEAR(p.f32(t)[0], std::cos(100.0 + static_cast<double>(rows) - 1),
                3e-7); // angle 0 is the position itself
  }
}

/// Only live rows are touched.
TEST(Phase, LiveRows) {
  for (const char *kind : {"", " by_row"}) {
    TestProgram p(Options{64, 6});
    Buffer x = p.buffer("x", 6, 20), y = p.buffer("y", 6, 20),
           own = p.buffer("own", *kind ? 1 : 6, 20, "f32", true);
    p.phase("\"copy\" rows(all) cols(1)" + std::string(kind) + " do {\n  step.copy " + operands({own, x}) +
            "\n  step.copy " + operands({y, own}) + "\n}");
    std::vector<float> values = p.fill(x), old = p.fill(y);
    p.compile(target());
    p.run(4, 2);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(p.f32(y)[i], i < 80 ? values[i] : old[i]) << kind << " " << i;
  }
}

/// Optimisation levels agree: nothing depends on undefined behaviour.
TEST(Phase, LevelsAgree) {
  std::vector<float> first;
  for (unsigned level : {0u, 1u, 2u, 3u}) {
    TestProgram p(Options{64, 2});
    Buffer x = p.buffer("x", 2, 72), y = p.buffer("y", 2, 72);
    p.phase("\"op\" rows(all) cols(1) do {\n  step.norm " + operands({y, x}, "group = 24, eps = 1.0e-6") +
            "\n  step.gelu " + operands({y, y}) + "\n  step.softmax " + operands({y, y}) + "\n}");
    p.fill(x, 4);
    p.compile(target(), level);
    p.run(2, 1);
    std::vector<float> result(p.f32(y), p.f32(y) + 144);
    if (first.empty())
      first = result;
    EXPECT_EQ(0, std::memcmp(first.data(), result.data(), result.size() * 4)) << "-O" << level;
  }
}

} // namespace
} // namespace gemmac::test
