// What may be tuned (codegen/cpu/KernelTuning.h) changes the code and not one bit of a result.
#include "test/unit/codegen/PackedWeight.h"
#include "test/unit/codegen/TestProgram.h"

#include "codegen/cpu/KernelTuning.h"

namespace gemmac::test {

namespace {

struct Shape {
  std::string format, act;
  int64_t n, k, tile, rows;
};

/// The result of a product of many rows, or one, tuned as `kernel` says ("streams = 4 : i64"), for each
/// number of live rows.
std::vector<std::string> results(const Shape &s, const std::string &kernel, const std::string &target) {
  const bool bytes = s.act == "i8" || s.act == "bf16t";
  const PackedWeight w = randomWeight(s.format, s.n, s.k, 11);
  TestProgram program(Options{64, s.rows});
  Buffer x = program.buffer("x", s.rows, s.k), y = program.buffer("y", s.rows, s.n);
  const int64_t columns = s.act == "bf16t" ? (s.k + 63) / 64 * 128 : activationColumns(s.k, s.act);
  Buffer packed = program.buffer("packed", s.rows, columns, bytes ? "i8" : "f32");
  program.weight("w", w.fields(s.tile), w.bytes);
  program.phase("\"pack\" rows(all) cols(1) by_row do {\n  step.pack " +
                operands({packed, x}, "", " as " + s.act) + "\n}");
  Buffer t = program.tile("t", y, 0, s.tile, s.tile);
  const std::string tuned = kernel.empty() ? "" : "step.kernel = {" + kernel + "}";
  program.phase("\"product\" rows(all) cols(" + std::to_string(s.n / s.tile) + ") do {\n  " + t.name +
                "\n  step.matmul " + operands({t, packed}, tuned, ", @w as " + s.act) + "\n}");
  program.fill(x, 2);
  program.fill(y, 0);
  program.compile(target);
  std::vector<std::string> all;
  for (int64_t live : {s.rows, (s.rows + 1) / 2, int64_t(1)})
    for (int workers : {1, 3}) {
      program.run(live, workers);
      all.emplace_back(reinterpret_cast<const char *>(program.f32(y)), static_cast<size_t>(live * s.n) * 4);
    }
  return all;
}

void expectSame(const Shape &s, const std::vector<std::string> &kernels, const std::string &target) {
  const std::vector<std::string> untuned = results(s, "", target);
  ASSERT_NE(untuned[0].find_first_not_of('\0'), std::string::npos) << "a result of zeros shows nothing";
  for (const std::string &kernel : kernels)
    EXPECT_EQ(results(s, kernel, target), untuned)
        << target << " " << s.format << " x " << s.act << ", " << s.rows << " rows: " << kernel;
}

class Tuning : public testing::TestWithParam<std::string> {};

TEST_P(Tuning, OfASingleRowChangesNoBit) {
  for (auto [format, act] :
       {std::pair("q4p16", "i8"), std::pair("q6kp16", "i8"), std::pair("bf16p16", "bf16")})
    expectSame({format, act, 256, 192, 128, 1},
               {"streams = 1 : i64", "streams = 2 : i64", "streams = 8 : i64",
                "ahead = 4096 : i64, streams = 4 : i64"},
               GetParam());
}

TEST_P(Tuning, OfManyRowsChangesNoBit) {
  for (auto [format, act] : {std::pair("q5kp16", "i8"), std::pair("q8p16", "f32")})
    expectSame(
        {format, act, 128, 128, 64, 13},
        {"block_panels = 2 : i64, block_rows = 2 : i64", "block_panels = 1 : i64, block_rows = 8 : i64",
         "block_panels = 2 : i64, block_rows = 6 : i64", "block_panels = 4 : i64, block_rows = 4 : i64",
         "block_panels = 1 : i64, block_rows = 3 : i64", "block_panels = 8 : i64, block_rows = 1 : i64"},
        GetParam());
}
INSTANTIATE_TEST_SUITE_P(Targets, Tuning, testing::ValuesIn(runnableTargets()), targetName);

TEST(TuningTiles, ColumnsAtOnceChangeNoBit) {
  if (!haveTiles())
    GTEST_SKIP() << "this machine has no AMX tiles";
  for (const char *format : {"q4p16", "bf16p16"})
    expectSame({format, "bf16t", 1536, 320, 32, 96},
               {"columns = 32 : i64", "columns = 64 : i64", "columns = 128 : i64", "columns = 512 : i64"},
               kTilesTarget);
}

TEST(KernelTuningText, NamesWhatIsChosen) {
  KernelTuning tuning;
  EXPECT_EQ(tuning.text(), "model");
  tuning.ahead = 2048;
  tuning.streams = 4;
  EXPECT_EQ(tuning.text(), "streams=4 ahead=2048");
  EXPECT_FALSE(tuning == KernelTuning());
}

} // namespace
} // namespace gemmac::test
