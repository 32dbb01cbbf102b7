// Every pass keeps the interpreter's results, bit for bit: a prompt in two pieces, then decoding, then all
// logits.
#include "Support.h"

#include "dialect/interp/Interpreter.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace gemmac;

namespace {
using Ints = std::vector<int32_t>;

/// The logits of all calls of a scenario, one behind the other; empty if a call failed.
struct Scenario {
  Scenario(mlir::ModuleOp module, int32_t sequences) : interpreter(module, nullptr), sequences(sequences) {
    vocab = static_cast<int32_t>(module->getAttrOfType<mlir::IntegerAttr>("gemma.vocab").getInt());
  }

  std::vector<float> play() {
    call("prefill_none", 5, false);
    call("prefill_last", 4, true);
    call("prefill_last", 1, true);
    for (int step = 0; step < 3; ++step)
      call("decode", 1, true);
    call("prefill_all", 3, true);
    return failed ? std::vector<float>() : logits;
  }

private:
  /// The next `count` tokens of each sequence.
  void call(llvm::StringRef entry, int32_t count, bool keep) {
    Ints tokens, pos, seq;
    for (int32_t s = 0; s < sequences; ++s)
      for (int32_t i = 0; i < count; ++i) {
        tokens.push_back(((next + i) * 7 + s * 3 + 1) % vocab);
        pos.push_back(next + i);
        seq.push_back(s);
      }
    next += count;
    llvm::Expected<std::vector<Tensor>> results = interpreter.run(entry, tokens, pos, seq);
    if (!results) {
      ADD_FAILURE() << entry.str() << ": " << llvm::toString(results.takeError());
      failed = true;
      return;
    }
    if (!keep)
      return;
    if (results->size() != 1) {
      ADD_FAILURE() << entry.str() << ": " << results->size() << " results";
      failed = true;
      return;
    }
    logits.insert(logits.end(), results->front().f32.begin(), results->front().f32.end());
  }

  Interpreter interpreter;
  std::vector<float> logits;
  int32_t sequences, vocab = 1, next = 0;
  bool failed = false;
};

std::vector<float> logitsAfter(mlir::MLIRContext &context, const std::string &file, llvm::StringRef pipeline,
                               int32_t sequences = 1) {
  mlir::OwningOpRef<mlir::ModuleOp> module = parse(context, file);
  if (!module || !runPasses(*module, pipeline)) {
    ADD_FAILURE() << file << ": " << pipeline.str();
    return {};
  }
  return Scenario(*module, sequences).play();
}

std::string nameOf(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param.substr(info.param.rfind('/') + 1);
  name = name.substr(0, name.find('.'));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
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
  Ints tokens(16), pos(16), seq(16, 0);
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
        "func.func(gemma-fuse-softcap)", "func.func(gemma-fuse-residual)", "func.func(gemma-fuse-norm)"})
    EXPECT_EQ(logitsAfter(*context, GetParam(), std::string("gemma-entries,") + pass), expected) << pass;
}

TEST_P(Equivalence, Pipelines) {
  std::vector<float> expected = logitsAfter(*context, GetParam(), "gemma-entries");
  ASSERT_FALSE(expected.empty());
  for (const char *fuse :
       {"all", "none", "-qkv", "-qknorm-rope-kv", "-attention", "-mlp", "-ple", "-softcap", "-residual",
        "-norm", "-kv-share", "-dead-tokens", "norm", "residual,norm", "kv-share,dead-tokens"})
    EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline{fuse=" + std::string(fuse) + "}"), expected)
        << fuse;
  EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline,func.func(gemma-decompose)"), expected);
}

TEST_P(Equivalence, QuantizedFusedEqualsQuantized) {
  for (std::string format : {"q8", "q4"})
    EXPECT_EQ(logitsAfter(*context, GetParam(), "gemma-pipeline{quantize=" + format + "}"),
              logitsAfter(*context, GetParam(), "gemma-entries,gemma-quantize{format=" + format + "}"))
        << format;
}

TEST_P(Equivalence, TwoSequences) {
  std::string entries = "gemma-entries{batch=2}";
  std::vector<float> expected = logitsAfter(*context, GetParam(), entries, 2);
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(
      logitsAfter(*context, GetParam(), entries + ",gemma-share-kv,func.func(gemma-prune-dead-tokens)", 2),
      expected);
}

INSTANTIATE_TEST_SUITE_P(Models, Equivalence, testing::ValuesIn(modelFiles()), nameOf);
