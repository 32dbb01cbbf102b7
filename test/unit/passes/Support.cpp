#include "Support.h"

#include "dialect/interp/Interpreter.h"
#include "passes/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>

using namespace gemmac;

std::unique_ptr<mlir::MLIRContext> gemmac::makeContext() {
  static const bool registered = (registerPasses(), true);
  (void)registered;
  auto context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  context->loadDialect<gemma::GemmaDialect, mlir::func::FuncDialect>();
  return context;
}

std::vector<std::string> gemmac::modelFiles() {
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator entry(GEMMAC_TEST_MODELS, error), end; entry != end && !error;
       entry.increment(error))
    if (llvm::StringRef(entry->path()).ends_with(".mlir"))
      files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string gemmac::modelName(const testing::TestParamInfo<std::string> &info) {
  std::string name = llvm::sys::path::stem(info.param).str();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

mlir::OwningOpRef<mlir::ModuleOp> gemmac::parse(mlir::MLIRContext &context, const std::string &file) {
  return mlir::parseSourceFile<mlir::ModuleOp>(file, mlir::ParserConfig(&context));
}

bool gemmac::runPasses(mlir::ModuleOp module, llvm::StringRef pipeline) {
  mlir::PassManager manager(module.getContext());
  return mlir::succeeded(mlir::parsePassPipeline(pipeline, manager)) && mlir::succeeded(manager.run(module));
}

namespace {
using Ints = std::vector<int32_t>;

/// The logits of all calls of a scenario, one behind the other; empty if a call failed.
struct Scenario {
  Scenario(mlir::ModuleOp module, int32_t sequences, const TensorSource *source)
      : interpreter(module, source), sequences(sequences) {
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
} // namespace

std::vector<float> gemmac::playScenario(mlir::ModuleOp module, int32_t sequences,
                                        const TensorSource *source) {
  return Scenario(module, sequences, source).play();
}
