// Tile ops that work row by row, against double precision: elementwise, norm, softmax, rope, embed.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include "dialect/gemma/Quantize.h"

#include <cmath>
#include <functional>

namespace gemmac::test {

namespace {

constexpr double kUlp = 1.2e-7;

class RowOps : public testing::TestWithParam<std::string> {
protected:
  /// Runs one op on rows x columns values in [-scale, scale] and compares each row with `expected(row of
  /// src)`.
  void check(const std::string &op, const std::string &attributes, int64_t columns, float scale, double bound,
             const std::function<std::vector<double>(const float *)> &expected,
             const std::string &symbols = "", const std::function<void(TestProgram &)> &prepare = {}) {
    for (int64_t rows : {1, 5}) {
      TestProgram p(Options{64, rows});
      Buffer x = p.buffer("x", rows, columns), y = p.buffer("y", rows, columns);
      if (prepare)
        prepare(p);
      p.phase("\"op\" rows(all) cols(1) do {\n  step." + op + " " + operands({y, x}, attributes, symbols) +
              "\n}");
      std::vector<float> values = p.fill(x, scale);
      p.compile(GetParam());
      p.run(rows, 1);
      for (int64_t r = 0; r < rows; ++r)
        expectClose(p.f32(y) + r * columns, expected(values.data() + r * columns), bound,
                    op + " row " + std::to_string(r));
    }
  }
  /// The same for a function of single elements.
  void checkMap(const std::string &op, const std::string &attributes, float scale, double bound,
                double (*f)(double)) {
    for (int64_t columns : {16, 40, 256, 1000})
      check(op, attributes, columns, scale, bound, [&](const float *x) {
        std::vector<double> y;
        for (int64_t i = 0; i < columns; ++i)
          y.push_back(f(x[i]));
        return y;
      });
  }
};

double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

TEST_P(RowOps, Gelu) {
  checkMap("gelu", "", 12, 4 * kUlp, gelu);
  checkMap("gelu", "", 0.01f, 2 * kUlp * 0.01, gelu);
}
TEST_P(RowOps, Softcap) {
  checkMap("softcap", "cap = 30.0", 100, 3 * kUlp, [](double x) { return 30 * std::tanh(x / 30); });
  checkMap("softcap", "cap = 30.0", 0.5f, 3 * kUlp * 0.5, [](double x) { return 30 * std::tanh(x / 30); });
}
TEST_P(RowOps, Copy) {
  checkMap("copy", "", 3, 0, [](double x) { return x; });
}
TEST_P(RowOps, Scale) {
  checkMap("scale", "factor = 0.5", 3, 0, [](double x) { return 0.5 * x; });
}
TEST_P(RowOps, AddAndMulInPlace) {
  for (int64_t columns : {24, 160}) {
    TestProgram p(Options{64, 3});
    Buffer x = p.buffer("x", 3, columns), y = p.buffer("y", 3, columns);
    p.phase("\"op\" rows(all) cols(1) by_row do {\n  step.mul " + operands({x, x, y}) + "\n  step.add " +
            operands({x, x, y}) + "\n}");
    std::vector<float> a = p.fill(x), b = p.fill(y);
    p.compile(GetParam());
    p.run(3, 2);
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(p.f32(x)[i], a[i] * b[i] + b[i]) << i; // two roundings: generated code must not fuse them
  }
}

TEST_P(RowOps, ScaleBy) {
  std::vector<float> w(40);
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = 0.25f * static_cast<float>(i);
  for (bool one : {false, true})
    check(
        "scale_by", "", 40, 2, 0,
        [&](const float *x) {
          std::vector<double> y;
          for (size_t i = 0; i < 40; ++i)
            y.push_back(x[i] * w[one ? 3 : i]);
          return y;
        },
        ", @w", [&](TestProgram &p) { p.vec("w", one ? std::vector<float>{w[3]} : w); });
}

TEST_P(RowOps, Norm) {
  for (auto [columns, group, offset] :
       {std::tuple(160, 160, 0.0), std::tuple(96, 24, 1.0), std::tuple(1536, 256, 0.0)}) {
    std::vector<float> w;
    for (int64_t i = 0; i < group; ++i)
      w.push_back(0.5f + 0.001f * static_cast<float>(i));
    auto expected = [&, columns = columns, group = group, offset = offset](const float *x) {
      std::vector<double> y;
      for (int64_t first = 0; first < columns; first += group) {
        double squares = 0;
        for (int64_t i = 0; i < group; ++i)
          squares += double(x[first + i]) * x[first + i];
        double inverse = 1 / std::sqrt(squares / static_cast<double>(group) + 1e-6);
        for (int64_t i = 0; i < group; ++i)
          y.push_back(x[first + i] * inverse * (w[static_cast<size_t>(i)] + offset));
      }
      return y;
    };
    std::string attributes =
        "group = " + std::to_string(group) + ", eps = 1.0e-6, offset = " + std::to_string(offset) + " : f64";
    check("norm", attributes, columns, 3, 8 * kUlp, expected, ", @w", [&](TestProgram &p) { p.vec("w", w); });
    std::fill(w.begin(), w.end(), static_cast<float>(1 - offset));
    check("norm", "group = " + std::to_string(group) + ", eps = 1.0e-6", columns, 3, 8 * kUlp, expected);
  }
}

/// What tasks pack of their columns is what pack makes of the whole rows, byte for byte, from either end.
void checkPackTile(const std::string &target, const std::string &act, int64_t columns, int64_t width,
                   int64_t rows) {
  TestProgram p(Options{64, rows});
  const int64_t bytes = act == "i8" ? (columns + columns / 4 + 63) / 64 * 64 : 2 * columns;
  Buffer x = p.buffer("x", rows, columns), whole = p.buffer("whole", rows, bytes, "i8"),
         parts = p.buffer("parts", rows, bytes, "i8"), mine = p.buffer("mine", rows, width, "f32", true);
  Buffer from = p.tile("from", x, 0, width, width);
  p.phase("\"pack\" rows(all) cols(1) by_row do {\n  step.pack " + operands({whole, x}, "", " as " + act) +
          "\n}");
  p.phase("\"tasks\" rows(all) cols(" + std::to_string(columns / width) + ") do {\n  " + from.name +
          "\n  step.copy " + operands({mine, from}) + "\n  step.pack_tile " +
          operands({parts, mine}, "", " as " + act) + "\n}");
  p.fill(x, 5);
  p.compile(target);
  for (int64_t live : {rows, rows - 1}) {
    p.run(live, 2);
    for (int64_t i = 0; i < rows * bytes; ++i)
      ASSERT_EQ(p.data<char>(parts)[i], p.data<char>(whole)[i])
          << act << " columns=" << columns << " width=" << width << " live=" << live << " byte " << i;
  }
}

TEST_P(RowOps, PackTile) {
  for (auto [columns, width] : {std::pair(64, 32), std::pair(320, 64), std::pair(192, 96)})
    checkPackTile(GetParam(), "i8", columns, width, 5);
  if (GetParam() == kTilesTarget)
    for (auto [columns, width] :
         {std::pair(64, 32), std::pair(320, 64), std::pair(576, 96), std::pair(768, 256)})
      checkPackTile(GetParam(), "bf16t", columns, width, 64);
}

TEST_P(RowOps, Softmax) {
  for (int64_t columns : {8, 128, 130})
    check("softmax", "", columns, 20, 1e-6, [&](const float *x) {
      std::vector<double> y(x, x + columns);
      double top = *std::max_element(y.begin(), y.end()), sum = 0;
      for (double &v : y)
        sum += v = std::exp(v - top);
      for (double &v : y)
        v /= sum;
      return y;
    });
}

TEST_P(RowOps, RopeTable) {
  for (auto [headDim, angles, theta, factor] :
       {std::tuple(256, 128, 1e4, 1.0), std::tuple(512, 64, 1e6, 1.0), std::tuple(24, 12, 1e4, 8.0)}) {
    TestProgram p(Options{262144, 4});
    Buffer table = p.buffer("table", 4, 2 * angles);
    p.phase("\"op\" rows(all) cols(1) do {\n  step.rope_table " + table.name +
            " {head_dim = " + std::to_string(headDim) + ", angles = " + std::to_string(angles) +
            ", theta = " + std::to_string(theta) + ", factor = " + std::to_string(factor) +
            "} : " + table.type + "\n}");
    p.compile(GetParam());
    for (int64_t first : {0, 1000, 262140}) {
      p.run(4, 1, first);
      for (int64_t r = 0; r < 4; ++r)
        for (int64_t i = 0; i < angles; ++i) {
          float power = static_cast<float>(
              std::pow(theta, static_cast<double>(static_cast<float>(2 * i) / static_cast<float>(headDim))));
          float angle = static_cast<float>(first + r) * (1.0f / power / static_cast<float>(factor));
          ASSERT_NEAR(p.f32(table)[r * 2 * angles + i], std::cos(double(angle)), 2 * kUlp)
              << "position " << first + r << " angle " << i;
          ASSERT_NEAR(p.f32(table)[r * 2 * angles + angles + i], std::sin(double(angle)), 2 * kUlp)
              << first + r << " " << i;
        }
    }
  }
}

TEST_P(RowOps, Rope) {
  for (auto [heads, dim, angles] : {std::tuple(3, 32, 16), std::tuple(2, 64, 8), std::tuple(2, 24, 5)})
    for (bool inPlace : {true, false}) {
      TestProgram p(Options{64, 2});
      Buffer x = p.buffer("x", 2, heads * dim), y = inPlace ? x : p.buffer("y", 2, heads * dim),
             t = p.buffer("t", 2, 2 * angles);
      p.phase(
          "\"op\" rows(all) cols(1) do {\n  step.rope " +
          operands({y, x, t}, "head_dim = " + std::to_string(dim) + ", angles = " + std::to_string(angles)) +
          "\n}");
      std::vector<float> in = p.fill(x), table = p.fill(t);
      p.compile(GetParam());
      p.run(2, 1);
      std::vector<double> expected(in.begin(), in.end());
      for (int64_t r = 0; r < 2; ++r)
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t i = 0; i < angles; ++i) {
            size_t low = static_cast<size_t>((r * heads + h) * dim + i),
                   high = low + static_cast<size_t>(dim / 2);
            double c = table[static_cast<size_t>(r * 2 * angles + i)],
                   s = table[static_cast<size_t>(r * 2 * angles + angles + i)];
            expected[low] = in[low] * c - in[high] * s;
            expected[high] = in[high] * c + in[low] * s;
          }
      expectClose(p.f32(y), expected, 2 * kUlp, "rope");
    }
}

TEST_P(RowOps, Embed) {
  for (const char *format :
       {"rows_f32", "rows_bf16", "rows_f16", "rows_q8", "f32p16", "bf16p16", "f16p16", "q8p16", "q4p16"})
    for (int64_t k : {24, 80, 128}) {
      PackedWeight w = randomWeight(format, 48, k, 11);
      TestProgram p(Options{64, 3});
      Buffer y = p.buffer("y", 3, k);
      p.weight("w", w.fields(16), w.bytes);
      p.phase("\"op\" rows(all) cols(1) by_row do {\n  step.embed " + y.name +
              ", @w {scale = 4.0} : " + y.type + "\n}");
      p.compile(GetParam());
      std::vector<int32_t> tokens{0, 47, 18};
      p.run(3, 2, 0, tokens);
      std::vector<double> expected;
      for (int32_t token : tokens)
        for (int64_t i = 0; i < k; ++i)
          expected.push_back(4 * w.at(0, token, i));
      expectClose(p.f32(y), expected, kUlp, std::string("embed ") + format + " k=" + std::to_string(k));
    }
}

/// Imported blocks: rows are whole blocks, and some formats gather from panels.
TEST_P(RowOps, EmbedFromBlocks) {
  for (const char *format :
       {"rows_q4_0", "rows_q4_1", "rows_q5_0", "rows_q5_1", "rows_q8_0", "rows_q4_k", "rows_q5_k",
        "rows_q6_k", "q5p16", "q4mp16", "q5mp16", "q4kp16", "q5kp16", "q6kp16"}) {
    const int64_t k = 512;
    PackedWeight w = randomWeight(format, 48, k, 9);
    TestProgram p(Options{64, 3});
    Buffer y = p.buffer("y", 3, k);
    p.weight("w", w.fields(16), w.bytes);
    p.phase("\"op\" rows(all) cols(1) by_row do {\n  step.embed " + y.name +
            ", @w {scale = 4.0} : " + y.type + "\n}");
    p.compile(GetParam());
    std::vector<int32_t> tokens{0, 47, 18};
    p.run(3, 2, 0, tokens);
    std::vector<double> expected;
    for (int32_t token : tokens)
      for (int64_t i = 0; i < k; ++i)
        expected.push_back(4 * w.at(0, token, i));
    expectClose(p.f32(y), expected, kUlp, std::string("embed ") + format);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, RowOps, testing::ValuesIn(runnableTargets()), targetName);

} // namespace
} // namespace gemmac::test
