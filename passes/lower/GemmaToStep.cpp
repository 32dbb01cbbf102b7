// gemma-to-step: the entry functions of a model become one step.program. This file checks the options and the
// module and makes the program, its entries and caches; EntryLowering makes the phases.
#include "dialect/step/Layout.h"
#include "passes/lower/EntryLowering.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMATOSTEP
#include "passes/lower/StepPasses.h.inc"
} // namespace gemmac

using namespace gemmac;
using namespace gemmac::lower;
using mlir::failed;
using mlir::failure;
using mlir::LogicalResult;
using mlir::success;

/// Logits of prefill_all are computed for at most this many bytes at a time.
static constexpr int64_t kLogitsBytes = 32 << 20;

namespace {
struct EntryKind {
  llvm::StringRef name;
  bool decode;
  step::Logits logits;
};
constexpr EntryKind kEntries[] = {{"decode", true, step::Logits::Last},
                                  {"prefill_none", false, step::Logits::None},
                                  {"prefill_last", false, step::Logits::Last},
                                  {"prefill_all", false, step::Logits::All}};

struct EntryFunction {
  mlir::func::FuncOp function;
  EntryKind kind;
  int64_t rows;
};

struct GemmaToStepPass : impl::GemmaToStepBase<GemmaToStepPass> {
  using GemmaToStepBase::GemmaToStepBase;
  void runOnOperation() override;

private:
  mlir::FailureOr<StepOptions> readOptions();
  mlir::FailureOr<EntryFunction> readEntry(mlir::func::FuncOp function, const StepOptions &options);
  LogicalResult makeCaches(llvm::ArrayRef<EntryFunction> entries, ProgramInfo &info);
};
} // namespace

mlir::FailureOr<StepOptions> GemmaToStepPass::readOptions() {
  StepOptions options;
  options.context = context;
  options.chunk = std::max<int64_t>(batch, std::min<int64_t>(chunk, context));
  options.batch = batch;
  // Positions are i32 and sizes are products of these: keep both in range.
  constexpr int64_t most = 1 << 24;
  if (context < 1 || context > most || chunk < 1 || batch < 1 || batch > 1024)
    return getOperation().emitError("expected 1 <= context <= ")
           << most << ", 1 <= chunk and 1 <= batch <= 1024, found context " << int64_t(context) << ", chunk "
           << int64_t(chunk) << ", batch " << int64_t(batch);
  if (compute == "f32")
    options.compute = Compute::F32;
  else if (compute == "bf16")
    options.compute = Compute::BF16;
  else if (compute == "int8")
    options.compute = Compute::I8;
  else
    return getOperation().emitError("unknown compute '") << compute << "'; expected f32, bf16 or int8";
  std::optional<step::KvType> type = step::symbolizeKvType(kv);
  if (!type)
    return getOperation().emitError("unknown kv '") << kv << "'; expected f32, bf16 or q8";
  options.kv = *type;
  options.tiles = tiles;
  options.tasks = tasks;
  options.headTasks = headTasks;
  if (tiles && options.chunk > kTileRowGroup) // tiles hold rows by 32
    options.chunk = options.chunk / kTileRowGroup * kTileRowGroup;
  return options;
}

/// Which entry a function is, and how many rows a step of it has at most.
mlir::FailureOr<EntryFunction> GemmaToStepPass::readEntry(mlir::func::FuncOp function,
                                                          const StepOptions &options) {
  auto attribute = function->getAttrOfType<mlir::StringAttr>("gemma.entry");
  if (!attribute)
    return function.emitError("is no entry of a step; run gemma-entries first");
  const EntryKind *kind =
      llvm::find_if(kEntries, [&](auto &entry) { return entry.name == attribute.getValue(); });
  if (kind == std::end(kEntries))
    return function.emitError("unknown entry '")
           << attribute.getValue() << "'; expected decode, prefill_none, prefill_last or prefill_all";
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return function.emitError("needs a body of one block");
  if (failed(checkSignature(function, kind->decode, kind->logits, options.batch)))
    return failure();
  EntryFunction entry{function, *kind, kind->decode ? options.batch : options.chunk};
  if (kind->logits == step::Logits::All) {
    int64_t vocab = llvm::cast<mlir::RankedTensorType>(function.getResultTypes()[0]).getShape().back();
    int64_t rows = std::max(options.batch, kLogitsBytes / (vocab * 4));
    entry.rows = std::min(options.chunk, options.tiles ? roundUp(rows, kTileRowGroup) : rows);
  }
  return entry;
}

/// One step.cache for each cache that an entry writes. A window keeps what its oldest row may still see while
/// the newest is being written.
LogicalResult GemmaToStepPass::makeCaches(llvm::ArrayRef<EntryFunction> entries, ProgramInfo &info) {
  int64_t mostRows = 1;
  llvm::StringSet<> written;
  for (const EntryFunction &entry : entries) {
    mostRows = std::max(mostRows, entry.rows);
    mlir::func::FuncOp function = entry.function;
    function.walk([&](gemma::CacheUpdateOp op) { written.insert(op.getCache()); });
  }
  mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(&info.program.getBody().front());
  for (auto cache : getOperation().getOps<gemma::CacheOp>()) {
    if (!written.contains(cache.getSymName()))
      continue;
    const auto window = static_cast<int64_t>(cache.getWindow());
    int64_t positions =
        window > 0 ? std::min(info.options.context, window - 1 + mostRows) : info.options.context;
    info.caches[cache.getSymName()] = step::CacheOp::create(
        builder, cache.getLoc(), cache.getSymName(), cache.getHeads(), cache.getHeadDim(), window,
        roundUp(positions, info.options.tiles ? kTileK : kPanelRows), info.options.kv, mlir::IntegerAttr(),
        mlir::IntegerAttr());
  }
  return success();
}

void GemmaToStepPass::runOnOperation() {
  mlir::ModuleOp module = getOperation();
  mlir::FailureOr<StepOptions> options = readOptions();
  if (failed(options))
    return signalPassFailure();
  llvm::SmallVector<EntryFunction> entries;
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    mlir::FailureOr<EntryFunction> entry = readEntry(function, *options);
    if (failed(entry))
      return signalPassFailure();
    entries.push_back(*entry);
  }
  if (entries.empty()) {
    module.emitError("has no entry functions; run gemma-entries first");
    return signalPassFailure();
  }
  // decode first: it decides how a weight is cut and where it lies.
  auto decode = llvm::find_if(entries, [](const EntryFunction &entry) { return entry.kind.decode; });
  if (decode != entries.end())
    std::rotate(entries.begin(), decode, std::next(decode));

  mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(module.getBody());
  auto program =
      step::ProgramOp::create(builder, module.getLoc(), "step", options->context, options->chunk,
                              options->batch, mlir::IntegerAttr(), mlir::IntegerAttr(), mlir::IntegerAttr());
  if (program.getBody().empty())
    program.getBody().emplaceBlock();
  WeightTable weights(module, program, *options);
  for (EntryFunction &entry : entries)
    weights.noteUses(entry.function.front());
  ProgramInfo info{*options, program, weights, {}};
  if (failed(makeCaches(entries, info)))
    return signalPassFailure();

  llvm::SmallVector<step::EntryOp> made;
  for (EntryFunction &entry : entries) {
    // Weights gather at the program's end while entries are made; entries move behind them afterwards.
    mlir::OpBuilder detached(module.getContext());
    auto op = step::EntryOp::create(detached, entry.function.getLoc(), entry.kind.name, entry.rows,
                                    options->batch, entry.kind.logits);
    if (op.getBody().empty())
      op.getBody().emplaceBlock();
    made.push_back(op);
    EntryLowering lowering(info, entry.function, op, entry.kind.decode);
    LogicalResult lowered = lowering.run();
    numPhases += lowering.numPhases();
    if (failed(lowered)) {
      for (step::EntryOp entryOp : made)
        entryOp.erase();
      return signalPassFailure();
    }
  }
  weights.finish();
  numWeights += weights.size();
  for (step::EntryOp entry : made)
    program.getBody().front().push_back(entry);
  for (EntryFunction &entry : entries)
    entry.function.erase();
  for (auto cache : llvm::make_early_inc_range(module.getOps<gemma::CacheOp>()))
    cache.erase();
}
