// The rows of a prompt's step: what is looked at, what is chosen by measurements that the test makes up, and
// what the choice depends on.
#include "codegen/autotune/Chunk.h"

#include "codegen/cpu/LowerToLLVM.h"
#include "frontend/Diagnostic.h"

#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <fstream>
#include <unistd.h>

namespace gemmac {

namespace {

using Sizes = std::vector<int64_t>;
using Texts = std::vector<std::string>;

/// Two products of one weight, and one of a weight that is less than a hundredth of it.
constexpr const char *kProgram = R"(
step.program @p attributes {{context = 64, chunk = {0}, batch = 1, arena_bytes = 65536, scratch_bytes = 0, weight_bytes = 9216} {{
  step.weight @w q4p16 {{n = 25600, k = 64, tile = 128, sources = [@source], offset = 0, bytes = 9216}
  step.weight @small q4p16 {{n = 128, k = 64, tile = 128, sources = [@source], offset = 0, bytes = 9216}
  step.entry @prefill_none logits(none) attributes {{rows = {0}} {{
    %a = step.buffer "a" {{offset = 0} : memref<{0}x128xi8>
    %y = step.buffer "y" {{offset = 4096} : memref<{0}x25600xf32>
    step.phase "one" rows(all) cols(200) do {{
      %t = step.tile %y {{offset = 0, stride = 128, width = 128} : memref<{0}x25600xf32> -> memref<{0}x128xf32>
      step.matmul %t, %a, @w as i8 : memref<{0}x128xf32>, memref<{0}x128xi8>
    }
    step.barrier
    step.phase "two" rows(all) cols(200) do {{
      %t = step.tile %y {{offset = 0, stride = 128, width = 128} : memref<{0}x25600xf32> -> memref<{0}x128xf32>
      step.matmul %t, %a, @w as i8 : memref<{0}x128xf32>, memref<{0}x128xi8>
    }
    step.barrier
    step.phase "three" rows(all) cols(1) do {{
      %t = step.tile %y {{offset = 0, stride = 128, width = 128} : memref<{0}x25600xf32> -> memref<{0}x128xf32>
      step.matmul %t, %a, @small as i8 : memref<{0}x128xf32>, memref<{0}x128xi8>
    }
    step.yield
  }
}
)";

struct ChunkTest : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/gemmac-chunk-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = name;
    mlir::DialectRegistry registry;
    registerCpuDialects(registry);
    registry.insert<step::StepDialect>();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    target = llvm::cantFail(lookupTarget("x86-64-v4"));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  mlir::OwningOpRef<mlir::ModuleOp> parse(int64_t rows) {
    mlir::ParserConfig config(&context, /*verifyAfterParse=*/false);
    return mlir::parseSourceString<mlir::ModuleOp>(llvm::formatv(kProgram, rows).str(), config);
  }
  std::optional<ChunkCandidate> candidate(mlir::ModuleOp module, double seconds) {
    return chunkCandidate(*module.getOps<step::ProgramOp>().begin(), seconds);
  }
  std::vector<ChunkCandidate> candidates(Sizes sizes) {
    std::vector<ChunkCandidate> all;
    for (int64_t rows : sizes)
      all.push_back(*candidate(*parse(rows), 1e-3 * static_cast<double>(rows)));
    return all;
  }
  /// As if a product of `fast` rows took a third of the time for each of them.
  PrepareProduct fake(int64_t fast) {
    return [this, fast](const Product &product, llvm::MutableArrayRef<CandidateCode> code) {
      asked.push_back(product.rows);
      EXPECT_EQ(code.size(), 1u);
      const double seconds = static_cast<double>(product.rows) * (product.rows == fast ? 1e-5 : 3e-5);
      return llvm::Expected<RunCandidate>([seconds](size_t) { return seconds; });
    };
  }
  std::optional<TunedChunk> tune(Sizes sizes, const PrepareProduct &prepare) {
    asked.clear();
    report = {};
    return tuneChunk(context, candidates(sizes), target, 2, TuningCache(folder), prepare, report);
  }

  std::string folder;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  Target target;
  Sizes asked;
  AutotuneReport report;
};

TEST(ChunkSizes, AreNearTheModelsAndWithinTheContext) {
  EXPECT_EQ(chunkSizes(128, 8192), (Sizes{128, 64, 256, 512}));
  EXPECT_EQ(chunkSizes(256, 8192), (Sizes{256, 128, 512}));
  EXPECT_EQ(chunkSizes(256, 300), (Sizes{256, 128}));
  EXPECT_EQ(chunkSizes(100, 100), (Sizes{100, 64}));
  EXPECT_EQ(chunkSizes(16, 16), (Sizes{16}));
}

TEST(ChunkSizes, ThatTheCostModelHasFarBehindAreNotMeasured) {
  auto left = worthMeasuring({{128, 1.0, {}}, {64, 0.9, {}}, {256, 0.5, {}}, {512, 0.54, {}}});
  ASSERT_EQ(left.size(), 3u) << "the model's own stays";
  EXPECT_EQ(left[0].rows, 128);
  EXPECT_EQ(left[1].rows, 256);
  EXPECT_EQ(left[2].rows, 512);
}

/// 200 tasks are measured as 64, which stand for them.
TEST_F(ChunkTest, AStepIsItsProducts) {
  auto module = parse(64);
  ASSERT_TRUE(module);
  std::optional<ChunkCandidate> found = candidate(*module, 0.128);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rows, 64);
  EXPECT_DOUBLE_EQ(found->predicted, 0.002);
  ASSERT_EQ(found->products.size(), 1u) << "what hardly counts is left out";
  EXPECT_EQ(found->products[0].product.text(), "q4p16 x i8, k 64, 64 tasks of 128 columns, 64 rows");
  EXPECT_DOUBLE_EQ(found->products[0].times, 2 * 200.0 / 64);
}

TEST_F(ChunkTest, ProgramsWithExpertsKeepTheModels) {
  auto module = parse(64);
  mlir::Operation *first = nullptr;
  module->walk([&](step::PhaseOp phase) { first = first ? first : phase.getOperation(); });
  first->setAttr("by_row", mlir::UnitAttr::get(&context)); // as experts' phases are
  EXPECT_FALSE(candidate(*module, 1));
}

TEST_F(ChunkTest, TheLeastTimeForARowIsChosenAndKept) {
  std::optional<TunedChunk> chunk = tune({32, 64, 128}, fake(64));
  ASSERT_TRUE(chunk);
  EXPECT_EQ(asked, (Sizes{32, 64, 128}));
  EXPECT_EQ(chunk->rows, 64);
  EXPECT_EQ(chunk->model, 32);
  EXPECT_FALSE(chunk->cached);
  EXPECT_NEAR(chunk->gain, 2.0 / 3, 1e-2);
  EXPECT_TRUE(report.warnings.empty());

  chunk = tune({32, 64, 128}, fake(128)); // would choose otherwise
  ASSERT_TRUE(chunk);
  EXPECT_EQ(asked, Sizes());
  EXPECT_EQ(chunk->rows, 64);
  EXPECT_TRUE(chunk->cached);

  report.chunk = chunk;
  EXPECT_EQ(report.manifest().getInteger("chunk"), 64);
  AutotuneReport other;
  EXPECT_FALSE(other.manifest().getInteger("chunk"));
  EXPECT_NE(report.manifest().getString("sha256"), other.manifest().getString("sha256"));
}

TEST_F(ChunkTest, TheModelsStaysWhereNoneIsClearlyFaster) {
  std::optional<TunedChunk> chunk = tune({32, 64}, fake(0));
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->rows, 32);
}

TEST_F(ChunkTest, WhatCannotBeMeasuredIsAWarning) {
  std::optional<TunedChunk> chunk = tune(
      {32, 64}, [](const Product &, llvm::MutableArrayRef<CandidateCode>) -> llvm::Expected<RunCandidate> {
        return machineError("no memory");
      });
  EXPECT_FALSE(chunk);
  EXPECT_EQ(report.warnings, (Texts{"no memory; chunks of a prompt are as the cost model has them"}));
}

TEST_F(ChunkTest, ADamagedEntryIsMeasuredAnew) {
  tune({32, 64}, fake(64));
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder, error), end; it != end && !error; it.increment(error))
    std::ofstream(it->path(), std::ios::trunc) << "{}\n";
  std::optional<TunedChunk> chunk = tune({32, 64}, fake(32));
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->rows, 32);
  EXPECT_EQ(report.ignored.size(), 1u);
}

/// Whatever the choice depends on is in the key.
TEST_F(ChunkTest, KeysTellThingsApart) {
  const std::vector<ChunkCandidate> some = candidates({32, 64});
  const std::string key = chunkKey(some, target, 2, {});
  EXPECT_EQ(key, chunkKey(candidates({32, 64}), target, 2, {}));
  EXPECT_NE(key, chunkKey(some, target, 3, {}));
  EXPECT_NE(key, chunkKey(some, llvm::cantFail(lookupTarget("x86-64-v3")), 2, {}));
  EXPECT_NE(key, chunkKey(candidates({64, 32}), target, 2, {}));
  EXPECT_NE(key, chunkKey(candidates({32, 64, 128}), target, 2, {}));
  std::vector<ChunkCandidate> other = some;
  other[0].products[0].times += 1;
  EXPECT_NE(key, chunkKey(other, target, 2, {}));
  other = some;
  other[1].products[0].product.k = 128;
  EXPECT_NE(key, chunkKey(other, target, 2, {}));
  CandidateCode code = llvm::cantFail(emitCandidate(context, some[0].products[0].product, {}, target));
  EXPECT_NE(key, chunkKey(some, target, 2, code)) << "other code";
}

} // namespace
} // namespace gemmac
