// Entries and phases: straight lines of calls, the claiming of tasks, barriers and prefetches. See
// StepToCpu.h.
#include "codegen/cpu/StepToCpu.h"

#include "codegen/cpu/Experts.h"
#include "codegen/kernel/PhaseKey.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include "llvm/ADT/TypeSwitch.h"

#include <functional>
#include <utility>

using namespace mlir;

namespace gemmac {

namespace cpu {

func::FuncOp KernelLibrary::declare(StringRef name, TypeRange arguments, bool exported) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto function =
      func::FuncOp::create(builder, module.getLoc(), name, builder.getFunctionType(arguments, {}));
  if (!exported) {
    function.setPrivate();
    function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(builder.getContext(), LLVM::Linkage::Internal));
  }
  return function;
}

std::string KernelLibrary::table(ArrayRef<float> values) {
  std::string &name = tables[std::vector<float>(values)];
  if (!name.empty())
    return name;
  name = "table_" + std::to_string(tables.size() - 1);
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  auto count = static_cast<int64_t>(values.size());
  auto data = DenseElementsAttr::get(RankedTensorType::get({count}, builder.getF32Type()), values);
  LLVM::GlobalOp::create(builder, module.getLoc(),
                         LLVM::LLVMArrayType::get(builder.getF32Type(), values.size()),
                         /*isConstant=*/true, LLVM::Linkage::Internal, name, data, /*alignment=*/64);
  return name;
}

func::FuncOp KernelLibrary::defined(StringRef name, StringRef arguments,
                                    function_ref<void(KernelBuilder &, ValueRange)> body) {
  func::FuncOp &function = functions[name];
  if (function)
    return function;
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = IntegerType::get(context, 64);
  SmallVector<Type> types;
  for (char kind : arguments)
    types.push_back(kind == 'p' ? pointer : i64);
  function = declare(name, types, /*exported=*/false);
  OpBuilder builder = OpBuilder::atBlockBegin(function.addEntryBlock());
  KernelBuilder k(builder, function.getLoc(), target);
  body(k, function.getArguments());
  func::ReturnOp::create(builder, function.getLoc());
  return function;
}

func::FuncOp KernelLibrary::prefetch() {
  return defined("prefetch_task", "ppiiiii", [](KernelBuilder &k, ValueRange a) {
    Value worker = k.load(k.i64(), k.at(a[0], Worker));
    k.ifThen(k.lt(worker, a[3]), [&] {
      Value task = k.at(a[1], k.mul(worker, a[2]));
      k.loop(k.c(0), a[4], 1, [&](Value stream) {
        Value from = k.at(task, k.mul(stream, a[5]));
        k.loop(k.c(0), a[6], 64, [&](Value offset) {
          LLVM::Prefetch::create(k.builder(), k.location(), k.at(from, offset), /*rw=*/0, /*hint=*/2,
                                 /*cache=*/1);
        });
      });
    });
  });
}

Value TaskGrid::count(KernelBuilder &k, Value rows) const {
  if (rowsAtOnce == 0)
    return k.c(columns);
  return k.mul(rowsAtOnce == 1 ? rows : k.div(k.add(rows, rowsAtOnce - 1), rowsAtOnce), columns);
}

namespace {

class ProgramEmitter {
public:
  ProgramEmitter(step::ProgramOp program, ModuleOp dst, const Target &target, StringRef suffix)
      : program(program), symbols(program), dst(dst), target(target), suffix(suffix), library(dst, target),
        tiles(usesTiles(program)) {}
  LogicalResult run();

private:
  step::ProgramOp program;
  SymbolTable symbols;
  ModuleOp dst;
  const Target &target;
  StringRef suffix;
  KernelLibrary library;
  bool tiles;
  llvm::StringMap<func::FuncOp> phases; ///< by PhaseKey::text
  llvm::StringMap<unsigned> names;
  func::FuncOp barrier;

  LogicalResult check();
  std::string howOf(step::PhaseOp phase) const;
  LogicalResult emitEntry(step::EntryOp entry);
  FailureOr<func::FuncOp> phaseFunction(step::PhaseOp phase, const PhaseKey &key);
  LogicalResult fillPhase(PhaseEmitter &e, func::FuncOp function, const PhaseKey &key);
};

/// Claims of tasks, and what arrives at a split attention.
int64_t counterLines(step::PhaseOp phase) {
  step::AttentionOp attention = onlyAttention(phase);
  return 1 + (attention ? arrivalLines(attention) : 0);
}

/// What one entry's calls share.
struct EntryEmitter {
  KernelBuilder &k;
  SymbolTable &symbols;
  EntryScope scope;
  Value scratch;
  int64_t counterLine = 0;

  SmallVector<Value> arguments(step::PhaseOp phase, const PhaseKey &key) {
    const int64_t line = std::exchange(counterLine, counterLine + counterLines(phase));
    return scope.phaseArguments(phase, key, line, symbols, scratch);
  }
  void prefetch(step::PrefetchOp op, func::FuncOp function);
};

/// The phase behind a prefetch.
step::PhaseOp phaseBehind(step::PrefetchOp op) {
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode())
    if (auto phase = dyn_cast<step::PhaseOp>(next))
      return phase;
  return {};
}

/// How many panels of `weight` a row's product in `phase` reads side by side.
int64_t streamsOf(step::PhaseOp phase, step::WeightOp weight, const Target &target) {
  int64_t streams = 1;
  phase.getBody().walk([&](step::MatmulOp op) {
    if (op.getWeight() != weight.getSymName())
      return;
    const step::Act act = op.getFormat() == step::Act::I8 ? step::Act::I8 : step::Act::F32; // callMatmul()
    const auto panels = static_cast<int64_t>(weight.getTile()) / kPanelRows;
    streams = resolved(tuningOf(op), target, weight.getFormat(), act, panels).streams;
  });
  return streams;
}

/// A prefetch brings the beginnings of the panels that are read first, side by side; if not, one piece from
/// the task's beginning.
constexpr bool kPrefetchesStreams = true;

void EntryEmitter::prefetch(step::PrefetchOp op, func::FuncOp function) {
  step::PhaseOp phase = phaseBehind(op);
  if (phase && tileTasksAtOnce(phase, symbols).most > 1) // the first tasks are not the workers' first
    return;
  auto weight = symbols.lookup<step::WeightOp>(op.getWeight());
  const int64_t streams = kPrefetchesStreams && phase ? streamsOf(phase, weight, k.cpu()) : 1;
  const int64_t apart = streams > 1 ? panelBytes(weight.getFormat(), weight.getK()) : taskBytes(weight);
  const int64_t each = std::min(roundUp(static_cast<int64_t>(op.getBytes()) / streams, 64), apart);
  Value base = k.at(scope.weights, *weight.getOffset());
  func::CallOp::create(k.builder(), k.location(), function,
                       ValueRange{scope.gmStep, base, k.c(taskBytes(weight)),
                                  k.c(weight.getN() / weight.getTile()), k.c(streams), k.c(apart),
                                  k.c(each)});
}

/// Everything that the code takes an address from has one, and the target can do what is asked for.
LogicalResult ProgramEmitter::check() {
  if (failed(checkPlanned(program, "the CPU emitter")))
    return failure();
  WalkResult result = program.walk([&](Operation *op) -> WalkResult {
    return TypeSwitch<Operation *, WalkResult>(op)
        .Case<step::MatmulOp, step::ExpertMatmulOp>([&](auto o) -> WalkResult {
          if (o.getFormat() == step::Act::BF16T && !target.amx)
            return o.emitOpError("reads bf16t activations, which need a matrix unit: target ")
                   << target.name << " lacks amx-tile and amx-bf16";
          return WalkResult::advance();
        })
        .Case<step::PackOp, step::PackTileOp>([&](auto o) -> WalkResult {
          if (o.getAct() == step::Act::BF16T && !target.amx)
            return o.emitOpError("writes bf16t activations, which need a matrix unit: target ")
                   << target.name << " lacks amx-tile and amx-bf16";
          return WalkResult::advance();
        })
        .Default([](Operation *) { return WalkResult::advance(); });
  });
  return failure(result.wasInterrupted());
}

/// What tells the code of a phase from that of others which are equal as phases.
std::string ProgramEmitter::howOf(step::PhaseOp phase) const {
  if (step::groupedExperts(phase)) // how much private memory it lays out
    return "experts " + std::to_string(cast<step::EntryOp>(phase->getParentOp()).getRows()) + " ";
  if (tiles && tileAttention(phase, symbols))
    return "tiles ";
  step::AttentionOp op = onlyAttention(phase);
  return op && isSplit(op) ? "split " : "";
}

FailureOr<func::FuncOp> ProgramEmitter::phaseFunction(step::PhaseOp phase, const PhaseKey &key) {
  func::FuncOp &function = phases[key.text];
  if (function)
    return function;
  OpBuilder builder(program->getContext());
  SmallVector<Type> types = phaseParameters(program->getContext(), key);
  function = library.declare(phaseFunctionName(phase.getName(), names), types, /*exported=*/false);
  // Distinct buffers, caches and weights do not overlap while they are live.
  for (unsigned i = 4; i < types.size(); ++i)
    function.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
  builder.setInsertionPointToStart(function.addEntryBlock());
  KernelBuilder k(builder, phase.getLoc(), target);
  PhaseEmitter e(k, library, phase);
  if (failed(fillPhase(e, function, key)))
    return failure();
  func::ReturnOp::create(builder, phase.getLoc());
  return function;
}

/// Tasks of a phase that is neither split by positions nor cut by the experts that rows choose.
TaskGrid gridOf(step::PhaseOp phase, const SymbolTable &symbols, bool tiles) {
  const auto columns = static_cast<int64_t>(phase.getCols());
  if (tiles && tileAttention(phase, symbols))
    return {kTileRowGroup, columns};
  const int64_t atOnce = tileTasksAtOnce(phase, symbols).least;
  return {phase.getByRow() ? 1 : 0, (columns + atOnce - 1) / atOnce};
}

/// Task (row,) column as the phase says, or several at a time where the phase is such that they gain by it.
Tasks tasksOf(PhaseEmitter &e, Value counter, const SymbolTable &symbols, bool tiles, LogicalResult &result) {
  KernelBuilder &k = e.k;
  const int64_t columns = e.phase.getCols();
  const TasksAtOnce atOnce = tileTasksAtOnce(e.phase, symbols);
  if (step::AttentionOp op = tiles ? tileAttention(e.phase, symbols) : step::AttentionOp())
    return {gridOf(e.phase, symbols, tiles).count(k, e.liveRows), [&e, op, columns](Value task) {
              emitTileAttention(e, op, e.k.div(task, columns), e.k.rem(task, columns));
            }};
  if (step::AttentionOp op = onlyAttention(e.phase))
    return emitAttentionPhase(e, op, counter);
  if (step::ExpertMatmulOp op = step::groupedExperts(e.phase))
    return groupedExpertTasks(e, op, symbols, result);
  if (atOnce.most > 1) {
    Value taken = tileTasksAtOnce(e, atOnce);
    return {k.div(k.add(k.add(taken, columns), -1), taken), [&e, columns, taken](Value task) {
              KernelBuilder &k = e.k;
              Value first = k.mul(task, taken);
              Value count = k.mins(taken, k.sub(k.c(columns), first));
              e.phase.getBody().walk([&](step::MatmulOp op) { emitTileMatmul(e, op, first, count); });
            }};
  }
  const bool byRow = e.phase.getByRow();
  return {gridOf(e.phase, symbols, tiles).count(k, e.liveRows), [&e, &result, byRow, columns](Value task) {
            e.row = byRow ? e.k.div(task, columns) : Value();
            e.column = byRow ? e.k.rem(task, columns) : task;
            if (succeeded(result))
              result = e.emitBlock(e.phase.getBody().front());
          }};
}

/// The loop's test and its body: a task, and the claim of the next one.
void emitClaimBody(KernelBuilder &k, scf::WhileOp loop, const Tasks &tasks, function_ref<Value()> claim) {
  OpBuilder &b = k.builder();
  Block *before = b.createBlock(&loop.getBefore(), {}, {k.i64()}, {k.location()});
  scf::ConditionOp::create(b, k.location(), k.lt(before->getArgument(0), tasks.count),
                           before->getArguments());
  Block *after = b.createBlock(&loop.getAfter(), {}, {k.i64()}, {k.location()});
  tasks.body(after->getArgument(0));
  scf::YieldOp::create(b, k.location(), ValueRange{claim()});
}

/// t = claim(); if any is left, prologue; while (t < tasks) { body(t); t = claim(); }
void emitClaimLoop(PhaseEmitter &e, Value counter, const Tasks &tasks, LogicalResult &result) {
  KernelBuilder &k = e.k;
  OpBuilder &b = k.builder();
  auto claim = [&]() -> Value {
    return LLVM::AtomicRMWOp::create(b, k.location(), LLVM::AtomicBinOp::add, counter, k.c(1),
                                     LLVM::AtomicOrdering::monotonic);
  };
  Value first = claim();
  if (!e.phase.getPrologue().empty())
    k.ifThen(k.lt(first, tasks.count), [&] {
      e.inPrologue = true;
      e.column = k.c(0);
      e.firstTask = k.eq(first, k.c(0));
      result = e.emitBlock(e.phase.getPrologue().front());
      e.inPrologue = false;
    });
  step::SelectTopOp selection = selectionOf(e.phase);
  if (selection)
    beginSelection(e);
  auto loop = scf::WhileOp::create(b, k.location(), TypeRange{k.i64()}, ValueRange{first});
  {
    OpBuilder::InsertionGuard guard(b);
    emitClaimBody(k, loop, tasks, claim);
  }
  if (selection)
    endSelection(e, selection, counter);
}

LogicalResult ProgramEmitter::fillPhase(PhaseEmitter &e, func::FuncOp function, const PhaseKey &key) {
  e.bind(function.getArguments(), key, symbols);
  e.planScratch = roundUp(*program.getScratchBytes(), kAlign);
  LogicalResult result = success();
  emitClaimLoop(e, e.counter, tasksOf(e, e.counter, symbols, tiles, result), result);
  return result;
}

LogicalResult ProgramEmitter::emitEntry(step::EntryOp entry) {
  Type pointer = LLVM::LLVMPointerType::get(program->getContext());
  func::FuncOp function =
      library.declare(("gm_entry_" + entry.getSymName() + suffix).str(), {pointer}, /*exported=*/true);
  OpBuilder builder = OpBuilder::atBlockBegin(function.addEntryBlock());
  KernelBuilder k(builder, entry.getLoc(), target);
  Value gmStep = function.getArgument(0);
  EntryEmitter e{k, symbols, EntryScope(k, gmStep), k.load(pointer, k.at(gmStep, Scratch))};
  for (Operation &op : entry.getBody().front()) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      PhaseKey key = phaseKey(phase, symbols, howOf(phase));
      FailureOr<func::FuncOp> target = phaseFunction(phase, key);
      if (failed(target))
        return failure();
      func::CallOp::create(builder, op.getLoc(), *target, e.arguments(phase, key));
    } else if (isa<step::BarrierOp>(op)) {
      func::CallOp::create(builder, op.getLoc(), barrier, ValueRange{gmStep});
    } else if (auto prefetch = dyn_cast<step::PrefetchOp>(op)) {
      e.prefetch(prefetch, library.prefetch());
    }
  }
  func::ReturnOp::create(builder, entry.getLoc());
  return success();
}

LogicalResult ProgramEmitter::run() {
  if (failed(check()))
    return failure();
  Type pointer = LLVM::LLVMPointerType::get(program->getContext());
  barrier = library.declare("gm_barrier", {pointer}, /*exported=*/true);
  barrier.setPrivate();
  for (auto entry : program.getBody().getOps<step::EntryOp>())
    if (failed(emitEntry(entry)))
      return failure();
  return success();
}

} // namespace
} // namespace cpu

LogicalResult emitCpu(step::ProgramOp program, ModuleOp dst, const Target &target, StringRef suffix) {
  return cpu::ProgramEmitter(program, dst, target, suffix).run();
}

int64_t mostTasks(step::PhaseOp phase, int64_t rows, const Target &target, const SymbolTable &symbols) {
  step::AttentionOp attention = cpu::onlyAttention(phase);
  const bool tiles = attention && cpu::usesTiles(phase->getParentOfType<step::ProgramOp>());
  if (attention && !(tiles && cpu::tileAttention(phase, symbols)))
    return cpu::mostAttentionTasks(attention, symbols.lookup<step::CacheOp>(attention.getCache()), target,
                                   rows);
  if (step::ExpertMatmulOp experts = step::groupedExperts(phase))
    return cpu::mostGroupedExpertTasks(experts, symbols, rows);
  return cpu::gridOf(phase, symbols, tiles).count(rows);
}

int64_t emitterExtraScratch(step::ProgramOp program) {
  SymbolTable symbols(program);
  int64_t bytes = 0;
  const bool tiles = cpu::usesTiles(program);
  program.walk([&](step::MatmulOp op) { bytes = std::max(bytes, cpu::tileMatmulScratch(op, symbols)); });
  program.walk(
      [&](step::ExpertMatmulOp op) { bytes = std::max(bytes, cpu::groupedExpertScratch(op, symbols)); });
  program.walk([&](step::SelectTopOp op) { bytes = std::max(bytes, cpu::selectionScratch(op)); });
  program.walk([&](step::AttentionOp op) {
    bytes = std::max(bytes, cpu::attentionScratch(op, symbols.lookup<step::CacheOp>(op.getCache())));
    if (tiles)
      bytes = std::max(bytes, cpu::tileAttentionScratch(op->getParentOfType<step::PhaseOp>(), symbols));
  });
  return roundUp(bytes, kAlign);
}

int64_t totalArenaBytes(step::ProgramOp program) {
  SymbolTable symbols(program);
  int64_t parts = 0;
  program.walk([&](step::AttentionOp op) {
    parts = std::max(parts, cpu::attentionParts(op, symbols.lookup<step::CacheOp>(op.getCache())));
  });
  program.walk([&](step::SelectTopOp op) { parts = std::max(parts, cpu::selectionArena(op)); });
  return roundUp(program.getArenaBytes().value_or(0), kAlign) + parts;
}

int64_t counterLines(step::EntryOp entry) {
  int64_t lines = 0;
  for (auto phase : entry.getOps<step::PhaseOp>())
    lines += cpu::counterLines(phase);
  return lines;
}

int64_t totalScratchBytes(step::ProgramOp program) {
  return roundUp(program.getScratchBytes().value_or(0), kAlign) + emitterExtraScratch(program);
}

} // namespace gemmac
