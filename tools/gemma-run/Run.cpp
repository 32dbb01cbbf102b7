#include "tools/gemma-run/Run.h"

#include "dialect/interp/step/StepInterpreter.h"
#include "frontend/Checkpoint.h"
#include "frontend/Diagnostic.h"
#include "frontend/ImportText.h"
#include "passes/Pipelines.h"
#include "tools/gemma-run/Npy.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <numeric>

using namespace gemmac;

std::vector<Run::Piece> Run::pieces(int64_t most) const {
  size_t count = ids.size(), limit = options.entry == Entry::Decode ? 1 : static_cast<size_t>(most);
  std::vector<Piece> all;
  for (size_t begin = 0; begin < count;) {
    size_t end = std::min(count, begin + limit);
    if (begin < options.split)
      end = std::min<size_t>(end, options.split);
    Piece piece;
    piece.tokens.assign(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                        ids.begin() + static_cast<std::ptrdiff_t>(end));
    piece.pos.resize(end - begin);
    std::iota(piece.pos.begin(), piece.pos.end(), static_cast<int32_t>(begin));
    piece.seq.resize(end - begin);
    piece.last = end == count;
    all.push_back(std::move(piece));
    begin = end;
  }
  return all;
}

llvm::StringRef Run::entryName(const Piece &piece) const {
  if (options.level == Level::Gemma)
    return "forward";
  if (options.entry == Entry::Decode)
    return "decode";
  if (options.entry == Entry::All)
    return "prefill_all";
  return piece.last ? "prefill_last" : "prefill_none";
}

bool Run::observe(llvm::StringRef name, llvm::StringRef file, const Tensor &value) {
  bool stop = !options.stopAfter.empty() && name == options.stopAfter;
  if (value.kv || name.empty())
    return !stop;
  if (!options.dumpDir.empty() && !dumpError) {
    llvm::SmallString<128> path(options.dumpDir);
    llvm::sys::path::append(path, file + ".npy");
    if (llvm::Error error = writeNpy(path, value))
      dumpError = std::move(error);
  }
  if (stop && !stopped)
    stopped = value;
  return !stop;
}

void Run::append(const float *row, int64_t rows, int64_t stride, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, row += stride)
    logits.f32.insert(logits.f32.end(), row, row + columns);
  logits.shape = {static_cast<int64_t>(logits.f32.size()) / columns, columns};
}

static void printBest(const Tensor &logits) {
  const float *row = logits.f32.data() + (elementCount(logits.shape) - logits.columns());
  std::vector<int32_t> order(static_cast<size_t>(logits.columns()));
  std::iota(order.begin(), order.end(), 0);
  size_t count = std::min<size_t>(5, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int32_t a, int32_t b) { return row[a] > row[b]; });
  for (size_t i = 0; i < count; ++i)
    llvm::outs() << order[i] << " " << row[order[i]] << "\n";
}

llvm::Error Run::finish() {
  if (dumpError)
    return std::move(*dumpError);
  if (!stopped && !options.stopAfter.empty())
    return usageError("nothing is called '" + options.stopAfter + "' in what ran");
  Tensor result = stopped ? std::move(*stopped) : std::move(logits);
  if (!stopped && options.entry == Entry::Last && !result.f32.empty()) {
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

llvm::Error Run::runGemma(mlir::ModuleOp module, const TensorSource &source) {
  Interpreter interpreter(module, &source);
  interpreter.setObserver([&](mlir::Operation *op, llvm::ArrayRef<Tensor> results) {
    return results.empty() || observe(placeOf(op), placeOf(op), results.front());
  });
  for (const Piece &piece : pieces(static_cast<int64_t>(ids.size()))) {
    auto results = interpreter.run(entryName(piece), piece.tokens, piece.pos, piece.seq);
    if (!results)
      return results.takeError();
    if (stopped || dumpError)
      break;
    if (!results->empty())
      append(results->front().f32.data(), results->front().rows(), results->front().columns(),
             results->front().columns());
  }
  return finish();
}

llvm::Error Run::runStep(mlir::ModuleOp module, const TensorSource &source, int64_t vocab) {
  auto programs = module.getOps<step::ProgramOp>();
  if (programs.empty())
    return machineError("the lowering left no step.program");
  step::ProgramOp program = *programs.begin();
  StepRunOptions runOptions{options.order, options.seed, std::clamp<int64_t>(options.workers, 1, 256)};
  StepInterpreter interpreter(program, module, &source, runOptions);
  interpreter.setObserver([&](step::PhaseOp phase, llvm::ArrayRef<PhaseResult> results) {
    bool go = true;
    for (const PhaseResult &result : results)
      go &= observe(phase.getName(), (phase.getName() + "--" + result.name).str(), result.value);
    return go;
  });
  for (const Piece &piece : pieces(static_cast<int64_t>(program.getChunk()))) {
    auto values = interpreter.run(entryName(piece), piece.tokens, piece.pos);
    if (!values)
      return values.takeError();
    if (stopped || dumpError)
      break;
    int64_t rows = options.entry == Entry::All ? static_cast<int64_t>(piece.tokens.size()) : 1;
    if (!values->empty()) // columns behind the vocabulary are padding
      append(values->data(), rows, static_cast<int64_t>(values->size()) / rows, vocab);
  }
  return finish();
}

/// Runs the pipelines of the level on the imported module.
llvm::Error Run::lower(mlir::ModuleOp module) {
  if (options.level == Level::Gemma)
    return llvm::Error::success();
  std::string problem;
  std::optional<FuseSelection> fuse = FuseSelection::parse(options.fuse, problem);
  if (!fuse)
    return usageError(problem);
  mlir::PassManager manager(module.getContext());
  buildGemmaPipeline(manager, *fuse, options.quantize);
  if (options.level == Level::Step) {
    StepOptions step;
    step.context = options.context;
    step.chunk = options.chunk;
    step.compute = options.compute;
    step.kv = options.kv;
    buildStepPipeline(manager, step);
  }
  if (mlir::failed(manager.run(module)))
    return machineError("the pipeline failed");
  if (options.noPlan)
    module.walk([](mlir::Operation *op) {
      for (llvm::StringRef name : {"offset", "k_offset", "v_offset"})
        if (llvm::isa<step::BufferOp, step::CacheOp>(op))
          op->removeAttr(name);
    });
  return llvm::Error::success();
}

llvm::Error Run::operator()() {
  if (options.ids.empty() && !options.printIr)
    return usageError("--ids is missing");
  if (!options.dumpDir.empty())
    if (std::error_code failure = llvm::sys::fs::create_directories(options.dumpDir))
      return machineError("cannot make '" + options.dumpDir + "': " + failure.message());
  auto checkpoint = loadCheckpoint(options.model);
  if (!checkpoint)
    return checkpoint.takeError();
  const ModelConfig &config = checkpoint->config;
  for (int32_t id : options.ids)
    ids.push_back(llvm::is_contained(config.placeholders, id) ? static_cast<int32_t>(config.pad) : id);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<gemma::GemmaDialect, step::StepDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module = importText(context, *checkpoint);
  if (mlir::failed(mlir::verify(*module)))
    return machineError("the imported module is not valid");
  if (options.level == Level::Gemma && options.quantize != gemma::Quant::None)
    return usageError("--quantize needs --level=fused or step");
  if (llvm::Error error = lower(*module))
    return error;
  if (options.printIr) {
    module->print(llvm::outs());
    return llvm::Error::success();
  }
  if (options.level == Level::Step)
    return runStep(*module, *checkpoint->tensors, config.vocab);
  return runGemma(*module, *checkpoint->tensors);
}
