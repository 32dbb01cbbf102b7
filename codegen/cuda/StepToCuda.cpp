// Entries and phases: straight lines of calls, the tasks of a block, and the barrier of the grid. See
// StepToCuda.h.
#include "codegen/cuda/StepToCuda.h"

#include "codegen/cuda/AttentionParts.h"
#include "codegen/cuda/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace gemmac {

namespace cuda {

static_assert(kThreads + kWarp == kCudaThreads);

func::FuncOp KernelLibrary::declare(StringRef name, TypeRange arguments) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto function =
      func::FuncOp::create(builder, module.getLoc(), name, builder.getFunctionType(arguments, {}));
  function.setPrivate();
  function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(builder.getContext(), LLVM::Linkage::Internal));
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
                                    function_ref<void(BlockBuilder &, ValueRange)> body) {
  func::FuncOp &function = functions[name];
  if (function)
    return function;
  MLIRContext *context = module.getContext();
  SmallVector<Type> types;
  for (char kind : arguments)
    types.push_back(kind == 'p' ? Type(LLVM::LLVMPointerType::get(context)) : IntegerType::get(context, 64));
  func::FuncOp made = function = declare(name, types); // `function` moves where the body asks for others
  OpBuilder builder = OpBuilder::atBlockBegin(made.addEntryBlock());
  BlockBuilder k(builder, made.getLoc());
  body(k, made.getArguments());
  func::ReturnOp::create(builder, made.getLoc());
  return made;
}

/// Thread 0 waits until `count` blocks have come to the line.
static void awaitBlocks(BlockBuilder &k, Value line, Value count) {
  OpBuilder &b = k.builder();
  auto wait = scf::WhileOp::create(b, k.location(), TypeRange{}, ValueRange{});
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&wait.getBefore());
  Value come = LLVM::LoadOp::create(b, k.location(), k.i64(), line, /*alignment=*/8, /*isVolatile=*/false,
                                    /*isNonTemporal=*/false, /*isInvariant=*/false,
                                    /*isInvariantGroup=*/false, LLVM::AtomicOrdering::acquire, "device");
  scf::ConditionOp::create(b, k.location(), k.lt(come, count), ValueRange{});
  b.createBlock(&wait.getAfter());
  LLVM::CallIntrinsicOp::create(b, k.location(), b.getStringAttr("llvm.nvvm.nanosleep"),
                                ValueRange{k.cint(k.i32(), 20)});
  scf::YieldOp::create(b, k.location());
}

// What a block wrote is released by thread 0, which all of its threads have met before, and acquired
// likewise.
func::FuncOp KernelLibrary::gridBarrier() {
  return defined(kGridBarrier, "pi", [](BlockBuilder &k, ValueRange a) {
    Value line = k.at(k.load(k.ptr(), k.at(a[0], Counters)), a[1]);
    Value blocks = k.blocks();
    k.sync();
    k.once([&] {
      LLVM::AtomicRMWOp::create(k.builder(), k.location(), LLVM::AtomicBinOp::add, line, k.c(1),
                                LLVM::AtomicOrdering::release, "device");
      awaitBlocks(k, line, blocks);
    });
    k.sync();
  });
}

// Blocks come to a meeting only when all have left the one before: how many have come tells which it is.
func::FuncOp KernelLibrary::gridMeeting() {
  return defined("grid_meeting", "pp", [](BlockBuilder &k, ValueRange a) {
    OpBuilder &b = k.builder();
    Value blocks = k.blocks(), line = a[1];
    k.sync();
    k.once([&] {
      Value before = LLVM::AtomicRMWOp::create(b, k.location(), LLVM::AtomicBinOp::add, line, k.c(1),
                                               LLVM::AtomicOrdering::release, "device");
      awaitBlocks(k, line, k.mul(k.add(k.div(before, blocks), 1), blocks));
    });
    k.sync();
  });
}

Value blockScratch(BlockBuilder &k, Value gmStep, step::ProgramOp program) {
  Value first = k.load(k.i64(), k.at(gmStep, Worker));
  Value offset = k.mul(k.sub(k.block(), first), cudaScratchBytes(program));
  return k.at(k.load(k.ptr(), k.at(gmStep, Scratch)), offset);
}

namespace {

/// Emits one entry as a gpu.module.
class EntryEmitter {
public:
  EntryEmitter(step::ProgramOp program, const SymbolTable &symbols, gpu::GPUModuleOp module,
               const WeightStream *stream, std::optional<int64_t> tablesAt)
      : program(program), symbols(symbols), module(module), stream(stream), tablesAt(tablesAt),
        library(module, stream) {}
  LogicalResult emit(step::EntryOp entry);

private:
  step::ProgramOp program;
  const SymbolTable &symbols;
  gpu::GPUModuleOp module;
  const WeightStream *stream;      ///< or null
  std::optional<int64_t> tablesAt; ///< where tables lie elsewhere
  KernelLibrary library;
  llvm::StringMap<func::FuncOp> phases; ///< by PhaseKey::text
  llvm::StringMap<unsigned> names;

  SmallVector<bool> areTables(const PhaseKey &key) const;
  FailureOr<func::FuncOp> phaseFunction(step::PhaseOp phase, const PhaseKey &key);
  LogicalResult emitTasks(PhaseEmitter &e, Value dealt);
  LogicalResult emitPhases(BlockBuilder &k, step::EntryOp entry, Value gmStep);
  func::FuncOp loader();
};

/// if (first < tasks) { prologue; for (t = first; t < tasks; t += blocks) body(t); }
LogicalResult EntryEmitter::emitTasks(PhaseEmitter &e, Value dealt) {
  BlockBuilder &k = e.k;
  OpBuilder &b = k.builder();
  const int64_t columns = e.phase.getCols();
  const bool byRow = e.phase.getByRow();
  Value tasks = byRow ? k.mul(e.liveRows, columns) : k.c(columns);
  Value first = firstTaskOf(k, dealt), blocks = k.blocks();
  LogicalResult result = success();
  k.ifThen(k.lt(first, tasks), [&] {
    if (!e.phase.getPrologue().empty()) {
      e.inPrologue = true;
      e.column = k.c(0);
      e.firstTask = k.eq(first, k.c(0));
      result = e.emitBlock(e.phase.getPrologue().front());
      e.inPrologue = false;
    }
    auto loop = scf::ForOp::create(b, k.location(), first, tasks, blocks);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value task = loop.getInductionVar();
    e.row = byRow ? k.div(task, columns) : Value();
    e.column = byRow ? k.rem(task, columns) : task;
    if (succeeded(result))
      result = e.emitBlock(e.phase.getBody().front());
  });
  if (step::SelectTopOp top = selectTopOf(e.phase))
    emitSelection(e, top);
  return result;
}

/// Which of phasePlaces() are in GmStep.tables.
SmallVector<bool> EntryEmitter::areTables(const PhaseKey &key) const {
  SmallVector<bool> result(key.buffers.size(), false);
  for (StringAttr name : key.weights)
    result.push_back(tablesAt && isRowsFormat(symbols.lookup<step::WeightOp>(name).getFormat()));
  result.append(2 * key.caches.size(), false);
  return result;
}

/// A function of GmStep, of the offset of the phase's line of counters, of how many tasks have been dealt
/// before, and of the offsets of what the phase names. Constants cost a kernel that calls
/// hundreds of phases no registers between the calls; addresses did.
FailureOr<func::FuncOp> EntryEmitter::phaseFunction(step::PhaseOp phase, const PhaseKey &key) {
  func::FuncOp &function = phases[key.text];
  if (function)
    return function;
  OpBuilder builder(program->getContext());
  Type pointer = LLVM::LLVMPointerType::get(program->getContext());
  SmallVector<Place> places = phasePlaces(key, symbols);
  SmallVector<Type> types{pointer, builder.getI64Type(), builder.getI64Type()};
  types.append(places.size(), builder.getI64Type());
  function = library.declare(phaseFunctionName(phase.getName(), names), types);
  builder.setInsertionPointToStart(function.addEntryBlock());
  BlockBuilder k(builder, phase.getLoc());
  PhaseEmitter e(k, library, phase);
  EntryScope scope(k, function.getArgument(0));
  const bool last = phase.getRows() == step::Rows::Last;
  Value privateBase =
      privateBytes(phase) <= kMostPrivate ? k.shared(kSharedFixed) : blockScratch(k, scope.gmStep, program);
  // Bound as phaseParameters() has them.
  SmallVector<Value> arguments{scope.gmStep, k.at(scope.counters, function.getArgument(1)),
                               last ? k.c(1) : scope.rows, last ? k.add(scope.rows, -1) : k.c(0)};
  Value tables = k.load(k.ptr(), k.at(scope.gmStep, Tables));
  for (auto [place, isTable, offset] :
       llvm::zip(places, areTables(key), function.getArguments().drop_front(3)))
    arguments.push_back(k.at(isTable                        ? tables
                             : place.part == Place::Arena   ? scope.arena
                             : place.part == Place::Weights ? scope.weights
                                                            : privateBase,
                             offset));
  e.bind(arguments, key, symbols);
  if (step::AttentionOp attention = partedAttention(phase))
    emitAttentionParts(e, attention);
  else if (failed(emitTasks(e, function.getArgument(2))))
    return failure();
  func::ReturnOp::create(builder, phase.getLoc());
  return function;
}

/// What tells the code of a phase from that of others which are equal as phases: which rows are live, where
/// its private buffers lie, and where behind them is what room() gives.
std::string howOf(step::PhaseOp phase) {
  const int64_t mine = privateBytes(phase);
  std::string how = phase.getRows() == step::Rows::Last ? "last " : "";
  how += mine <= kMostPrivate ? "shared " : "";
  return roomBytes(phase) > 0 ? how + "room behind " + std::to_string(mine) + " " : how;
}

LogicalResult EntryEmitter::emitPhases(BlockBuilder &k, step::EntryOp entry, Value gmStep) {
  int64_t index = 0;
  step::PhaseOp last;
  for (Operation &op : entry.getBody().front()) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      PhaseKey key = phaseKey(phase, symbols, howOf(phase));
      FailureOr<func::FuncOp> target = phaseFunction(phase, key);
      if (failed(target))
        return failure();
      SmallVector<Value> arguments{gmStep, k.c(index * 64), k.c(stream ? stream->dealtBefore(phase) : 0)};
      for (auto [place, isTable] : llvm::zip(phasePlaces(key, symbols), areTables(key)))
        arguments.push_back(k.c(place.offset - (isTable ? *tablesAt : 0)));
      func::CallOp::create(k.builder(), op.getLoc(), *target, arguments);
      last = phase;
      ++index;
    } else if (isa<step::BarrierOp>(op)) {
      Value offset = k.c((index - 1) * 64);
      if (last && selectTopOf(last)) { // whose blocks have met there before
        Value counters = k.load(k.ptr(), k.at(gmStep, Counters));
        func::CallOp::create(k.builder(), op.getLoc(), library.gridMeeting(),
                             ValueRange{gmStep, k.at(counters, offset)});
        continue;
      }
      func::CallOp::create(k.builder(), op.getLoc(), library.gridBarrier(), ValueRange{gmStep, offset});
    }
  }
  return success();
}

func::FuncOp EntryEmitter::loader() {
  OpBuilder builder(program->getContext());
  func::FuncOp function =
      library.declare("load_weights", {Type(LLVM::LLVMPointerType::get(program->getContext()))});
  builder.setInsertionPointToStart(function.addEntryBlock());
  BlockBuilder k(builder, program->getLoc());
  stream->emitLoader(k, function.getArgument(0), module);
  func::ReturnOp::create(builder, program->getLoc());
  return function;
}

LogicalResult EntryEmitter::emit(step::EntryOp entry) {
  MLIRContext *context = program->getContext();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  LLVM::GlobalOp::create(builder, entry.getLoc(), LLVM::LLVMArrayType::get(builder.getI8Type(), 0),
                         /*isConstant=*/false, LLVM::Linkage::External, kSharedMemory, Attribute(),
                         /*alignment=*/128, /*addrSpace=*/3);
  Type pointer = LLVM::LLVMPointerType::get(context);
  auto kernel = gpu::GPUFuncOp::create(builder, entry.getLoc(), module.getName(),
                                       builder.getFunctionType({pointer}, {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  kernel->setAttr("nvvm.maxntid", builder.getDenseI32ArrayAttr({static_cast<int32_t>(kCudaThreads)}));
  // One block on a multiprocessor: more registers for each thread are worth more than a second block.
  kernel->setAttr("nvvm.minctasm", builder.getI32IntegerAttr(1));
  builder.setInsertionPointToStart(&kernel.getBody().front());
  BlockBuilder k(builder, entry.getLoc());
  Value gmStep = kernel.getArgument(0);
  if (stream) {
    kernel->setAttr(kStreamAt, builder.getI64IntegerAttr(stream->sharedAt()));
    stream->begin(k);
  }
  LogicalResult result = success();
  k.ifElse(
      k.lt(k.thread(), k.c(kThreads)), [&] { result = emitPhases(k, entry, gmStep); },
      [&] {
        if (stream)
          func::CallOp::create(builder, entry.getLoc(), loader(), ValueRange{gmStep});
      });
  gpu::ReturnOp::create(builder, entry.getLoc());
  return result;
}

/// Shared memory of a block besides the stream's.
int64_t baseBytes(step::EntryOp entry) {
  int64_t most = 0;
  for (auto phase : entry.getBody().getOps<step::PhaseOp>()) {
    const int64_t room = roomBytes(phase), mine = privateBytes(phase);
    most = std::max(most, (room <= kMostRoom ? room : 0) + (mine <= kMostPrivate ? mine : 0));
  }
  return kSharedFixed + roundUp(most, kAlign);
}

} // namespace
} // namespace cuda

std::optional<int64_t> cudaTablesAt(step::ProgramOp program) {
  std::optional<int64_t> first;
  int64_t end = 0;
  program.walk([&](step::WeightOp weight) {
    const auto offset = static_cast<int64_t>(*weight.getOffset());
    if (isRowsFormat(weight.getFormat()))
      first = std::min(first.value_or(offset), offset);
    else
      end = std::max(end, offset + packedBytes(weight));
  });
  return first && *first >= end ? first : std::nullopt;
}

LogicalResult emitCuda(step::ProgramOp program, ModuleOp dst, const GpuTarget &target, bool hostTables) {
  if (failed(kernel::checkPlanned(program, "the CUDA emitter")))
    return failure();
  SymbolTable symbols(program);
  const std::optional<int64_t> tablesAt = hostTables ? cudaTablesAt(program) : std::nullopt;
  OpBuilder builder = OpBuilder::atBlockEnd(dst.getBody());
  for (auto entry : program.getBody().getOps<step::EntryOp>()) {
    auto module = gpu::GPUModuleOp::create(builder, entry.getLoc(), ("gm_" + entry.getSymName()).str());
    auto stream = cuda::WeightStream::plan(entry, symbols, target, cuda::baseBytes(entry));
    if (failed(
            cuda::EntryEmitter(program, symbols, module, stream ? &*stream : nullptr, tablesAt).emit(entry)))
      return failure();
  }
  return success();
}

int64_t cudaArenaBytes(step::ProgramOp program) {
  return roundUp(program.getArenaBytes().value_or(0), kAlign) + cuda::partsBytes(program) +
         cuda::topBytes(program);
}

int64_t cudaScratchBytes(step::ProgramOp program) {
  int64_t room = 0;
  program.walk([&](step::PhaseOp phase) {
    if (const int64_t bytes = cuda::roomBytes(phase); bytes > cuda::kMostRoom)
      room = std::max(room, bytes);
  });
  return roundUp(program.getScratchBytes().value_or(0), kAlign) + roundUp(room, kAlign);
}

int64_t cudaSharedBytes(step::ProgramOp program, const GpuTarget &target) {
  SymbolTable symbols(program);
  int64_t most = 0;
  for (auto entry : program.getBody().getOps<step::EntryOp>()) {
    const int64_t base = cuda::baseBytes(entry);
    auto stream = cuda::WeightStream::plan(entry, symbols, target, base);
    most = std::max(most, stream ? stream->sharedBytes() : base);
  }
  return most;
}

} // namespace gemmac
