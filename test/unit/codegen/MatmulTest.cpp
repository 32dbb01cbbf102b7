// pack and matmul: every format and kind of activation, awkward shapes, and the promise that neither the
// number of rows nor that of workers changes a bit.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include <cmath>

namespace gemmac::test {

namespace {

struct Shape {
  int64_t n, k, tile;
};

/// pack of `x` by everybody, then one matmul.
struct Product {
  Product(const PackedWeight &w, const std::string &act, int64_t rows, int64_t tile)
      : program(Options{64, rows}) {
    bool bytes = act == "i8";
    x = program.buffer("x", rows, w.k);
    y = program.buffer("y", rows, w.n);
    Buffer packed =
        program.buffer("packed", rows, activationColumns(w.k, act), bytes ? "i8" : "f32", /*isPrivate=*/true);
    program.weight("w", w.fields(tile), w.bytes);
    Buffer t = program.tile("t", y, 0, tile, tile);
    program.phase("\"product\" rows(all) cols(" + std::to_string(w.n / tile) + ") prologue {\n  step.pack " +
                  operands({packed, x}, "", " as " + act) + "\n} do {\n  " + t.name + "\n  step.matmul " +
                  operands({t, packed}, "", ", @w as " + act) + "\n}");
  }
  TestProgram program;
  Buffer x, y;
};

/// y = act(x) W^T of one row, in double; `size` gets the sum of magnitudes, which bounds the error of any
/// order of f32 additions.
std::vector<double> reference(const PackedWeight &w, const std::vector<double> &x,
                              std::vector<double> &size) {
  std::vector<double> y;
  for (int64_t row = 0; row < w.n; ++row) {
    double sum = 0, total = 0;
    for (int64_t i = 0; i < w.k; ++i) {
      double term = w.at(0, row, i) * x[static_cast<size_t>(i)];
      sum += term;
      total += std::fabs(term);
    }
    y.push_back(sum);
    size.push_back(total);
  }
  return y;
}

void checkProduct(const std::string &target, const std::string &format, const std::string &act, Shape shape,
                  int64_t rows) {
  std::string what = target + " " + format + " x " + act + " n=" + std::to_string(shape.n) +
                     " k=" + std::to_string(shape.k) + " rows=" + std::to_string(rows);
  PackedWeight w = randomWeight(format, shape.n, shape.k, 7);
  Product p(w, act, rows, shape.tile);
  std::vector<float> x = p.program.fill(p.x, 2);
  p.program.compile(target);
  ASSERT_FALSE(testing::Test::HasFatalFailure()) << what;
  p.program.run(rows, 1);
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<float> row(x.begin() + r * shape.k, x.begin() + (r + 1) * shape.k);
    std::vector<double> size, y = reference(w, activationValues(row, act), size);
    for (int64_t i = 0; i < shape.n; ++i) {
      // Worst case of f32 additions, and for int8 half a step of an activation where rounding is a tie.
      double bound = size[static_cast<size_t>(i)] * (act == "i8" ? 4e-6 : 2e-6) + (act == "i8" ? 2e-3 : 1e-6);
      ASSERT_NEAR(p.program.f32(p.y)[r * shape.n + i], y[static_cast<size_t>(i)], bound)
          << what << " row " << r << " column " << i;
    }
  }
  std::vector<float> all(p.program.f32(p.y), p.program.f32(p.y) + rows * shape.n);
  p.program.run(rows, 3);
  EXPECT_EQ(0, std::memcmp(all.data(), p.program.f32(p.y), all.size() * 4))
      << what << ": 3 workers differ from 1";
  // Each row alone, as row 0.
  std::vector<float> inputs = x;
  for (int64_t r = 0; r < rows && rows > 1; ++r) {
    std::memcpy(p.program.f32(p.x), inputs.data() + r * shape.k, static_cast<size_t>(shape.k) * 4);
    p.program.run(1, 1);
    EXPECT_EQ(0, std::memcmp(all.data() + r * shape.n, p.program.f32(p.y), static_cast<size_t>(shape.n) * 4))
        << what << ": row " << r << " alone differs";
  }
}

class Matmul : public testing::TestWithParam<std::tuple<std::string, std::pair<const char *, const char *>>> {
};

TEST_P(Matmul, MatchesReference) {
  auto [target, kind] = GetParam();
  for (int64_t rows : {1, 2, 7})
    for (Shape shape : {Shape{64, 128, 32}, Shape{48, 80, 16}})
      checkProduct(target, kind.first, kind.second, shape, rows);
  checkProduct(target, kind.first, kind.second, {16, 24, 16}, 4);
  checkProduct(target, kind.first, kind.second, {80, 96, 80}, 5);
  checkProduct(target, kind.first, kind.second, {256, 192, 128}, 1); // panels side by side
}

std::string kindName(const testing::TestParamInfo<Matmul::ParamType> &info) {
  auto [target, kind] = info.param;
  return testName(target + "_" + kind.first + "_" + kind.second);
}

using Kind = std::pair<const char *, const char *>;
INSTANTIATE_TEST_SUITE_P(
    Formats, Matmul,
    testing::Combine(testing::ValuesIn(runnableTargets()),
                     testing::Values(Kind("f32p16", "f32"), Kind("bf16p16", "f32"), Kind("bf16p16", "bf16"),
                                     Kind("f16p16", "f32"), Kind("q8p16", "f32"), Kind("q8p16", "bf16"),
                                     Kind("q8p16", "i8"), Kind("q4p16", "f32"), Kind("q4p16", "i8"))),
    kindName);
INSTANTIATE_TEST_SUITE_P(
    Blocks, Matmul,
    testing::Combine(testing::ValuesIn(runnableTargets()),
                     testing::Values(Kind("q5p16", "f32"), Kind("q5p16", "i8"), Kind("q4mp16", "f32"),
                                     Kind("q4mp16", "i8"), Kind("q5mp16", "f32"), Kind("q5mp16", "i8"),
                                     Kind("q4kp16", "bf16"), Kind("q4kp16", "i8"), Kind("q5kp16", "f32"),
                                     Kind("q5kp16", "i8"), Kind("q6kp16", "f32"), Kind("q6kp16", "i8"))),
    kindName);

/// int8 sums are exact and floats are fused the same way everywhere: the targets agree to the bit.
TEST(MatmulTargets, AgreeBitwise) {
  for (Kind kind : {Kind("q4p16", "i8"), Kind("q8p16", "i8"), Kind("q4p16", "f32"), Kind("bf16p16", "bf16"),
                    Kind("q5p16", "i8"), Kind("q6kp16", "i8"), Kind("q5kp16", "i8"), Kind("q4mp16", "f32")}) {
    std::vector<float> first;
    for (const std::string &target : runnableTargets()) {
      PackedWeight w = randomWeight(kind.first, 64, 192, 3);
      Product p(w, kind.second, 6, 32);
      p.program.fill(p.x);
      p.program.compile(target);
      p.program.run(6, 1);
      std::vector<float> y(p.program.f32(p.y), p.program.f32(p.y) + 6 * 64);
      if (first.empty())
        first = y;
      EXPECT_EQ(0, std::memcmp(first.data(), y.data(), y.size() * 4))
          << target << " " << kind.first << " x " << kind.second;
    }
  }
}

/// All zeros and a group with zeros only: scale 0, no division by it.
TEST(Pack, ZerosStayZero) {
  PackedWeight w = randomWeight("q4p16", 16, 64, 5);
  Product p(w, "i8", 1, 16);
  p.program.fill(p.x, 0);
  p.program.compile(runnableTargets().back());
  p.program.run(1, 1);
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(p.program.f32(p.y)[i], 0.0f);
}

} // namespace
} // namespace gemmac::test
