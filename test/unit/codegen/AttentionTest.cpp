// Caches and attention: whole and in three phases, sliding windows over a ring, grouped heads, both element
// types.
#include "test/unit/codegen/AttentionProgram.h"

#include <cmath>
#include <limits>

namespace gemmac::test {

namespace {

void checkAttention(const std::string &target, Shape s, const std::string &type, bool whole) {
  std::string what = target + " " + type + (whole ? " whole" : " in phases") +
                     " dim=" + std::to_string(s.dim) + " window=" + std::to_string(s.window);
  const int64_t rows = 5;
  Attention a(s, type, rows, whole);
  a.program.fill(a.y); // makes the arena
  // What the cache has never been given must not matter.
  std::memset(a.program.data<char>(a.kHalf), 0xff, static_cast<size_t>(a.kHalf.columns + a.vHalf.columns));
  a.program.compile(target);
  History history;
  int64_t position = 0;
  while (position + rows <= s.context) {
    int64_t live = position % 3 == 0 ? rows : 2;
    std::vector<float> q = a.program.fill(a.q), k = a.program.fill(a.k), v = a.program.fill(a.v, 3);
    auto stored = [&](const std::vector<float> &x, int64_t row) {
      return held(x.data() + row * s.kvHeads * s.dim, s.kvHeads * s.dim, type);
    };
    for (int64_t r = 0; r < live; ++r) {
      history.k.push_back(stored(k, r));
      history.v.push_back(stored(v, r));
    }
    a.program.run(live, position % 2 ? 1 : 3, position);
    for (int64_t r = 0; r < live; ++r)
      expectClose(a.program.f32(a.y) + r * s.heads * s.dim,
                  history.attend(s, q.data() + r * s.heads * s.dim, position + r), 5e-6,
                  what + " position " + std::to_string(position + r));
    position += live;
  }
  EXPECT_GT(position, s.slots / 2) << what;
}

class AttentionOps : public testing::TestWithParam<std::tuple<std::string, bool>> {};

TEST_P(AttentionOps, Full) {
  auto [target, whole] = GetParam();
  checkAttention(target, {4, 2, 32, 0, 64, 60}, "f32", whole);
  checkAttention(target, {3, 1, 24, 0, 48, 40}, "bf16", whole);
  checkAttention(target, {4, 2, 64, 0, 64, 60}, "q8", whole);
}
TEST_P(AttentionOps, SlidingWindowOnARing) {
  auto [target, whole] = GetParam();
  checkAttention(target, {2, 1, 16, 20, 32, 100}, "bf16", whole); // window - 1 + 5 rows = 24 <= 32 slots
  checkAttention(target, {4, 4, 80, 17, 32, 90}, "f32", whole);
  checkAttention(target, {8, 1, 256, 8, 16, 64}, "bf16", whole);
  checkAttention(target, {6, 2, 96, 20, 32, 100}, "q8", whole);
}

std::string attentionName(const testing::TestParamInfo<std::tuple<std::string, bool>> &info) {
  return testName(std::get<0>(info.param) + (std::get<1>(info.param) ? "_whole" : "_phases"));
}
INSTANTIATE_TEST_SUITE_P(Targets, AttentionOps,
                         testing::Combine(testing::ValuesIn(runnableTargets()), testing::Bool()),
                         attentionName);

/// A key or value that is not finite stays so in 8 bits.
TEST(CacheWrite, Q8KeepsWhatIsNotFinite) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (int64_t at : {3, 20, 63})
      for (bool isKey : {true, false}) {
        TestProgram p(Options{16, 2});
        p.cache("kv", 1, 64, 0, 16, "q8");
        Buffer q = p.buffer("q", 2, 64), x = p.buffer("x", 2, 64), k = p.buffer("k", 2, 64),
               y = p.buffer("y", 2, 64);
        p.phase("\"write\" rows(all) cols(1) do {\n  step.cache_write @kv k, " + (isKey ? x : k).use() +
                "\n  step.cache_write @kv v, " + (isKey ? k : x).use() + "\n}");
        p.phase("\"attention\" rows(all) cols(1) by_row do {\n  step.attention " +
                operands({y, q}, "heads = 1, window = 0, scale = 1.0", ", @kv") + "\n}");
        p.fill(q);
        p.fill(k);
        p.fill(x);
        p.f32(x)[64 + at] = bad; // of position 1: position 0 does not see it
        p.compile(runnableTargets().back());
        p.run(2, 1);
        bool first = true, second = true;
        for (int64_t d = 0; d < 64; ++d) {
          first &= std::isfinite(p.f32(y)[d]);
          second &= std::isfinite(p.f32(y)[64 + d]);
        }
        EXPECT_TRUE(first);
        EXPECT_FALSE(second) << bad << " at " << at << (isKey ? " of a key" : " of a value");
      }
}

/// Heads written by column tasks, as after a fused q/k/v product.
TEST(CacheWrite, ColumnTasksOwnHeads) {
  TestProgram p(Options{16, 2});
  auto [k, v] = p.cache("kv", 4, 16, 0, 16, "f32");
  Buffer x = p.buffer("x", 2, 64);
  Buffer t = p.tile("t", x, 0, 32, 32);
  p.phase("\"write\" rows(all) cols(2) do {\n  " + t.name +
          "\n  step.cache_write @kv k, %t {head_stride = 2} : " + t.type +
          "\n  step.cache_write @kv v, %t {head_stride = 2} : " + t.type + "\n}");
  std::vector<float> values = p.fill(x);
  p.compile(runnableTargets().back());
  p.run(2, 2, 7);
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t h = 0; h < 4; ++h)
      for (int64_t d = 0; d < 16; ++d) {
        float expected = values[static_cast<size_t>(r * 64 + h * 16 + d)];
        EXPECT_EQ(p.f32(k)[(h * 16 + d) * 16 + 7 + r], expected);
        EXPECT_EQ(p.f32(v)[(h * 16 + 7 + r) * 16 + d], expected);
      }
}

} // namespace
} // namespace gemmac::test
