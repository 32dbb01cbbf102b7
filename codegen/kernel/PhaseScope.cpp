// See PhaseScope.h.
#include "codegen/kernel/PhaseScope.h"

#include "runtime/Abi.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cstddef>

using namespace mlir;

namespace gemmac::kernel {

static_assert(offsetof(GmStep, arena) == Arena && offsetof(GmStep, weights) == Weights &&
                  offsetof(GmStep, scratch) == Scratch && offsetof(GmStep, tokens) == Tokens &&
                  offsetof(GmStep, positions) == Positions && offsetof(GmStep, rows) == Rows &&
                  offsetof(GmStep, counters) == Counters && offsetof(GmStep, worker) == Worker &&
                  offsetof(GmStep, workers) == Workers && offsetof(GmStep, tables) == Tables,
              "generated code and the runtime must agree on GmStep");

/// Some op takes the buffer or a tile of it. The plan leaves out the others.
static bool isTouched(step::BufferOp buffer) {
  return llvm::any_of(buffer->getUsers(),
                      [](Operation *user) { return !isa<step::TileOp>(user) || !user->use_empty(); });
}

LogicalResult checkPlanned(step::ProgramOp program, StringRef who) {
  auto oneSequence = [&](Operation *op, int64_t batch) -> LogicalResult {
    if (batch == 1)
      return success();
    return op->emitOpError() << who << " has code for one sequence; batch is " << batch;
  };
  if (failed(oneSequence(program, program.getBatch())))
    return failure();
  if (!program.getScratchBytes())
    return program.emitOpError("has no memory plan: scratch_bytes is missing");
  WalkResult result = program.walk([&](Operation *op) -> WalkResult {
    const bool planned = TypeSwitch<Operation *, bool>(op)
                             .Case([](step::WeightOp o) { return o.getOffset().has_value(); })
                             .Case([](step::BufferOp o) { return o.getOffset() || !isTouched(o); })
                             .Case([](step::CacheOp o) { return o.getKOffset() && o.getVOffset(); })
                             .Default(true);
    if (!planned)
      return op->emitOpError("has no offset: the memory plan must run before code is emitted");
    if (auto entry = dyn_cast<step::EntryOp>(op))
      return oneSequence(op, entry.getBatch());
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

std::string phaseFunctionName(StringRef phase, llvm::StringMap<unsigned> &names) {
  std::string name = "phase_";
  for (char c : phase.substr(phase.rfind('.') + 1))
    name += llvm::isAlnum(c) ? c : '_';
  return name + "_" + std::to_string(names[name]++);
}

/// Parameters in front of the addresses.
static constexpr unsigned kFixed = 4;

SmallVector<Type> phaseParameters(MLIRContext *context, const PhaseKey &key) {
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = IntegerType::get(context, 64);
  SmallVector<Type> types{pointer, pointer, i64, i64};
  types.append(key.buffers.size() + key.weights.size() + 2 * key.caches.size(), pointer);
  return types;
}

EntryScope::EntryScope(KernelBuilder &k, Value gmStep) : k(k), gmStep(gmStep) {
  auto field = [&](StepField f, Type type) { return k.load(type, k.at(gmStep, f)); };
  arena = field(Arena, k.ptr());
  weights = field(Weights, k.ptr());
  counters = field(Counters, k.ptr());
  rows = field(Rows, k.i64());
}

SmallVector<Place> phasePlaces(const PhaseKey &key, const SymbolTable &symbols) {
  SmallVector<Place> places;
  for (Value buffer : key.buffers) {
    auto type = cast<MemRefType>(buffer.getType());
    int64_t first = 0;
    if (auto part = buffer.getDefiningOp<step::TileOp>()) {
      first = static_cast<int64_t>(part.getOffset()) * type.getElementTypeBitWidth() / 8;
      buffer = part.getBuffer();
    }
    const auto offset = static_cast<int64_t>(*buffer.getDefiningOp<step::BufferOp>().getOffset());
    places.push_back({type.getMemorySpace() ? Place::Private : Place::Arena, offset + first});
  }
  for (StringAttr name : key.weights)
    places.push_back(
        {Place::Weights, static_cast<int64_t>(*symbols.lookup<step::WeightOp>(name).getOffset())});
  for (StringAttr name : key.caches) {
    auto cache = symbols.lookup<step::CacheOp>(name);
    places.push_back({Place::Arena, static_cast<int64_t>(*cache.getKOffset())});
    places.push_back({Place::Arena, static_cast<int64_t>(*cache.getVOffset())});
  }
  return places;
}

SmallVector<Value> EntryScope::phaseArguments(step::PhaseOp phase, const PhaseKey &key, int64_t index,
                                              const SymbolTable &symbols, Value privateBase) {
  const bool last = phase.getRows() == step::Rows::Last;
  SmallVector<Value> result{gmStep, k.at(counters, index * 64), last ? k.c(1) : rows,
                            last ? k.add(rows, -1) : k.c(0)};
  for (const Place &place : phasePlaces(key, symbols))
    result.push_back(k.at(place.part == Place::Arena     ? arena
                          : place.part == Place::Weights ? weights
                                                         : privateBase,
                          place.offset));
  return result;
}

void PhaseScope::bind(ValueRange arguments, const PhaseKey &key, const SymbolTable &symbols) {
  gmStep = arguments[0];
  counter = arguments[1];
  liveRows = arguments[2];
  rowBase = arguments[3];
  unsigned next = kFixed;
  for (Value buffer : key.buffers)
    buffers[buffer] = arguments[next++];
  for (StringAttr name : key.weights)
    weights[name] = {symbols.lookup<step::WeightOp>(name), arguments[next++]};
  for (StringAttr name : key.caches) {
    caches[name] = {symbols.lookup<step::CacheOp>(name), arguments[next], arguments[next + 1]};
    next += 2;
  }
}

View PhaseScope::view(Value buffer) {
  KernelBuilder &k = builder;
  auto type = cast<MemRefType>(buffer.getType());
  int64_t element = type.getElementTypeBitWidth() / 8;
  if (auto tile = buffer.getDefiningOp<step::TileOp>()) {
    View v = view(tile.getBuffer());
    Value part = buffers.lookup(buffer), first = k.mul(column, tile.getStride());
    v.base = part ? k.at(part, k.mul(first, element))
                  : k.at(v.base, k.mul(k.add(first, tile.getOffset()), element));
    v.width = tile.getWidth();
    return v;
  }
  // A private buffer of one row in a by_row phase is the task's own. (In others a row is set only while ops
  // run row by row, on buffers that have all the rows.)
  bool single = type.getShape()[0] == 1 && row;
  if (single && !type.getMemorySpace())
    single = cast<step::EntryOp>(phase->getParentOp()).getRows() > 1;
  return View{buffers.lookup(buffer), type.getShape()[1] * element, type.getShape()[1], single};
}

Value PhaseScope::rowOf(const View &v, Value r) {
  return v.single ? v.base : builder.at(v.base, builder.mul(r, v.ld));
}

Value PhaseScope::perRow(StepField field, Value row) {
  KernelBuilder &k = builder;
  return k.load(k.i32(), k.at(stepField(field, k.ptr()), k.mul(k.add(row, rowBase), 4)));
}

} // namespace gemmac::kernel
