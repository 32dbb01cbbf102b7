// The road from a program to its choices, with measurements that the test makes up.
#include "codegen/autotune/Autotune.h"

#include "codegen/cpu/LowerToLLVM.h"
#include "frontend/Diagnostic.h"

#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include "llvm/Support/FileSystem.h"

#include <fstream>
#include <unistd.h>

namespace gemmac {

namespace {

/// A weight that one row reads in @decode, twice, and 32 rows read in @prefill_last.
constexpr const char *kProgram = R"(
step.program @p attributes {context = 64, chunk = 32, batch = 1, arena_bytes = 65536, scratch_bytes = 0, weight_bytes = 9216} {
  step.weight @w q4p16 {n = 256, k = 64, tile = 128, sources = [@source], offset = 0, bytes = 9216}
  step.entry @decode logits(none) attributes {rows = 1} {
    %a = step.buffer "a" {offset = 0} : memref<1x128xi8>
    %y = step.buffer "y" {offset = 4096} : memref<1x256xf32>
    step.phase "one" rows(all) cols(2) do {
      %t = step.tile %y {offset = 0, stride = 128, width = 128} : memref<1x256xf32> -> memref<1x128xf32>
      step.matmul %t, %a, @w as i8 : memref<1x128xf32>, memref<1x128xi8>
    }
    step.barrier
    step.phase "two" rows(all) cols(2) do {
      %t = step.tile %y {offset = 0, stride = 128, width = 128} : memref<1x256xf32> -> memref<1x128xf32>
      step.matmul %t, %a, @w as i8 : memref<1x128xf32>, memref<1x128xi8>
    }
    step.yield
  }
  step.entry @prefill_last logits(none) attributes {rows = 32} {
    %a = step.buffer "a" {offset = 0} : memref<32x128xi8>
    %y = step.buffer "y" {offset = 4096} : memref<32x256xf32>
    step.phase "many" rows(all) cols(2) do {
      %t = step.tile %y {offset = 0, stride = 128, width = 128} : memref<32x256xf32> -> memref<32x128xf32>
      step.matmul %t, %a, @w as i8 : memref<32x128xf32>, memref<32x128xi8>
    }
    step.yield
  }
}
)";

struct AutotuneTest : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/gemmac-autotune-test-XXXXXX";
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

  mlir::OwningOpRef<mlir::ModuleOp> parse() {
    mlir::ParserConfig config(&context, /*verifyAfterParse=*/false);
    return mlir::parseSourceString<mlir::ModuleOp>(kProgram, config);
  }
  /// As if candidate `fastest` of each product took a third of the time of the others.
  PrepareProduct fake(size_t fastest) {
    return [this, fastest](const Product &product, llvm::MutableArrayRef<CandidateCode> code) {
      asked.push_back(product.text());
      const size_t one = std::min(fastest, code.size() - 1);
      return llvm::Expected<RunCandidate>([one](size_t candidate) { return candidate == one ? 1e-3 : 3e-3; });
    };
  }
  AutotuneReport tune(mlir::ModuleOp module, const PrepareProduct &prepare) {
    asked.clear();
    return autotune(*module.getOps<step::ProgramOp>().begin(), target, 2, TuningCache(folder), prepare);
  }
  static std::vector<std::string> choices(mlir::ModuleOp module) {
    std::vector<std::string> all;
    module.walk([&](step::MatmulOp op) { all.push_back(tuningOf(op).text()); });
    return all;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> all;
    std::error_code error;
    for (llvm::sys::fs::directory_iterator it(folder, error), end; it != end && !error; it.increment(error))
      all.push_back(it->path());
    return all;
  }

  std::string folder;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  Target target;
  std::vector<std::string> asked;
};

using Texts = std::vector<std::string>;

TEST_F(AutotuneTest, ChoosesPerKernelAndKeepsIt) {
  auto module = parse();
  ASSERT_TRUE(module);
  AutotuneReport report = tune(*module, fake(1));
  EXPECT_EQ(asked, (Texts{"q4p16 x i8, k 64, tasks of 128 columns, 1 row",
                          "q4p16 x i8, k 64, 2 tasks of 128 columns, 32 rows"}));
  EXPECT_EQ(report.measured, 2);
  EXPECT_EQ(report.cached, 0);
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_EQ(choices(*module), (Texts{"streams=1", "streams=1", "block_rows=2 block_panels=2"}));
  ASSERT_EQ(report.kernels.size(), 2u);
  EXPECT_NEAR(report.kernels[0].gain, 2.0 / 3, 1e-3);

  auto again = parse();
  AutotuneReport second = tune(*again, fake(2)); // would choose otherwise
  EXPECT_EQ(asked, Texts());
  EXPECT_EQ(second.measured, 0);
  EXPECT_EQ(second.cached, 2);
  EXPECT_EQ(choices(*again), choices(*module));
  EXPECT_EQ(second.manifest(), report.manifest());
}

TEST_F(AutotuneTest, TheModelsChoiceLeavesNoAttribute) {
  auto module = parse();
  AutotuneReport report = tune(*module, fake(0));
  module->walk([](step::MatmulOp op) { EXPECT_FALSE(op->hasAttr("step.kernel")); });
  EXPECT_EQ(report.manifest().getArray("choices")->size(), 0u);
  EXPECT_EQ(report.manifest().getInteger("kernels"), 2);
}

TEST_F(AutotuneTest, DamagedEntriesAreMeasuredAnewAndReplaced) {
  auto module = parse();
  tune(*module, fake(1));
  ASSERT_EQ(files().size(), 2u);
  for (const std::string &file : files())
    std::ofstream(file, std::ios::trunc) << "{\"gemmac_autotune\": 1}\n";
  auto again = parse();
  AutotuneReport report = tune(*again, fake(2));
  EXPECT_EQ(report.measured, 2);
  EXPECT_EQ(report.ignored.size(), 2u);
  EXPECT_EQ(choices(*again), (Texts{"streams=2", "streams=2", "block_rows=8 block_panels=1"}));
  auto third = parse();
  EXPECT_EQ(tune(*third, fake(1)).cached, 2);
  EXPECT_EQ(choices(*third), choices(*again));
}

TEST_F(AutotuneTest, ACacheThatCannotBeWrittenIsAWarning) {
  ASSERT_EQ(rmdir(folder.c_str()), 0);
  std::ofstream(folder) << "no folder";
  auto module = parse();
  AutotuneReport report = tune(*module, fake(1));
  EXPECT_EQ(report.measured, 2);
  ASSERT_EQ(report.warnings.size(), 1u) << "said once";
  EXPECT_NE(report.warnings[0].find("what is measured is not kept"), std::string::npos) << report.warnings[0];
  EXPECT_EQ(choices(*module)[0], "streams=1");
  ASSERT_EQ(unlink(folder.c_str()), 0);
}

TEST_F(AutotuneTest, WhereNothingCanBeMeasuredTheModelsChoicesStay) {
  int calls = 0;
  auto module = parse();
  AutotuneReport report = tune(
      *module, [&](const Product &, llvm::MutableArrayRef<CandidateCode>) -> llvm::Expected<RunCandidate> {
        ++calls;
        return machineError("no memory");
      });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(report.warnings, (Texts{"no memory; kernels are as the cost model has them"}));
  EXPECT_EQ(choices(*module), (Texts{"model", "model", "model"}));
  EXPECT_TRUE(files().empty());
}

/// Whatever a choice depends on is in the key.
TEST_F(AutotuneTest, KeysTellThingsApart) {
  Product product{step::Format::Q4P16, step::Act::I8, 64, 128, 0, 1};
  auto keyOf = [&](const Product &p, const Target &t, unsigned level, Texts candidates) {
    CandidateCode code = llvm::cantFail(emitCandidate(context, p, {}, t));
    return tuningKey(p, t, level, candidates, code);
  };
  const Texts candidates{"model", "streams=4"};
  const std::string key = keyOf(product, target, 2, candidates);
  EXPECT_EQ(key, keyOf(product, target, 2, candidates));
  EXPECT_NE(key, keyOf(product, target, 3, candidates));
  EXPECT_NE(key, keyOf(product, target, 2, {"model"}));
  EXPECT_NE(key, keyOf(product, llvm::cantFail(lookupTarget("x86-64-v3")), 2, candidates));
  Product other = product;
  other.k = 128;
  EXPECT_NE(key, keyOf(other, target, 2, candidates));
  KernelTuning tuning;
  tuning.ahead = 2048;
  CandidateCode code = llvm::cantFail(emitCandidate(context, product, tuning, target));
  EXPECT_NE(key, tuningKey(product, target, 2, candidates, code)) << "other code for the same candidates";
}

/// The measurement itself, as far as it does not depend on time: every candidate has code that loads and
/// runs.
TEST_F(AutotuneTest, RunsEveryCandidate) {
  target = llvm::cantFail(lookupTarget("x86-64-v3"));
  KernelTimer timer(target, 1);
  for (Product product : {Product{step::Format::Q4P16, step::Act::I8, 64, 32, 0, 1},
                          Product{step::Format::BF16P16, step::Act::F32, 64, 32, 4, 8}}) {
    std::vector<CandidateCode> code;
    for (int64_t streams : {0, 1}) {
      KernelTuning tuning;
      tuning.streams = streams;
      code.push_back(llvm::cantFail(emitCandidate(context, product, tuning, target)));
    }
    llvm::Expected<RunCandidate> run = timer.prepare(product, code);
    ASSERT_TRUE(static_cast<bool>(run)) << llvm::toString(run.takeError());
    for (size_t candidate : {0, 1, 1, 0})
      EXPECT_GT((*run)(candidate), 0);
  }
}

/// Kernels that hardly count are left alone: of what single rows read the second weight is 4 in 1004.
TEST_F(AutotuneTest, SmallKernelsAreNotMeasured) {
  auto module = parse();
  auto program = *module->getOps<step::ProgramOp>().begin();
  mlir::Builder builder(&context);
  unsigned phases = 0;
  module->walk([&](step::PhaseOp phase) {
    if (phases++ == 0)
      phase->setAttr("cols", builder.getI64IntegerAttr(1000));
  });
  auto small = mlir::cast<step::WeightOp>(program.lookupSymbol<step::WeightOp>("w")->clone());
  small.setSymName("small");
  small.setK(128);
  program.getBody().front().push_front(small);
  unsigned products = 0;
  module->walk([&](step::MatmulOp op) {
    if (products++ == 1)
      op.setWeight("small");
  });
  EXPECT_EQ(tune(*module, fake(1)).measured, 2);
  EXPECT_EQ(asked, (Texts{"q4p16 x i8, k 64, tasks of 128 columns, 1 row",
                          "q4p16 x i8, k 64, 2 tasks of 128 columns, 32 rows"}));
}

} // namespace
} // namespace gemmac
