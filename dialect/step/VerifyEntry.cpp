// Verifies an entry as a whole: the order of its ops, that nothing is read before it is written, and that
// buffers which are live together do not overlap in the arena.
#include "dialect/step/Verify.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace gemmac::step;

/// C2: buffers, phases, barriers, prefetches, one yield; a barrier between two phases.
static LogicalResult verifyOrder(EntryOp entry) {
  PhaseOp open; // the last phase that no barrier followed
  for (Operation &op : *entry.getBody().begin()) {
    if (!isa<BufferOp, PhaseOp, BarrierOp, PrefetchOp, YieldOp>(op))
      return op.emitOpError()
             << "stands in a step.entry, expected only buffers, phases, barriers and prefetches";
    if (isa<BarrierOp>(op))
      open = nullptr;
    auto phase = dyn_cast<PhaseOp>(op);
    if (!phase)
      continue;
    if (open) {
      InFlightDiagnostic diagnostic = phase.emitOpError()
                                      << "\"" << phase.getName() << "\" follows \"" << open.getName()
                                      << "\" without a barrier, expected one";
      diagnostic.attachNote(open.getLoc()) << "earlier phase is here";
      return failure();
    }
    open = phase;
  }
  return success();
}

/// C3
static LogicalResult verifyLogits(EntryOp entry) {
  auto yield = cast<YieldOp>(entry.getBody().front().getTerminator());
  Logits kind = entry.getLogits();
  Value logits = yield.getLogits();
  if ((kind != Logits::None) != bool(logits))
    return yield.emitOpError() << "yields " << (logits ? 1 : 0) << " buffers, expected " << (logits ? 0 : 1)
                               << " for logits(" << stringifyLogits(kind) << ")";
  if (!logits)
    return success();
  if (!logits.getDefiningOp<BufferOp>() || isPrivate(logits))
    return yield.emitOpError() << "yields a value that is no shared step.buffer, expected one";
  int64_t expected = kind == Logits::All ? entry.getRows() : entry.getBatch();
  if (rowsOf(logits) == expected)
    return success();
  return yield.emitOpError() << "yields buffer " << bufferName(logits) << " of " << rowsOf(logits)
                             << " rows, expected " << expected << " for logits(" << stringifyLogits(kind)
                             << ")";
}

namespace {
/// C5. Shared buffers count as written as a whole; within a phase it matters which column tasks wrote.
class WrittenBeforeRead {
public:
  LogicalResult checkPhase(PhaseOp phase) {
    inPhase.clear();
    SmallVector<Access> accesses = accessesOf(phase);
    for (const Access &access : accesses) {
      if (!access.buffer)
        continue;
      if (access.write)
        inPhase[access.buffer].push_back(access.place);
      else if (!before.contains(access.buffer) && !covers(access))
        return report(access);
    }
    for (const Access &access : accesses)
      if (access.buffer && access.write && !access.isPrivate())
        before.insert(access.buffer);
    return success();
  }

  bool isWritten(Value buffer) const { return before.contains(buffer); }

private:
  /// Every column task that reads has written before, or the prologue has.
  bool covers(const Access &read) {
    auto it = inPhase.find(read.buffer);
    if (it == inPhase.end())
      return false;
    int64_t covered = read.place.begin;
    for (bool grew = true; grew && covered < read.place.end;) {
      grew = false;
      for (const Place &write : it->second) {
        if (write.prologue)
          return true;
        if (write.begin <= covered && covered < write.end) {
          covered = write.end;
          grew = true;
        }
      }
    }
    return covered >= read.place.end;
  }

  static LogicalResult report(const Access &read) {
    InFlightDiagnostic diagnostic = read.op->emitOpError()
                                    << "reads buffer " << bufferName(read.buffer)
                                    << " before it is written, expected "
                                    << (read.isPrivate() ? "this phase" : "an earlier phase or this task")
                                    << " to write it first";
    diagnostic.attachNote(read.buffer.getLoc()) << "buffer defined here";
    return failure();
  }

  llvm::DenseMap<Value, SmallVector<Place>> inPhase;
  llvm::DenseSet<Value> before;
};
} // namespace

static LogicalResult verifyWrittenBeforeRead(EntryOp entry) {
  WrittenBeforeRead check;
  for (PhaseOp phase : phasesOf(entry))
    if (failed(check.checkPhase(phase)))
      return failure();
  BufferOp logits = logitsOf(entry);
  if (!logits || check.isWritten(logits.getResult()))
    return success();
  return entry.emitOpError() << "yields buffer " << bufferName(logits.getResult())
                             << ", which no phase writes, expected some phase to";
}

/// C4
static LogicalResult verifyOverlap(EntryOp entry) {
  SmallVector<LiveRange> ranges = liveRangesOf(entry);
  llvm::erase_if(ranges, [](LiveRange &range) { return !range.buffer.getOffsetAttr(); });
  for (auto [index, a] : llvm::enumerate(ranges))
    for (LiveRange &b : llvm::drop_begin(ranges, index + 1)) {
      // No sums that could wrap: offsets are at least 0, sizes at most 2^44.
      int64_t from = *a.buffer.getOffset(), other = *b.buffer.getOffset();
      int64_t size = *checkedBytes(a.buffer.getType()), otherSize = *checkedBytes(b.buffer.getType());
      bool overlap = from <= other ? other - from < size : from - other < otherSize;
      if (!overlap || !a.meets(b))
        continue;
      InFlightDiagnostic diagnostic = b.buffer.emitOpError()
                                      << bufferName(b.buffer.getResult()) << " of bytes [" << other << ", "
                                      << other << " + " << otherSize << "), live in phases " << b.first
                                      << " to " << b.last << ", overlaps " << bufferName(a.buffer.getResult())
                                      << " of bytes [" << from << ", " << from << " + " << size
                                      << "), live in phases " << a.first << " to " << a.last;
      diagnostic.attachNote(a.buffer.getLoc()) << "other buffer is here";
      return failure();
    }
  return success();
}

LogicalResult EntryOp::verifyRegions() {
  return success(succeeded(verifyOrder(*this)) && succeeded(verifyLogits(*this)) &&
                 succeeded(verifyWrittenBeforeRead(*this)) && succeeded(verifyOverlap(*this)));
}
