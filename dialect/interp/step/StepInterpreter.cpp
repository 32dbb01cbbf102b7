#include "dialect/interp/step/StepInterpreter.h"

#include "dialect/interp/step/StepTask.h"
#include "dialect/step/StepAccess.h"
#include "frontend/Diagnostic.h"

#include "llvm/ADT/SetVector.h"

#include <algorithm>
#include <numeric>
#include <random>

using namespace gemmac;

BufferView StepTask::view(mlir::Value value) const {
  BufferView view = memory.buffer(step::bufferOf(value), worker);
  if (auto tile = value.getDefiningOp<step::TileOp>()) {
    int64_t elementBytes = view.stride / view.columns;
    view.data += (static_cast<int64_t>(tile.getOffset()) + static_cast<int64_t>(tile.getStride()) * column) *
                 elementBytes;
    view.columns = static_cast<int64_t>(tile.getWidth());
  }
  return view;
}

int64_t StepTask::tokenIndex(int64_t r) const {
  return step::PhaseOp(phase).getRows() == step::Rows::All ? r : call.last[static_cast<size_t>(r)];
}

llvm::Expected<llvm::ArrayRef<float>> StepTask::vec(mlir::FlatSymbolRefAttr symbol) {
  if (!symbol)
    return llvm::ArrayRef<float>();
  return weights.vec(weight(symbol));
}

llvm::Error StepTask::error(mlir::Operation *op, const llvm::Twine &what) const {
  return inputError("phase " + step::PhaseOp(phase).getName().str(), op->getName().getStringRef(), what);
}

struct StepInterpreter::State {
  State(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source,
        const StepRunOptions &options)
      : program(program), options(options), memory(program, options.workers),
        weights(program, module, source) {
    addTileElementwiseHandlers(table);
    addTileRowsHandlers(table);
    addTileMatmulHandlers(table);
    addTileMoeHandlers(table);
    addTileSelectHandlers(table);
    addTileRopeHandlers(table);
    addTileAttentionHandlers(table);
  }

  llvm::Error runBlock(StepTask &task, mlir::Block &block);
  llvm::Error runPhase(const StepCall &call, step::PhaseOp phase);
  std::vector<int64_t> taskOrder(int64_t tasks);
  bool observe(const StepCall &call, step::PhaseOp phase);

  step::ProgramOp program;
  StepRunOptions options;
  StepMemory memory;
  StepWeights weights;
  TileHandlerTable table;
  Observer observer;
  std::mt19937_64 random;
  bool reserved = false;
  std::vector<int32_t> ids; ///< of the last run's logits, where they are the largest
};

StepInterpreter::StepInterpreter(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source,
                                 const StepRunOptions &options)
    : state(std::make_unique<State>(program, module, source, options)) {
  state->random.seed(options.seed);
}

StepInterpreter::~StepInterpreter() = default;

llvm::ArrayRef<int32_t> StepInterpreter::ids() const { return state->ids; }

void StepInterpreter::setObserver(Observer observer) { state->observer = std::move(observer); }

static int64_t liveRows(const StepCall &call, step::PhaseOp phase) {
  return static_cast<int64_t>(phase.getRows() == step::Rows::All ? call.tokens.size() : call.last.size());
}

llvm::Error StepInterpreter::State::runBlock(StepTask &task, mlir::Block &block) {
  for (mlir::Operation &op : block) {
    if (llvm::isa<step::TileOp>(op))
      continue;
    if (auto inside = llvm::dyn_cast<step::CaseOp>(op)) {
      int64_t column = task.column, begin = static_cast<int64_t>(inside.getBegin());
      if (column < begin || column >= static_cast<int64_t>(inside.getEnd()))
        continue;
      task.column = column - begin;
      llvm::Error error = runBlock(task, inside.getBody().front());
      task.column = column;
      if (error)
        return error;
      continue;
    }
    TileHandler handler = table.find(op.getName().getStringRef());
    if (!handler)
      return task.error(&op, "the interpreter has no meaning for this op");
    if (llvm::Error error = handler(task, &op))
      return error;
  }
  return llvm::Error::success();
}

std::vector<int64_t> StepInterpreter::State::taskOrder(int64_t tasks) {
  std::vector<int64_t> order(static_cast<size_t>(tasks));
  std::iota(order.begin(), order.end(), 0);
  if (options.order == TaskOrder::Descending)
    std::reverse(order.begin(), order.end());
  for (size_t i = order.size(); options.order == TaskOrder::Shuffled && i > 1; --i)
    std::swap(order[i - 1], order[random() % i]);
  return order;
}

namespace {
/// The private buffers of a phase. What only the body writes holds nothing at a task's start.
struct PrivateBuffers {
  explicit PrivateBuffers(step::PhaseOp phase) {
    llvm::SmallPtrSet<mlir::Operation *, 8> prologue;
    for (const step::Access &access : step::accessesOf(phase)) {
      if (!access.isPrivate())
        continue;
      mlir::Operation *buffer = step::bufferOf(access.buffer);
      all.insert(buffer);
      if (access.write && access.place.prologue)
        prologue.insert(buffer);
    }
    for (mlir::Operation *buffer : all)
      if (!prologue.contains(buffer))
        fresh.push_back(llvm::cast<step::BufferOp>(buffer));
  }
  llvm::SetVector<mlir::Operation *> all;
  llvm::SmallVector<step::BufferOp> fresh;
};
} // namespace

llvm::Error StepInterpreter::State::runPhase(const StepCall &call, step::PhaseOp phase) {
  int64_t rows = liveRows(call, phase), cols = static_cast<int64_t>(phase.getCols());
  StepTask task(memory, weights, call, phase, static_cast<int64_t>(program.getContext()));
  PrivateBuffers buffers(phase);
  for (mlir::Operation *buffer : buffers.all)
    for (int64_t worker = 0; worker < options.workers; ++worker)
      memory.poison(llvm::cast<step::BufferOp>(buffer), worker);
  std::vector<bool> prepared(static_cast<size_t>(options.workers));
  std::vector<int64_t> order = taskOrder(phase.getByRow() ? cols * rows : cols);
  for (size_t i = 0; i < order.size(); ++i) {
    task.worker = static_cast<int64_t>(i) % options.workers;
    if (!prepared[static_cast<size_t>(task.worker)] && !phase.getPrologue().empty()) {
      task.publishes = i == 0;
      task.rowBegin = 0;
      task.rowEnd = rows;
      task.column = 0;
      if (llvm::Error error = runBlock(task, phase.getPrologue().front()))
        return error;
    }
    prepared[static_cast<size_t>(task.worker)] = true;
    for (step::BufferOp buffer : buffers.fresh)
      memory.poison(buffer, task.worker);
    task.firstTask = i == 0;
    task.column = order[i] % cols;
    task.rowBegin = phase.getByRow() ? order[i] / cols : 0;
    task.rowEnd = phase.getByRow() ? task.rowBegin + 1 : rows;
    if (llvm::Error error = runBlock(task, phase.getBody().front()))
      return error;
  }
  return llvm::Error::success();
}

static Tensor contents(const BufferView &view, mlir::MemRefType type, int64_t live) {
  int64_t rows = std::min(view.rows, live);
  bool floats = type.getElementType().isF32();
  Tensor t = floats ? Tensor::ofFloats({rows, view.columns}) : Tensor::ofInts({rows, view.columns});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < view.columns; ++c) {
      size_t at = static_cast<size_t>(r * view.columns + c);
      if (floats)
        t.f32[at] = view.row<float>(r)[c];
      else
        t.i32[at] = type.getElementType().isInteger(8) ? view.row<int8_t>(r)[c] : view.row<int32_t>(r)[c];
    }
  return t;
}

bool StepInterpreter::State::observe(const StepCall &call, step::PhaseOp phase) {
  if (!observer)
    return true;
  llvm::SetVector<mlir::Operation *> written;
  for (const step::Access &access : step::accessesOf(phase))
    if (access.write && access.buffer && !access.isPrivate())
      written.insert(step::bufferOf(access.buffer));
  std::vector<PhaseResult> results;
  for (mlir::Operation *op : written) {
    auto buffer = llvm::cast<step::BufferOp>(op);
    results.push_back({buffer.getName(), contents(memory.buffer(buffer, 0), buffer.getResult().getType(),
                                                  liveRows(call, phase))});
  }
  return observer(phase, results);
}

/// Fills in the last token of each sequence; an error where the call does not fit the entry.
static llvm::Error checkCall(StepCall &call, step::EntryOp entry, int64_t context) {
  std::string name = "@" + entry.getSymName().str();
  if (call.tokens.empty() || call.tokens.size() > entry.getRows())
    return usageError(name + " takes 1 to " + llvm::Twine(entry.getRows()) + " tokens, found " +
                      llvm::Twine(call.tokens.size()));
  if (call.positions.size() != call.tokens.size() || call.seq.size() != call.tokens.size())
    return usageError(name + ": expected as many positions and sequences as tokens");
  call.last.assign(static_cast<size_t>(entry.getBatch()), -1);
  for (size_t r = 0; r < call.tokens.size(); ++r) {
    if (call.positions[r] < 0 || call.positions[r] >= context)
      return usageError(name + ": position " + llvm::Twine(call.positions[r]) + " is not in the context of " +
                        llvm::Twine(context));
    if (call.seq[r] < 0 || static_cast<size_t>(call.seq[r]) >= call.last.size())
      return usageError(name + ": sequence " + llvm::Twine(call.seq[r]) + " is not in [0, " +
                        llvm::Twine(call.last.size()) + ")");
    call.last[static_cast<size_t>(call.seq[r])] = static_cast<int64_t>(r);
  }
  for (size_t b = 0; b < call.last.size(); ++b)
    if (call.last[b] < 0)
      return usageError(name + ": sequence " + llvm::Twine(b) + " has no token");
  return llvm::Error::success();
}

llvm::Expected<std::vector<float>> StepInterpreter::run(llvm::StringRef name, llvm::ArrayRef<int32_t> tokens,
                                                        llvm::ArrayRef<int32_t> positions,
                                                        llvm::ArrayRef<int32_t> seq) {
  auto entry = llvm::dyn_cast_or_null<step::EntryOp>(state->program.lookupSymbol(name));
  if (!entry)
    return usageError("no entry @" + name + " in the program");
  std::vector<int32_t> zeros(tokens.size());
  StepCall call{tokens, positions, seq.empty() ? llvm::ArrayRef<int32_t>(zeros) : seq, {}};
  if (llvm::Error error = checkCall(call, entry, static_cast<int64_t>(state->program.getContext())))
    return error;
  state->ids.clear();
  if (!state->reserved)
    if (llvm::Error error = state->memory.reserve())
      return error;
  state->reserved = true;
  for (step::BufferOp buffer : entry.getBody().getOps<step::BufferOp>())
    if (!step::isPrivate(buffer.getResult()))
      state->memory.poison(buffer, 0);
  for (step::PhaseOp phase : entry.getBody().getOps<step::PhaseOp>()) {
    if (llvm::Error error = state->runPhase(call, phase))
      return error;
    if (!state->observe(call, phase))
      return std::vector<float>();
  }
  step::BufferOp logits = step::logitsOf(entry);
  if (!logits)
    return std::vector<float>();
  size_t rows = entry.getLogits() == step::Logits::All ? tokens.size() : call.last.size();
  if (entry.getLogits() == step::Logits::Top) {
    step::BufferOp ids = step::yieldedBy(entry).back();
    state->ids = contents(state->memory.buffer(ids, 0), ids.getResult().getType(), 1).i32;
  }
  return contents(state->memory.buffer(logits, 0), logits.getResult().getType(), static_cast<int64_t>(rows))
      .f32;
}
