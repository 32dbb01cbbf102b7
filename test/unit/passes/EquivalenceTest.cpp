// Every pass keeps the interpreter's results, bit for bit: a prompt in two pieces, then decoding, then all
// logits.
#include "Support.h"

#include "dialect/interp/Interpreter.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace gemmac;

namespace {
std::vector<float> logitsAfter(mlir::MLIRContext &context, const std::string &file, llvm::StringRef pipeline,
                               int32_t sequences = 1) {
  mlir::OwningOpRef<mlir::ModuleOp> module = parse(context, file);
  if (!module || !runPasses(*module, pipeline)) {
    ADD_FAILURE() << file << ": " << pipeline.str();
    return {};
  }
  return playScenario(*module, sequences, nullptr);
}

class Equivalence : public testing::TestWithParam<std::string> {
protected:
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
};
} // namespace

TEST_P(Equivalence, EntriesMeanForward) {
  mlir::OwningOpRef<mlir::ModuleOp> module = parse(*context, GetParam());
  ASSERT_TRUE(module);
  auto vocab = static_cast<int32_t>((*module)->getAttrOfType<mlir::IntegerAttr>("gemma.vocab").getInt());
  std::vector<int32_t> tokens(16), pos(16), seq(16, 0);
  std::iota(pos.begin(), pos.end(), 0);
  for (int32_t i = 0; i < 16; ++i)
    tokens[static_cast<size_t>(i)] = (i * 7 + 1) % vocab;
  Interpreter interpreter(*module, nullptr);
  llvm::Expected<std::vector<Tensor>> all = interpreter.run("forward", tokens, pos, seq);
  ASSERT_TRUE(static_cast<bool>(all)) << llvm::toString(all.takeError());
  const Tensor &logits = all->front();
  // The rows that the scenario asks for: the last of 9, 10, then three decoded ones, then all of the last
  // three.
  std::vector<float> expected;
  for (int64_t row : {8, 9, 10, 11, 12, 13, 14, 15})
    expected.insert(expected.end(), logits.row(row), logits.row(row) + logits.rowSize());
  EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-entries"), expected);
}

TEST_P(Equivalence, EachPassAlone) {
  std::vector<float> expected = logitsAfter(*context, GetParam(), "gemma-entries");
  ASSERT_FALSE(expected.empty());
  for (const char *pass :
       {"gemma-share-kv", "func.func(gemma-prune-dead-tokens)", "func.func(canonicalize,cse)",
        "func.func(gemma-fuse-qkv)", "func.func(gemma-fuse-qknorm-rope-kv)",
        "func.func(gemma-fuse-attention)", "func.func(gemma-fuse-mlp)", "func.func(gemma-fuse-ple)",
        "func.func(gemma-fuse-router)", "func.func(gemma-fuse-softcap)", "func.func(gemma-fuse-residual)",
        "func.func(gemma-fuse-norm)"})
    EXPECT_EQ(logitsAfter(*context, GetParam(), std::string("gemma-entries,") + pass), expected) << pass;
}

TEST_P(Equivalence, Pipelines) {
  std::vector<float> expected = logitsAfter(*context, GetParam(), "gemma-entries");
  ASSERT_FALSE(expected.empty());
  for (const char *fuse :
       {"all", "none", "-qkv", "-qknorm-rope-kv", "-attention", "-mlp", "-ple", "-router", "-softcap",
        "-residual", "-norm", "-kv-share", "-dead-tokens", "norm", "residual,norm", "kv-share,dead-tokens"})
    EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline{fuse=" + std::string(fuse) + "}"), expected)
        << fuse;
  EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline,func.func(gemma-decompose)"), expected);
}

TEST_P(Equivalence, QuantizedFusedEqualsQuantized) {
  std::vector<float> exact = logitsAfter(*context, GetParam(), "gemma-entries");
  for (std::string format : {"q8", "q4"}) {
    std::vector<float> unfused =
        logitsAfter(*context, GetParam(), "gemma-entries,gemma-quantize{format=" + format + "}");
    EXPECT_EQ(unfused.size(), exact.size());
    EXPECT_NE(unfused, exact) << "weights are not quantised";
    EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline{quantize=" + format + "}"), unfused)
        << format;
  }
}

TEST_P(Equivalence, TwoSequences) {
  std::string entries = "gemma-entries{batch=2}";
  std::vector<float> expected = logitsAfter(*context, GetParam(), entries, 2);
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(
      logitsAfter(*context, GetParam(), entries + ",gemma-share-kv,func.func(gemma-prune-dead-tokens)", 2),
      expected);
}

INSTANTIATE_TEST_SUITE_P(Models, Equivalence, testing::ValuesIn(modelFiles()), modelName);

TEST(Models, AreGenerated) { EXPECT_EQ(modelFiles().size(), 20u); }
