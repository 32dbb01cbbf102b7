// gemma-run: runs a checkpoint in a reference interpreter, at one of the IR levels, and writes logits or any value on
// the way. For tests and for finding the op at which a compiled model departs from its meaning.
#include "dialect/interp/Interpreter.h"
#include "frontend/Checkpoint.h"
#include "frontend/Diagnostic.h"
#include "frontend/ImportText.h"
#include "tools/gemma-run/Npy.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <numeric>

using namespace gemmac;
namespace cl = llvm::cl;

namespace {

enum class Level { Gemma };
enum class Entry { All, Last };

struct Options {
  cl::opt<std::string> model{cl::Positional, cl::Required, cl::desc("MODEL"),
                             cl::value_desc("checkpoint directory")};
  cl::opt<Level> level{"level", cl::desc("which IR to run"), cl::init(Level::Gemma),
                       cl::values(clEnumValN(Level::Gemma, "gemma", "the imported model"))};
  cl::opt<Entry> entry{"entry", cl::desc("whose logits"), cl::init(Entry::Last),
                       cl::values(clEnumValN(Entry::All, "all", "of all tokens: [tokens, vocab]"),
                                  clEnumValN(Entry::Last, "last", "of the last token: [vocab]"))};
  cl::list<int32_t> ids{"ids", cl::CommaSeparated, cl::OneOrMore, cl::desc("token ids"), cl::value_desc("2,5,7")};
  cl::opt<unsigned> split{"split", cl::init(0), cl::desc("run the first N tokens, then the others through the caches"),
                          cl::value_desc("N")};
  cl::opt<std::string> stopAfter{"stop-after", cl::desc("end after the op at this place and write its result"),
                                 cl::value_desc("layers.3.qk")};
  cl::opt<std::string> dumpDir{"dump-dir", cl::desc("write every op's result to DIR/PLACE.npy"),
                               cl::value_desc("DIR")};
  cl::opt<bool> printIr{"print-ir", cl::desc("print the module instead of running it")};
  cl::opt<std::string> output{"o", cl::desc("where the result goes; without it the five best ids are printed"),
                              cl::value_desc("FILE.npy")};
};

/// The ids [begin, end) of one call, and where they stand.
struct Piece {
  std::vector<int32_t> tokens, pos, seq;
};

std::vector<Piece> pieces(llvm::ArrayRef<int32_t> ids, unsigned split) {
  std::vector<Piece> all;
  size_t cut = std::min<size_t>(split, ids.size());
  for (auto [begin, end] : {std::pair<size_t, size_t>(0, cut), std::pair<size_t, size_t>(cut, ids.size())}) {
    if (begin == end)
      continue;
    Piece piece;
    piece.tokens.assign(ids.begin() + begin, ids.begin() + end);
    piece.pos.resize(end - begin);
    std::iota(piece.pos.begin(), piece.pos.end(), static_cast<int32_t>(begin));
    piece.seq.resize(end - begin);
    all.push_back(std::move(piece));
  }
  return all;
}

void printBest(const Tensor &logits) {
  const float *row = logits.f32.data() + (elementCount(logits.shape) - logits.columns());
  std::vector<int32_t> order(static_cast<size_t>(logits.columns()));
  std::iota(order.begin(), order.end(), 0);
  size_t count = std::min<size_t>(5, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int32_t a, int32_t b) { return row[a] > row[b]; });
  for (size_t i = 0; i < count; ++i)
    llvm::outs() << order[i] << " " << row[order[i]] << "\n";
}

class Run {
public:
  explicit Run(const Options &options) : options(options) {}
  llvm::Error operator()();

private:
  llvm::Error runGemma(mlir::ModuleOp module, const TensorSource &source, llvm::StringRef function);
  llvm::Error finish(Tensor result);
  bool observe(llvm::StringRef place, const Tensor &value);

  const Options &options;
  llvm::Error dumpError = llvm::Error::success();
  std::optional<Tensor> stoppedAt;
};

/// Dumps and stops as the options say; false stops.
bool Run::observe(llvm::StringRef place, const Tensor &value) {
  if (place.empty() || value.kv)
    return place.empty() || place != options.stopAfter;
  if (!options.dumpDir.empty() && !dumpError) {
    llvm::SmallString<128> path(options.dumpDir);
    llvm::sys::path::append(path, place + ".npy");
    dumpError = writeNpy(path, value);
  }
  if (place != options.stopAfter)
    return true;
  stoppedAt = value;
  return false;
}

llvm::Error Run::finish(Tensor result) {
  if (options.entry == Entry::Last && result.shape.size() == 2 && !stoppedAt) {
    int64_t columns = result.columns();
    result.f32.erase(result.f32.begin(), result.f32.end() - columns);
    result.shape = {columns};
  }
  if (!options.output.empty())
    return writeNpy(options.output, result);
  if (!result.f32.empty())
    printBest(result);
  return llvm::Error::success();
}

llvm::Error Run::runGemma(mlir::ModuleOp module, const TensorSource &source, llvm::StringRef function) {
  Interpreter interpreter(module, &source);
  interpreter.setObserver([&](mlir::Operation *op, llvm::ArrayRef<Tensor> results) {
    return results.empty() || observe(placeOf(op), results.front());
  });
  Tensor logits = Tensor::ofFloats({0});
  for (const Piece &piece : pieces(options.ids, options.split)) {
    auto results = interpreter.run(function, piece.tokens, piece.pos, piece.seq);
    if (!results)
      return results.takeError();
    if (dumpError)
      return std::move(dumpError);
    if (stoppedAt)
      return finish(*stoppedAt);
    if (results->empty())
      continue;
    Tensor &rows = results->front();
    logits.f32.insert(logits.f32.end(), rows.f32.begin(), rows.f32.end());
    logits.shape = {static_cast<int64_t>(logits.f32.size()) / rows.columns(), rows.columns()};
  }
  if (!options.stopAfter.empty())
    return usageError("no op at '" + options.stopAfter + "'");
  return finish(std::move(logits));
}

llvm::Error Run::operator()() {
  if (!options.dumpDir.empty())
    if (std::error_code failure = llvm::sys::fs::create_directories(options.dumpDir))
      return machineError("cannot make '" + options.dumpDir + "': " + failure.message());
  auto checkpoint = loadCheckpoint(options.model);
  if (!checkpoint)
    return checkpoint.takeError();
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module = importText(context, *checkpoint);
  if (mlir::failed(mlir::verify(*module)))
    return machineError("the imported module is not valid");
  if (options.printIr) {
    module->print(llvm::outs());
    return llvm::Error::success();
  }
  return runGemma(*module, *checkpoint->tensors, "forward");
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ResetCommandLineParser(); // libLLVM has a --stop-after of its own, among many others
  Options options;
  cl::ParseCommandLineOptions(argc, argv, "reference interpreter of gemma models\n");
  llvm::Error error = Run(options)();
  int code = 0;
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &info) {
    llvm::errs() << "gemma-run: error: " << info.message() << "\n";
    code = info.isA<Failure>() ? static_cast<int>(static_cast<const Failure &>(info).exitCode()) : 1;
  });
  return code;
}
