// Verifies an entry as a whole: the order of its ops, and that buffers which are live together overlap
// neither in the arena nor in the scratch. That nothing is read before it is written: VerifyWritten.cpp.
#include "dialect/step/Verify.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace gemmac::step;

/// C2 between phases: one barrier. `last`: the phase or barrier before `op`, which is one too; null: none.
static LogicalResult verifyBarriers(Operation *last, Operation &op) {
  if (isa<BarrierOp>(op) && !last)
    return op.emitOpError("stands before the first phase, expected barriers only behind one");
  if (!last || isa<PhaseOp>(last) != isa<PhaseOp>(op))
    return success();
  InFlightDiagnostic diagnostic = op.emitOpError();
  if (auto phase = dyn_cast<PhaseOp>(op)) {
    auto open = cast<PhaseOp>(last);
    diagnostic << "\"" << phase.getName() << "\" follows \"" << open.getName()
               << "\" without a barrier, expected one";
    diagnostic.attachNote(open.getLoc()) << "earlier phase is here";
    return failure();
  }
  diagnostic << "follows a barrier, expected a phase between them";
  diagnostic.attachNote(last->getLoc()) << "earlier barrier is here";
  return failure();
}

/// C2
static LogicalResult verifyOrder(EntryOp entry) {
  Operation *last = nullptr;
  for (Operation &op : *entry.getBody().begin()) {
    if (!isa<BufferOp, PhaseOp, BarrierOp, PrefetchOp, YieldOp>(op))
      return op.emitOpError()
             << "stands in a step.entry, expected only buffers, phases, barriers and prefetches";
    if (!isa<PhaseOp, BarrierOp>(op))
      continue;
    if (failed(verifyBarriers(last, op)))
      return failure();
    last = &op;
  }
  return success();
}

/// C3 of logits(top): what one select_top of the entry makes.
static LogicalResult verifyTop(EntryOp entry, YieldOp yield) {
  bool found = false;
  entry.walk(
      [&](SelectTopOp op) { found |= op.getValues() == yield.getLogits() && op.getIds() == yield.getIds(); });
  if (found)
    return success();
  return yield.emitOpError() << "yields buffers " << bufferName(yield.getLogits()) << " and "
                             << bufferName(yield.getIds())
                             << ", expected the values and the ids of one step.select_top";
}

/// C3
static LogicalResult verifyLogits(EntryOp entry) {
  auto yield = cast<YieldOp>(entry.getBody().front().getTerminator());
  Logits kind = entry.getLogits();
  Value logits = yield.getLogits();
  const size_t expectedBuffers = kind == Logits::None ? 0 : kind == Logits::Top ? 2 : 1;
  if (yield.getBuffers().size() != expectedBuffers)
    return yield.emitOpError() << "yields " << yield.getBuffers().size() << " buffers, expected "
                               << expectedBuffers << " for logits(" << stringifyLogits(kind) << ")";
  for (Value value : yield->getOperands())
    if (!value.getDefiningOp<BufferOp>() || isPrivate(value))
      return yield.emitOpError() << "yields a value that is no shared step.buffer, expected one";
  if (kind == Logits::None)
    return success();
  if (kind == Logits::Top)
    return verifyTop(entry, yield);
  if (!isa<Float32Type>(cast<MemRefType>(logits.getType()).getElementType()))
    return yield.emitOpError() << "yields buffer " << bufferName(logits) << " of "
                               << cast<MemRefType>(logits.getType()).getElementType()
                               << ", expected logits of f32";
  int64_t expected = kind == Logits::All ? entry.getRows() : entry.getBatch();
  if (rowsOf(logits) == expected)
    return success();
  return yield.emitOpError() << "yields buffer " << bufferName(logits) << " of " << rowsOf(logits)
                             << " rows, expected " << expected << " for logits(" << stringifyLogits(kind)
                             << ")";
}

namespace {
/// Where the memory plan put a buffer.
struct Planned {
  explicit Planned(BufferOp buffer)
      : offset(*buffer.getOffset()), size(*checkedBytes(buffer.getType())),
        name(bufferName(buffer.getResult())) {}

  /// No sums that could wrap: offsets are at least 0, sizes at most 2^44.
  bool overlaps(const Planned &other) const {
    return offset <= other.offset ? other.offset - offset < size : offset - other.offset < other.size;
  }
  std::string text() const {
    return name + " of bytes [" + std::to_string(offset) + ", " + std::to_string(offset) + " + " +
           std::to_string(size) + ")";
  }

  int64_t offset, size;
  std::string name;
};
} // namespace

/// C6
static LogicalResult verifyPrivateOverlap(PhaseOp phase) {
  llvm::SetVector<Value> buffers;
  for (const Access &access : accessesOf(phase))
    if (access.isPrivate() && bufferOf(access.buffer).getOffset())
      buffers.insert(access.buffer);
  for (auto [index, value] : llvm::enumerate(buffers))
    for (Value earlier : buffers.getArrayRef().take_front(index)) {
      Planned a(bufferOf(earlier)), b(bufferOf(value));
      if (!a.overlaps(b))
        continue;
      InFlightDiagnostic diagnostic = bufferOf(value).emitOpError()
                                      << b.text() << " overlaps " << a.text() << ", which phase \""
                                      << phase.getName() << "\" touches too";
      diagnostic.attachNote(earlier.getLoc()) << "other buffer is here";
      return failure();
    }
  return success();
}

/// C4
static LogicalResult verifyOverlap(EntryOp entry) {
  SmallVector<LiveRange> ranges = liveRangesOf(entry);
  llvm::erase_if(ranges, [](LiveRange &range) { return !range.buffer.getOffsetAttr(); });
  for (auto [index, a] : llvm::enumerate(ranges))
    for (LiveRange &b : llvm::drop_begin(ranges, index + 1)) {
      Planned first(a.buffer), second(b.buffer);
      if (!first.overlaps(second) || !a.meets(b))
        continue;
      InFlightDiagnostic diagnostic = b.buffer.emitOpError()
                                      << second.text() << ", live in phases " << b.first << " to " << b.last
                                      << ", overlaps " << first.text() << ", live in phases " << a.first
                                      << " to " << a.last;
      diagnostic.attachNote(a.buffer.getLoc()) << "other buffer is here";
      return failure();
    }
  return success();
}

LogicalResult EntryOp::verifyRegions() {
  if (failed(verifyOrder(*this)) || failed(verifyLogits(*this)) || failed(verifyWrittenBeforeRead(*this)) ||
      failed(verifyOverlap(*this)))
    return failure();
  for (PhaseOp phase : phasesOf(*this))
    if (failed(verifyPrivateOverlap(phase)))
      return failure();
  return success();
}
