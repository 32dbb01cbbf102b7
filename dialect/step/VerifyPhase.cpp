// Proves that the tasks of a phase are independent: whatever order and place they run in, the values are the
// same. Ranges of columns are compared exactly, task against task, so that the diagnostic can name two tasks
// that race.
#include "dialect/step/Verify.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace gemmac::step;

LogicalResult PhaseOp::verify() {
  int64_t cols = getCols();
  if (cols <= 0 || cols > kMaxCols)
    return emitOpError() << "cols is " << cols << ", expected 1 to " << kMaxCols;
  for (auto [name, value] : {std::pair<StringRef, int64_t>("bytes", getBytes()),
                             std::pair<StringRef, int64_t>("flops", getFlops()),
                             std::pair<StringRef, int64_t>("row_bytes", getRowBytes()),
                             std::pair<StringRef, int64_t>("row_flops", getRowFlops())})
    if (value < 0)
      return emitOpError() << name << " is " << value << ", expected at least 0";
  return success();
}

namespace {

/// Two column tasks that touch the same columns.
struct Race {
  int64_t a, b;
};

int64_t floorDiv(int64_t x, int64_t y) { return x / y - (x % y != 0 && (x < 0) != (y < 0)); }

/// A task of `a` and another task of `b` whose columns overlap, if there are such.
std::optional<Race> findRace(const Access &a, const Access &b) {
  for (int64_t c = a.place.begin; c < a.place.end; ++c) {
    // Tasks d of b with begin_b(d) < end_a(c) and end_b(d) > begin_a(c).
    int64_t first = b.place.begin, end = b.place.end, stride = b.tile.stride;
    if (stride == 0) {
      if (b.tile.begin(0) >= a.tile.end(c) || b.tile.end(0) <= a.tile.begin(c))
        continue;
    } else {
      first = std::max(first, floorDiv(a.tile.begin(c) - b.tile.end(0), stride) + 1);
      end = std::min(end, floorDiv(a.tile.end(c) - 1 - b.tile.offset, stride) + 1);
    }
    if (first == c) // the same task may: it runs its ops in order
      ++first;
    if (first < end)
      return Race{c, first};
  }
  return std::nullopt;
}

/// Some task's columns of `body` overlap those of `prologue`, which belongs to no task.
std::optional<int64_t> findOverlap(const Access &prologue, const Access &body) {
  for (int64_t c = body.place.begin; c < body.place.end; ++c)
    if (body.tile.begin(c) < prologue.tile.end(0) && prologue.tile.begin(0) < body.tile.end(c))
      return c;
  return std::nullopt;
}

std::string columnsText(const Access &access, int64_t c) {
  return "columns [" + std::to_string(access.tile.begin(c)) + ", " + std::to_string(access.tile.end(c)) + ")";
}

bool sameObject(const Access &a, const Access &b) {
  return a.buffer == b.buffer && a.cache == b.cache && (a.buffer || a.which == b.which);
}

/// The checks of one phase.
class PhaseChecker {
public:
  explicit PhaseChecker(PhaseOp phase) : phase(phase), entry(cast<EntryOp>(phase->getParentOp())) {}

  LogicalResult check() {
    for (Region *region : {&phase.getPrologue(), &phase.getBody()})
      if (failed(checkContents(*region)))
        return failure();
    accesses = accessesOf(phase);
    return success(succeeded(checkPrologue()) && succeeded(checkRows()) && succeeded(checkInPlace()) &&
                   succeeded(checkCaches()) && succeeded(checkFilledTogether()) && succeeded(checkTasks()) &&
                   succeeded(checkPrologueReads()));
  }

private:
  int64_t liveRows() { return phase.getRows() == Rows::All ? entry.getRows() : entry.getBatch(); }
  bool isSingleTask() { return phase.getCols() == 1 && (!phase.getByRow() || liveRows() == 1); }

  InFlightDiagnostic emit() { return phase.emitOpError() << "\"" << phase.getName() << "\": "; }

  /// C5. Everything else may look at accesses and buffers only after this.
  LogicalResult checkContents(Region &region) {
    for (Operation &op : region.getOps()) {
      if (!isa<TileOp, CaseOp>(op) && !isTileOp(&op))
        return op.emitOpError() << "stands in a step.phase, expected only tiles, cases and tile ops";
      for (auto [index, operand] : llvm::enumerate(op.getOperands())) {
        BufferOp buffer = bufferOf(operand);
        if (!buffer || buffer->getParentOp() != entry)
          return op.emitOpError() << "operand " << index
                                  << " is no step.buffer of the entry nor a tile of one, expected one";
      }
      for (Region &inner : op.getRegions())
        if (failed(checkContents(inner)))
          return failure();
    }
    return success();
  }

  /// C3, but for what needs a column task by its own verifier.
  LogicalResult checkPrologue() {
    for (Operation &op : phase.getPrologue().getOps()) {
      if (isa<CaseOp>(op))
        return op.emitOpError() << "stands in a prologue, expected in a phase's body";
      if (auto tile = dyn_cast<TileOp>(op); tile && int64_t(tile.getStride()) != 0)
        return op.emitOpError() << "has stride " << int64_t(tile.getStride())
                                << " in a prologue, expected 0: there is no column task";
    }
    for (const Access &write : accesses) {
      if (!write.place.prologue || !write.write || write.isPrivate())
        continue;
      if (!isa<PublishOp>(write.op))
        return write.op->emitOpError() << "writes shared buffer " << bufferName(write.buffer)
                                       << " in a prologue, expected a private one or step.publish";
      for (const Access &other : accesses)
        if (other.op != write.op && other.buffer == write.buffer) {
          InFlightDiagnostic diagnostic = write.op->emitOpError()
                                          << "publishes to buffer " << bufferName(write.buffer)
                                          << ", expected one that no other op of the phase touches";
          diagnostic.attachNote(other.op->getLoc()) << (other.write ? "written here" : "read here");
          return failure();
        }
    }
    return success();
  }

  /// C4
  LogicalResult checkRows() {
    for (const Access &access : accesses) {
      if (!access.buffer)
        continue;
      int64_t rows = rowsOf(access.buffer), live = liveRows();
      if (isa<TakeRowOp>(access.op) && !access.write) {
        if (failed(checkTaken(access)))
          return failure();
        continue;
      }
      bool own = access.isPrivate() && phase.getByRow() && rows == 1 && !usedInPrologue(access.buffer);
      if (rows == live || own)
        continue;
      return access.op->emitOpError()
             << (access.write ? "writes" : "reads") << " buffer " << bufferName(access.buffer) << " of "
             << rows << " rows, expected " << live << " in a phase of rows(" << stringifyRows(phase.getRows())
             << ")";
    }
    return success();
  }

  /// The last live row is another task's where the phase has several.
  LogicalResult checkTaken(const Access &taken) {
    int64_t rows = rowsOf(taken.buffer), all = entry.getRows();
    if (rows != all)
      return taken.op->emitOpError() << "takes a row of buffer " << bufferName(taken.buffer) << " of " << rows
                                     << " rows, expected the " << all << " rows of the entry";
    for (const Access &write : accesses)
      if (write.write && write.buffer == taken.buffer) {
        InFlightDiagnostic diagnostic = taken.op->emitOpError()
                                        << "takes a row of buffer " << bufferName(taken.buffer)
                                        << ", which its phase writes, expected an earlier phase to";
        diagnostic.attachNote(write.op->getLoc()) << "written here";
        return failure();
      }
    return success();
  }

  bool usedInPrologue(Value buffer) {
    return llvm::any_of(
        accesses, [&](const Access &access) { return access.buffer == buffer && access.place.prologue; });
  }
  bool writtenInPrologue(Value buffer) {
    return llvm::any_of(accesses, [&](const Access &access) {
      return access.buffer == buffer && access.place.prologue && access.write;
    });
  }

  /// C6
  LogicalResult checkInPlace() {
    for (const Access &write : accesses)
      for (const Access &read : accesses) {
        if (read.op != write.op || read.write || !write.write || !read.buffer || read.buffer != write.buffer)
          continue;
        if (read.tile == write.tile && mayBeInPlace(read))
          continue;
        for (int64_t c = read.place.begin; c < read.place.end; ++c)
          if (read.tile.begin(c) < write.tile.end(c) && write.tile.begin(c) < read.tile.end(c))
            return write.op->emitOpError()
                   << "reads " << columnsText(read, c) << " and writes " << columnsText(write, c)
                   << " of buffer " << bufferName(write.buffer)
                   << ", expected the same columns of an elementwise op, or none";
      }
    return success();
  }

  static bool mayBeInPlace(const Access &read) {
    if (auto rope = dyn_cast<RopeOp>(read.op)) // the table is read for every head
      return bufferOf(rope.getTable()) != bufferOf(rope.getDst());
    return isa<AddOp, MulOp, GeluOp, CopyOp, ScaleOp, ScaleByOp, SoftcapOp, NormOp, SoftmaxOp>(read.op);
  }

  /// C2 for caches that are read.
  LogicalResult checkCaches() {
    for (const Access &write : accesses)
      for (const Access &read : accesses) {
        if (!write.cache || !write.write || read.write || !sameObject(read, write))
          continue;
        InFlightDiagnostic diagnostic = emit()
                                        << "cache " << write.cache
                                        << " is written and read in one phase, expected a barrier between";
        diagnostic.attachNote(write.op->getLoc()) << "written here";
        diagnostic.attachNote(read.op->getLoc()) << "read here";
        return failure();
      }
    return success();
  }

  /// Ops whose result is there once all tasks are done; which columns of it a task writes is their affair.
  static bool fillsTogether(Operation *op) { return isa<SelectTopOp, PackTileOp>(op); }

  /// C7. No task may look at what all of them fill together; nor may attention use the private memory in
  /// which a worker keeps its selection.
  LogicalResult checkFilledTogether() {
    Operation *first = nullptr;
    for (const Access &write : accesses) {
      if (!write.write || !fillsTogether(write.op))
        continue;
      if (isa<SelectTopOp>(write.op)) {
        if (first && first != write.op) {
          InFlightDiagnostic diagnostic = write.op->emitOpError()
                                          << "is the second one of its phase, expected at most one";
          diagnostic.attachNote(first->getLoc()) << "first one is here";
          return failure();
        }
        first = write.op;
      }
      for (const Access &other : accesses)
        if (other.op != write.op && other.buffer && other.buffer == write.buffer) {
          InFlightDiagnostic diagnostic = write.op->emitOpError()
                                          << (isa<SelectTopOp>(write.op) ? "selects" : "packs")
                                          << " into buffer " << bufferName(write.buffer)
                                          << ", expected one that no other op of the phase touches";
          diagnostic.attachNote(other.op->getLoc()) << (other.write ? "written here" : "read here");
          return failure();
        }
    }
    for (const Access &other : accesses)
      if (first && isa<AttentionOp>(other.op)) {
        InFlightDiagnostic diagnostic = first->emitOpError()
                                        << "stands in a phase with attention, expected a barrier between";
        diagnostic.attachNote(other.op->getLoc()) << "attention is here";
        return failure();
      }
    return success();
  }

  /// C2 for what the body writes: of shared memory, and of private memory that outlives a task.
  LogicalResult checkTasks() {
    for (const Access &write : accesses) {
      if (!write.write || write.place.prologue || (write.isPrivate() && !writtenInPrologue(write.buffer)))
        continue;
      for (const Access &other : accesses) {
        if (other.place.prologue || !sameObject(write, other))
          continue;
        if (fillsTogether(write.op)) // checkFilledTogether()
          continue;
        if (std::optional<Race> race = findRace(write, other))
          return report(write, other, *race);
      }
    }
    return success();
  }

  LogicalResult report(const Access &write, const Access &other, Race race) {
    InFlightDiagnostic diagnostic = emit();
    diagnostic << "column task " << race.a << " writes " << columnsText(write, race.a) << " of "
               << (write.cache ? "cache @" + write.cache.getValue().str()
                               : "buffer " + bufferName(write.buffer))
               << ", of which task " << race.b << (other.write ? " writes " : " reads ")
               << columnsText(other, race.b) << ", expected tasks that touch nothing another one writes";
    diagnostic.attachNote(write.op->getLoc()) << "written here";
    if (other.op != write.op)
      diagnostic.attachNote(other.op->getLoc()) << (other.write ? "and written here" : "read here");
    return failure();
  }

  /// C2 for what a late prologue reads while tasks of others already write.
  LogicalResult checkPrologueReads() {
    if (isSingleTask())
      return success();
    for (const Access &read : accesses)
      for (const Access &write : accesses) {
        if (!read.place.prologue || read.write || write.place.prologue || !write.write ||
            !sameObject(read, write) || read.isPrivate())
          continue;
        std::optional<int64_t> task = findOverlap(read, write);
        if (!task)
          continue;
        InFlightDiagnostic diagnostic =
            emit() << "the prologue reads " << columnsText(read, 0) << " of buffer "
                   << bufferName(read.buffer) << ", of which column task " << *task << " writes "
                   << columnsText(write, *task) << ", expected none that a task writes";
        diagnostic.attachNote(write.op->getLoc()) << "written here";
        diagnostic.attachNote(read.op->getLoc()) << "read here";
        return failure();
      }
    return success();
  }

  PhaseOp phase;
  EntryOp entry;
  SmallVector<Access> accesses;
};
} // namespace

LogicalResult PhaseOp::verifyRegions() { return PhaseChecker(*this).check(); }
