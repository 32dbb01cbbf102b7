// A step computes what the model it was lowered from means: the same prompt through the interpreter of the
// model and that of the step, whose arena is the planned one and whose tasks run in any order, for models of
// every structure, fused and not.
#include "dialect/interp/Interpreter.h"
#include "dialect/interp/step/StepInterpreter.h"
#include "passes/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace gemmac;

namespace {
using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

std::vector<std::string> modelFiles() {
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator entry(GEMMAC_TEST_MODELS, error), end; entry != end && !error;
       entry.increment(error))
    if (llvm::StringRef(entry->path()).ends_with(".mlir"))
      files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

/// What entries return for a prompt of 19 tokens: 8 and 5 without logits, 3 with those of the last, one
/// decoded, 2 with those of both.
struct Expected {
  Floats last, decode, all;
};
const Ints kTokens = {2, 5, 7, 1, 16, 3, 3, 9, 11, 4, 0, 8, 12, 6, 10, 13, 2, 15, 14};

Ints range(int32_t begin, int32_t count) {
  Ints positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), begin);
  return positions;
}

Expected runModel(mlir::ModuleOp module, int64_t vocab) {
  Interpreter interpreter(module, nullptr);
  auto results = interpreter.run("forward", kTokens, range(0, 19), Ints(19, 0));
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  const Floats &logits = results->front().f32;
  auto row = [&](int64_t r) { return Floats(logits.begin() + r * vocab, logits.begin() + (r + 1) * vocab); };
  Expected expected{row(15), row(16), row(17)};
  Floats end = row(18);
  expected.all.insert(expected.all.end(), end.begin(), end.end());
  return expected;
}

/// The live columns of `rows` rows of logits.
Floats cut(const Floats &values, int64_t rows, int64_t vocab) {
  const int64_t stride = static_cast<int64_t>(values.size()) / rows;
  Floats result;
  for (int64_t r = 0; r < rows; ++r)
    result.insert(result.end(), values.begin() + r * stride, values.begin() + r * stride + vocab);
  return result;
}

void expectClose(const Floats &found, const Floats &expected, const char *what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  float largest = 1;
  for (float x : expected)
    largest = std::max(largest, std::fabs(x));
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_LE(std::fabs(found[i] - expected[i]), 2e-4f * largest) << what << " " << i;
}

/// The largest logits are exactly those of all, in order.
void expectLargest(const Floats &values, llvm::ArrayRef<int32_t> ids, const Floats &all) {
  Ints order = range(0, static_cast<int32_t>(all.size()));
  const auto at = [&](int32_t id) { return all[static_cast<size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return at(a) > at(b); });
  ASSERT_EQ(values.size(), 5u);
  ASSERT_EQ(ids.size(), 5u);
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(ids[i], order[i]) << i;
    EXPECT_EQ(values[i], at(order[i])) << i;
  }
}

class StepEquivalence : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    static const bool registered = (registerPasses(), true);
    (void)registered;
    context.loadDialect<gemma::GemmaDialect, step::StepDialect, mlir::func::FuncDialect>();
  }

  mlir::OwningOpRef<mlir::ModuleOp> parse() {
    return mlir::parseSourceFile<mlir::ModuleOp>(GetParam(), mlir::ParserConfig(&context));
  }

  /// Lowers with the fusions of `fuse` and compares every entry.
  void check(const std::string &fuse, const StepRunOptions &options) {
    mlir::OwningOpRef<mlir::ModuleOp> model = parse(), lowered = parse();
    ASSERT_TRUE(model && lowered);
    const int64_t vocab = (*model)->getAttrOfType<mlir::IntegerAttr>("gemma.vocab").getInt();
    const Expected expected = runModel(*model, vocab);
    mlir::PassManager manager(&context);
    ASSERT_TRUE(mlir::succeeded(mlir::parsePassPipeline(
        "gemma-pipeline{fuse=" + fuse + "},step-pipeline{context=24 chunk=8 compute=f32 kv=f32 candidates=5}",
        manager)));
    ASSERT_TRUE(mlir::succeeded(manager.run(*lowered)));
    StepInterpreter interpreter(*lowered->getOps<step::ProgramOp>().begin(), *lowered, nullptr, options);
    run(interpreter, "prefill_none", 0, 8);
    run(interpreter, "prefill_none", 8, 5);
    expectClose(cut(run(interpreter, "prefill_last", 13, 3), 1, vocab), expected.last, "prefill_last");
    const Floats decoded = cut(run(interpreter, "decode", 16, 1), 1, vocab);
    expectClose(decoded, expected.decode, "decode");
    const Floats largest = run(interpreter, "decode_top", 16, 1);
    expectLargest(largest, interpreter.ids(), decoded);
    expectClose(cut(run(interpreter, "prefill_all", 17, 2), 2, vocab), expected.all, "prefill_all");
  }

  static Floats run(StepInterpreter &interpreter, llvm::StringRef entry, int32_t begin, int32_t count) {
    Ints tokens(kTokens.begin() + begin, kTokens.begin() + begin + count);
    auto logits = interpreter.run(entry, tokens, range(begin, count));
    if (logits)
      return *logits;
    ADD_FAILURE() << entry.str() << ": " << llvm::toString(logits.takeError());
    return {};
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};
} // namespace

TEST_P(StepEquivalence, Fused) { check("all", {}); }
TEST_P(StepEquivalence, FusedInAnyOrderOfTasks) { check("all", {TaskOrder::Shuffled, 7, 3}); }
TEST_P(StepEquivalence, Unfused) { check("none", {TaskOrder::Descending, 1, 2}); }
TEST_P(StepEquivalence, EachFusionLeftOut) {
  for (const char *name : {"norm", "qkv", "qknorm-rope-kv", "attention", "mlp", "residual", "ple", "router",
                           "softcap", "kv-share", "dead-tokens"})
    check(std::string("all,-") + name, {TaskOrder::Shuffled, 3, 2});
}

INSTANTIATE_TEST_SUITE_P(Models, StepEquivalence, testing::ValuesIn(modelFiles()), [](const auto &info) {
  std::string name = llvm::sys::path::stem(info.param).str();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});
