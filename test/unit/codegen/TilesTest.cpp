// bf16t: products and attention of many rows on AMX tiles, on machines that have them. Entries of different
// rows in one program, because where an activation lies depends on how many there are.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include "dialect/gemma/Quantize.h"

#include <cmath>
#include <limits>

namespace gemmac::test {

namespace {

double rounded(double x) { return bf16ToF32(f32ToBF16(static_cast<float>(x))); }

struct Shape {
  int64_t n, k, tile;
};

/// A phase that packs `x`, and one of the product alone.
struct TileProduct {
  TileProduct(const PackedWeight &w, int64_t rows, int64_t tile) : program(Options{64, rows}) {
    x = program.buffer("x", rows, w.k);
    y = program.buffer("y", rows, w.n);
    Buffer packed = program.buffer("packed", rows, (w.k + 63) / 64 * 128, "i8");
    guard = program.buffer("guard", 64, w.k); // as long as packed could ever be
    program.weight("w", w.fields(tile), w.bytes);
    program.phase("\"pack\" rows(all) cols(1) by_row do {\n  step.pack " +
                  operands({packed, x}, "", " as bf16t") + "\n}");
    Buffer t = program.tile("t", y, 0, tile, tile);
    program.phase("\"product\" rows(all) cols(" + std::to_string(w.n / tile) + ") do {\n  " + t.name +
                  "\n  step.matmul " + operands({t, packed}, "", ", @w as bf16t") + "\n}");
  }
  TestProgram program;
  Buffer x, y, guard;
};

void checkProduct(const std::string &format, Shape shape, int64_t rows) {
  const std::string what = format + " n=" + std::to_string(shape.n) + " k=" + std::to_string(shape.k) +
                           " rows=" + std::to_string(rows);
  PackedWeight w = randomWeight(format, shape.n, shape.k, 7);
  TileProduct p(w, rows, shape.tile);
  std::vector<float> x = p.program.fill(p.x, 2);
  p.program.compile(kTilesTarget);
  for (int64_t live : {rows, rows - 31, int64_t(1)}) {
    p.program.run(live, live == rows ? 3 : 1);
    for (int64_t r = 0; r < live; r += 5)
      for (int64_t i = 0; i < shape.n; ++i) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < shape.k; ++j) {
          double term = rounded(w.at(0, i, j)) * rounded(x[static_cast<size_t>(r * shape.k + j)]);
          sum += term;
          size += std::fabs(term);
        }
        ASSERT_NEAR(p.program.f32(p.y)[r * shape.n + i], sum, size * 2e-6 + 1e-6)
            << what << " live " << live << " row " << r << " column " << i;
      }
  }
}

class Tiles : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    if (!haveTiles())
      GTEST_SKIP() << "this machine has no AMX tiles";
  }
};

TEST_P(Tiles, ProductsMatchTheReference) {
  checkProduct(GetParam(), {64, 128, 32}, 32);
  checkProduct(GetParam(), {48, 320, 16}, 64);  // one panel at a time; a block of 256 k and one of 64
  checkProduct(GetParam(), {48, 600, 48}, 64);  // a pair and a single panel; k padded
  checkProduct(GetParam(), {1536, 64, 32}, 32); // several tasks at once
}
/// More activations than the second cache holds: how many tasks a worker takes at a time depends on how many
/// workers there are, and no bit of the result does.
TEST_P(Tiles, AnyNumberOfWorkersGivesTheSameBits) {
  for (Shape shape : {Shape{1440, 2112, 16}, Shape{1440, 2112, 48}}) {
    PackedWeight w = randomWeight(GetParam(), shape.n, shape.k, 3);
    TileProduct p(w, 256, shape.tile);
    p.program.fill(p.x, 2);
    p.program.compile(kTilesTarget);
    p.program.run(256, 1);
    const std::vector<float> one(p.program.f32(p.y), p.program.f32(p.y) + 256 * shape.n);
    for (int workers : {3, 7}) {
      p.program.run(256, workers);
      ASSERT_EQ(std::memcmp(p.program.f32(p.y), one.data(), one.size() * sizeof(float)), 0)
          << GetParam() << " tile " << shape.tile << " workers " << workers;
    }
    for (int64_t r : {0, 255})
      for (int64_t i = 0; i < shape.n; i += 37) {
        double sum = 0, size = 0;
        for (int64_t j = 0; j < shape.k; ++j) {
          double term = rounded(w.at(0, i, j)) * rounded(p.program.f32(p.x)[r * shape.k + j]);
          sum += term;
          size += std::fabs(term);
        }
        ASSERT_NEAR(one[static_cast<size_t>(r * shape.n + i)], sum, size * 2e-6 + 1e-6) << r << " " << i;
      }
  }
}
INSTANTIATE_TEST_SUITE_P(Formats, Tiles,
                         testing::Values("bf16p16", "f16p16", "q8p16", "q4p16", "q5p16", "q4mp16", "q5mp16",
                                         "q4kp16", "q5kp16", "q6kp16"));

struct AttentionShape {
  int64_t heads, kvHeads, dim, window, slots, context;
};

/// Chunks of a prompt, each written and then attended to; a product makes it a program with tiles.
void checkAttention(AttentionShape s, const std::string &type, std::vector<int64_t> chunks) {
  const int64_t rows = 64;
  TestProgram p(Options{s.context, rows});
  auto [kHalf, vHalf] = p.cache("kv", s.kvHeads, s.dim, s.window, s.slots, type);
  Buffer q = p.buffer("q", rows, s.heads * s.dim), y = p.buffer("y", rows, s.heads * s.dim);
  Buffer k = p.buffer("k", rows, s.kvHeads * s.dim), v = p.buffer("v", rows, s.kvHeads * s.dim);
  PackedWeight w = randomWeight("bf16p16", 16, 64, 1);
  p.weight("w", w.fields(16), w.bytes);
  Buffer packed = p.buffer("packed", rows, 128, "i8"), out = p.buffer("out", rows, 16);
  p.phase("\"write\" rows(all) cols(1) by_row do {\n  step.cache_write @kv k, " + k.use() +
          "\n  step.cache_write @kv v, " + v.use() + "\n}");
  p.phase("\"attention\" rows(all) cols(" + std::to_string(s.heads) + ") by_row do {\n  step.attention " +
          operands({y, q},
                   "heads = " + std::to_string(s.heads) + ", window = " + std::to_string(s.window) +
                       ", scale = 0.25",
                   ", @kv") +
          "\n}");
  p.phase("\"product\" rows(all) cols(1) do {\n  step.matmul " +
          operands({out, packed}, "", ", @w as bf16t") + "\n}");
  p.fill(y);
  // What q8 has never been given must not matter, scales that are no numbers among it. (bf16 starts as
  // zeros.)
  if (type == "q8")
    std::memset(p.data<char>(kHalf), 0xff, static_cast<size_t>(kHalf.columns + vHalf.columns));
  p.compile(kTilesTarget);
  std::vector<std::vector<double>> allK, allV;
  for (int64_t live : chunks) {
    const int64_t first = static_cast<int64_t>(allK.size());
    std::vector<float> qs = p.fill(q), ks = p.fill(k), vs = p.fill(v, 3);
    for (int64_t r = 0; r < live; ++r)
      for (auto [from, to] : {std::pair(&ks, &allK), std::pair(&vs, &allV)}) {
        to->push_back(held(from->data() + r * s.kvHeads * s.dim, s.kvHeads * s.dim, type));
        for (double &x : to->back()) // q8 becomes bf16 on the way to the matrix unit
          x = rounded(x);
      }
    p.run(live, first % 2 ? 1 : 3, first);
    for (int64_t r = 0; r < live; ++r)
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t position = first + r, base = h / (s.heads / s.kvHeads) * s.dim;
        const int64_t oldest = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
        std::vector<double> weights;
        double top = -1e300, total = 0;
        for (int64_t j = oldest; j <= position; ++j) {
          double sum = 0;
          for (int64_t d = 0; d < s.dim; ++d)
            sum += rounded(qs[static_cast<size_t>((r * s.heads + h) * s.dim + d)]) *
                   allK[static_cast<size_t>(j)][static_cast<size_t>(base + d)];
          weights.push_back(0.25 * sum);
          top = std::max(top, weights.back());
        }
        for (double &x : weights)
          total += x = std::exp(x - top);
        for (int64_t d = 0; d < s.dim; ++d) {
          double sum = 0;
          for (size_t j = 0; j < weights.size(); ++j)
            sum += weights[j] * allV[static_cast<size_t>(oldest) + j][static_cast<size_t>(base + d)];
          // Weights are rounded to bf16: 2^-9 of the largest value, 3.
          ASSERT_NEAR(p.f32(y)[(r * s.heads + h) * s.dim + d], sum / total, 8e-3)
              << type << " position " << position << " head " << h << " column " << d;
        }
      }
  }
}

TEST(TileAttention, SeesWhatItMay) {
  if (!haveTiles())
    GTEST_SKIP() << "this machine has no AMX tiles";
  for (const char *type : {"bf16", "q8"}) {
    checkAttention({4, 2, 64, 0, 224, 200}, type, {64, 1, 33, 64, 7});
    checkAttention({2, 1, 32, 48, 128, 400}, type,
                   {64, 64, 5, 64, 63, 64});                // a ring: 47 + 64 rows <= 128 slots
    checkAttention({3, 1, 32, 1, 64, 130}, type, {64, 64}); // each row sees itself
    checkAttention({2, 1, 256, 0, 128, 100}, type, {64, 36});
  }
}

/// A key or value that is not finite spoils the rows that see it, and no others.
TEST(TileAttention, Q8KeepsWhatIsNotFinite) {
  if (!haveTiles())
    GTEST_SKIP() << "this machine has no AMX tiles";
  const int64_t rows = 32, dim = 64, bad = 11;
  for (bool isKey : {true, false}) {
    TestProgram p(Options{64, rows});
    p.cache("kv", 1, dim, 0, 64, "q8");
    Buffer q = p.buffer("q", rows, dim), y = p.buffer("y", rows, dim);
    Buffer k = p.buffer("k", rows, dim), v = p.buffer("v", rows, dim);
    PackedWeight w = randomWeight("bf16p16", 16, 64, 1);
    p.weight("w", w.fields(16), w.bytes);
    Buffer packed = p.buffer("packed", rows, 128, "i8"), out = p.buffer("out", rows, 16);
    p.phase("\"write\" rows(all) cols(1) by_row do {\n  step.cache_write @kv k, " + k.use() +
            "\n  step.cache_write @kv v, " + v.use() + "\n}");
    p.phase("\"attention\" rows(all) cols(1) by_row do {\n  step.attention " +
            operands({y, q}, "heads = 1, window = 0, scale = 1.0", ", @kv") + "\n}");
    p.phase("\"product\" rows(all) cols(1) do {\n  step.matmul " +
            operands({out, packed}, "", ", @w as bf16t") + "\n}");
    for (const Buffer &each : {q, k, v})
      p.fill(each);
    p.f32(isKey ? k : v)[bad * dim + 40] = std::numeric_limits<float>::infinity();
    p.compile(kTilesTarget);
    p.run(rows, 1);
    for (int64_t r = 0; r < rows; ++r) {
      bool finite = true;
      for (int64_t d = 0; d < dim; ++d)
        finite &= std::isfinite(p.f32(y)[r * dim + d]);
      EXPECT_EQ(finite, r < bad) << (isKey ? "key" : "value") << ", row " << r;
    }
  }
}

TEST(TileFunctions, EntriesOfOtherRowsHaveFunctionsOfTheirOwn) {
  if (!haveTiles())
    GTEST_SKIP() << "this machine has no AMX tiles";
  PackedWeight w = randomWeight("q4p16", 32, 320, 3);
  TileProduct p(w, 32, 32);
  // A second entry of 64 rows, first in the program: its phases are the same but for the rows.
  std::string text = p.program.text(), entry = text.substr(text.find("  step.entry"));
  entry = entry.substr(0, entry.rfind('}'));
  for (size_t at = 0; (at = entry.find("memref<32x", at)) != std::string::npos;)
    entry.replace(at, 10, "memref<64x");
  entry.replace(entry.find("rows = 32"), 9, "rows = 64");
  entry.replace(entry.find("@test"), 5, "@other");
  std::vector<float> x = p.program.fill(p.x, 2), guard = p.program.fill(p.guard);
  p.program.precede(entry);
  p.program.compile(kTilesTarget);
  p.program.run(32, 1);
  EXPECT_EQ(0, std::memcmp(guard.data(), p.program.f32(p.guard), guard.size() * 4))
      << "activations were packed as for 64 rows";
  for (int64_t r = 0; r < 32; ++r)
    for (int64_t i = 0; i < 32; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < 320; ++j)
        sum += rounded(w.at(0, i, j)) * rounded(x[static_cast<size_t>(r * 320 + j)]);
      ASSERT_NEAR(p.program.f32(p.y)[r * 32 + i], sum, 1e-3) << "row " << r << " column " << i;
    }
}

} // namespace
} // namespace gemmac::test
