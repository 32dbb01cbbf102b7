// C5 of step.entry: every column that is read was written before. Columns are followed exactly, task by task:
// a task may read what it wrote itself, what the prologue wrote, and of shared buffers what earlier phases
// wrote.
#include "dialect/step/Verify.h"

#include "llvm/ADT/DenseMap.h"

#include <map>

using namespace mlir;
using namespace gemmac::step;

namespace {

/// A set of columns.
class Columns {
public:
  void add(int64_t from, int64_t to) {
    auto next = spans.lower_bound(from);
    if (next != spans.begin() && std::prev(next)->second >= from)
      from = (--next)->first;
    while (next != spans.end() && next->first <= to) {
      to = std::max(to, next->second);
      next = spans.erase(next);
    }
    spans.emplace(from, to);
  }
  /// The first column from `from` on that is not in the set.
  int64_t firstMissing(int64_t from) const {
    auto next = spans.upper_bound(from);
    return next != spans.begin() && std::prev(next)->second > from ? std::prev(next)->second : from;
  }

private:
  std::map<int64_t, int64_t> spans; ///< begin -> end; they neither overlap nor touch
};

class WrittenBeforeRead {
public:
  LogicalResult checkPhase(PhaseOp phase) {
    inPhase.clear();
    SmallVector<Access> accesses = accessesOf(phase);
    for (const Access &access : accesses) {
      if (access.buffer && access.write)
        inPhase[access.buffer].push_back(access);
      else if (access.buffer && failed(checkRead(access)))
        return failure();
    }
    for (const Access &access : accesses)
      if (access.buffer && access.write && !access.isPrivate())
        addTasks(before[access.buffer], access);
    return success();
  }

  /// The first column of a shared buffer that no phase has written.
  int64_t firstUnwritten(Value buffer) const {
    auto written = before.find(buffer);
    return written == before.end() ? 0 : written->second.firstMissing(0);
  }

private:
  static void addTasks(Columns &columns, const Access &write) {
    const Tile &tile = write.tile;
    if (tile.stride <= tile.width)
      return columns.add(tile.begin(write.place.begin), tile.end(write.place.end - 1));
    for (int64_t c = write.place.begin; c < write.place.end; ++c)
      columns.add(tile.begin(c), tile.end(c));
  }

  LogicalResult checkRead(const Access &read) const {
    const Columns *earlier = nullptr;
    if (auto written = before.find(read.buffer); written != before.end() && !read.isPrivate())
      earlier = &written->second;
    // Most reads are of what earlier phases wrote whole: no need to ask task by task.
    if (earlier &&
        earlier->firstMissing(read.tile.begin(read.place.begin)) >= read.tile.end(read.place.end - 1))
      return success();
    auto writes = inPhase.find(read.buffer);
    ArrayRef<Access> own;
    if (writes != inPhase.end())
      own = writes->second;
    for (int64_t c = read.place.begin; c < read.place.end; ++c) {
      int64_t missing = firstMissing(read, c, earlier, own);
      if (missing < read.tile.end(c))
        return report(read, missing);
    }
    return success();
  }

  /// The first column of what task c reads that neither `earlier` nor its own or the prologue's writes hold.
  static int64_t firstMissing(const Access &read, int64_t c, const Columns *earlier, ArrayRef<Access> own) {
    int64_t at = read.tile.begin(c), end = read.tile.end(c);
    for (bool grew = true; grew && at < end;) {
      int64_t next = earlier ? earlier->firstMissing(at) : at;
      for (const Access &write : own) {
        bool runs = write.place.prologue || (write.place.begin <= c && c < write.place.end);
        int64_t task = write.place.prologue ? 0 : c;
        if (runs && write.tile.begin(task) <= next && next < write.tile.end(task))
          next = write.tile.end(task);
      }
      grew = next > at;
      at = next;
    }
    return at;
  }

  static LogicalResult report(const Access &read, int64_t column) {
    InFlightDiagnostic diagnostic = read.op->emitOpError()
                                    << "reads column " << column << " of buffer " << bufferName(read.buffer)
                                    << " before it is written, expected "
                                    << (read.isPrivate() ? "this phase" : "an earlier phase or this task")
                                    << " to write it first";
    diagnostic.attachNote(read.buffer.getLoc()) << "buffer defined here";
    return failure();
  }

  llvm::DenseMap<Value, SmallVector<Access>> inPhase; ///< writes so far
  llvm::DenseMap<Value, Columns> before;              ///< shared buffers: by earlier phases
};
} // namespace

LogicalResult gemmac::step::verifyWrittenBeforeRead(EntryOp entry) {
  WrittenBeforeRead check;
  for (PhaseOp phase : phasesOf(entry))
    if (failed(check.checkPhase(phase)))
      return failure();
  BufferOp logits = logitsOf(entry);
  if (!logits)
    return success();
  int64_t missing = check.firstUnwritten(logits.getResult());
  if (missing >= columnsOf(logits.getResult()))
    return success();
  return entry.emitOpError() << "yields buffer " << bufferName(logits.getResult()) << ", column " << missing
                             << " of which no phase writes, expected some phase to";
}
