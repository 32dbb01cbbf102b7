#include "tools/gemma-run/Run.h"

#include "dialect/interp/step/StepInterpreter.h"
#include "frontend/Diagnostic.h"
#include "frontend/ImportText.h"
#include "passes/Pipelines.h"
#include "tools/gemma-run/Npy.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <limits>
#include <numeric>

using namespace gemmac;

Run::Run(const RunOptions &options) : options(options), context(mlir::MLIRContext::Threading::DISABLED) {
  context.loadDialect<gemma::GemmaDialect, step::StepDialect, mlir::func::FuncDialect>();
}

static bool isDecode(Entry entry) { return entry == Entry::Decode || entry == Entry::Top; }

std::vector<Run::Piece> Run::pieces(int64_t most) const {
  size_t count = ids.size(), limit = isDecode(options.entry) ? 1 : static_cast<size_t>(most);
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
  if (level == Level::Gemma)
    return "forward";
  if (options.entry == Entry::Decode)
    return "decode";
  if (options.entry == Entry::Top)
    return "decode_top";
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

llvm::Error Run::runGemma() {
  Interpreter interpreter(*module, checkpoint ? checkpoint->tensors.get() : nullptr);
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

/// All logits, minus infinity but for those with `ids`.
static std::vector<float> spread(llvm::ArrayRef<float> values, llvm::ArrayRef<int32_t> ids, int64_t vocab) {
  std::vector<float> all(static_cast<size_t>(vocab), -std::numeric_limits<float>::infinity());
  for (auto [value, id] : llvm::zip_equal(values, ids))
    if (id >= 0)
      all[static_cast<size_t>(id)] = value;
  return all;
}

llvm::Error Run::runStep() {
  auto programs = module->getOps<step::ProgramOp>();
  if (programs.empty())
    return machineError("the lowering left no step.program");
  step::ProgramOp program = *programs.begin();
  auto vocab = (*module)->getAttrOfType<mlir::IntegerAttr>("gemma.vocab");
  StepRunOptions runOptions{options.order, options.seed, std::clamp<int64_t>(options.workers, 1, 256)};
  StepInterpreter interpreter(program, *module, checkpoint ? checkpoint->tensors.get() : nullptr, runOptions);
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
    if (options.entry == Entry::Top && vocab)
      *values = spread(*values, interpreter.ids(), vocab.getInt());
    int64_t rows = options.entry == Entry::All ? static_cast<int64_t>(piece.tokens.size()) : 1;
    const int64_t columns = static_cast<int64_t>(values->size()) / rows; // behind the vocabulary is padding
    if (!values->empty())
      append(values->data(), rows, columns,
             vocab ? std::clamp<int64_t>(vocab.getInt(), 1, columns) : columns);
  }
  return finish();
}

/// Runs the pipelines between the module's level and the one to run.
llvm::Error Run::lower() {
  if (level == has)
    return llvm::Error::success();
  std::string problem;
  std::optional<FuseSelection> fuse = FuseSelection::parse(options.fuse, problem);
  if (!fuse)
    return usageError(problem);
  mlir::PassManager manager(module->getContext());
  if (has == Level::Gemma)
    buildGemmaPipeline(manager, *fuse, options.quantize);
  if (level == Level::Step) {
    StepOptions step;
    step.context = options.context;
    step.chunk = options.chunk;
    step.candidates = fuse->has(Fuse::Top) ? kCandidates : 0;
    step.compute = options.compute;
    step.kv = options.kv;
    buildStepPipeline(manager, step);
  }
  if (mlir::failed(manager.run(*module)))
    return inputError(options.model, "", "the pipeline failed (see the messages above)");
  if (options.noPlan)
    module->walk([](mlir::Operation *op) {
      for (llvm::StringRef name : {"offset", "k_offset", "v_offset"})
        if (llvm::isa<step::BufferOp, step::CacheOp>(op))
          op->removeAttr(name);
    });
  return llvm::Error::success();
}

llvm::Error Run::loadModel() {
  if (!options.checkpoint.empty())
    return usageError("--checkpoint goes with a module; '" + options.model + "' is a checkpoint itself");
  auto loaded = loadCheckpoint(options.model);
  if (!loaded)
    return loaded.takeError();
  checkpoint.emplace(std::move(*loaded));
  module = importText(context, *checkpoint);
  if (mlir::failed(mlir::verify(*module)))
    return machineError("the imported module is not valid");
  return llvm::Error::success();
}

/// A module at any level, told by what is in it. Without --checkpoint its weights are literals or random.
llvm::Error Run::loadModule() {
  if (!options.checkpoint.empty()) {
    auto loaded = loadCheckpoint(options.checkpoint);
    if (!loaded)
      return loaded.takeError();
    checkpoint.emplace(std::move(*loaded));
  }
  module = mlir::parseSourceFile<mlir::ModuleOp>(options.model, &context);
  if (!module)
    return inputError(options.model, "", "no valid module (see the messages above)");
  auto isEntry = [](mlir::func::FuncOp function) { return function->hasAttr("gemma.entry"); };
  if (!module->getOps<step::ProgramOp>().empty())
    has = Level::Step;
  else if (llvm::any_of(module->getOps<mlir::func::FuncOp>(), isEntry))
    has = Level::Fused;
  return llvm::Error::success();
}

llvm::Error Run::operator()() {
  if (options.ids.empty() && !options.printIr)
    return usageError("--ids is missing");
  if (!options.dumpDir.empty())
    if (std::error_code failure = llvm::sys::fs::create_directories(options.dumpDir))
      return machineError("cannot make '" + options.dumpDir + "': " + failure.message());
  bool text = llvm::StringRef(options.model).ends_with(".mlir");
  if (llvm::Error error = text ? loadModule() : loadModel())
    return error;
  level = options.level.getNumOccurrences() ? options.level : has;
  if (level < has)
    return usageError("--level: the module is further on already, leave the option out");
  if (options.quantize != gemma::Quant::None && (level == Level::Gemma || has != Level::Gemma))
    return usageError("--quantize needs an imported model and --level=fused or step");
  if (options.entry == Entry::Top && level != Level::Step)
    return usageError("--entry=top needs --level=step");
  for (int32_t id : options.ids)
    ids.push_back(checkpoint && llvm::is_contained(checkpoint->config.placeholders, id)
                      ? static_cast<int32_t>(checkpoint->config.pad)
                      : id);
  if (llvm::Error error = lower())
    return error;
  if (options.printIr) {
    module->print(llvm::outs());
    return llvm::Error::success();
  }
  return level == Level::Step ? runStep() : runGemma();
}
