// What the ops of a phase read and write, and from which phase to which a shared buffer is live. The
// verifiers prove with it that tasks do not race, the memory plan packs the arena with it: one description,
// so that both agree.
#pragma once

#include "dialect/step/Step.h"

#include <algorithm>
#include <optional>

namespace gemmac::step {

/// Columns [offset + stride * c, ... + width) for column task c of the phase. Inside a `case`, c still counts
/// from the phase's first column task, so that offset may be negative there; for every task that runs the op
/// the sum is not.
struct Tile {
  int64_t offset = 0, stride = 0, width = 0;

  bool operator==(const Tile &other) const {
    return offset == other.offset && stride == other.stride && width == other.width;
  }
  int64_t begin(int64_t c) const { return offset + stride * c; }
  int64_t end(int64_t c) const { return begin(c) + width; }
};

/// Where an op of a phase stands: which column tasks [begin, end) run it. The prologue belongs to no column
/// task: [0, 1).
struct Place {
  PhaseOp phase;
  bool prologue = false;
  int64_t begin = 0, end = 1;
};
Place placeOf(mlir::Operation *op);

/// One operand's (or cache's) worth of reading or writing by an op. In a by_row phase a task touches its own
/// row only, in others all live rows; a cache is read as a whole and written one slot a row.
struct Access {
  mlir::Operation *op = nullptr;
  mlir::Value buffer;            ///< result of a step.buffer; null for a cache
  mlir::FlatSymbolRefAttr cache; ///< null for a buffer
  Which which = Which::K;        ///< of a cache: the half
  Tile tile;                     ///< of a cache written: heads * head_dim columns; of one read: unused
  bool write = false;
  Place place;

  bool isPrivate() const;
};

/// An op of a task's list: what phases and cases hold beside tiles and cases.
bool isTileOp(mlir::Operation *op);

/// The accesses of one tile op, reads first; of a step.phase or step.case: those of all ops in it, in order.
/// None for a step.tile (a view), and none for weights, which nobody writes.
llvm::SmallVector<Access> accessesOf(mlir::Operation *op);

/// The step.buffer behind a buffer value or a tile of one; null for any other value.
BufferOp bufferOf(mlir::Value value);
bool isPrivate(mlir::Value buffer);

/// The expert_matmul of a phase whose rows can be computed expert by expert, or null: one of several rows and
/// no prologue, which starts with it, and where every other op is one of a task's own columns.
ExpertMatmulOp groupedExperts(PhaseOp phase);

/// The phases of an entry in order.
llvm::SmallVector<PhaseOp> phasesOf(EntryOp entry);

/// Phases first..last (indices into phasesOf) in which a shared buffer is live. Logits are live to the last
/// phase.
struct LiveRange {
  BufferOp buffer;
  int64_t first = 0, last = 0;

  bool meets(const LiveRange &other) const { return first <= other.last && other.first <= last; }
};
/// The live ranges of the shared buffers of an entry that anything touches, in the order of the buffers.
llvm::SmallVector<LiveRange> liveRangesOf(EntryOp entry);

/// The buffer of logits that an entry yields; null if it yields none.
BufferOp logitsOf(EntryOp entry);
/// All that it yields: of the largest logits their ids as well.
llvm::SmallVector<BufferOp> yieldedBy(EntryOp entry);

/// Positions that a row of attention sees at most: of `context`, or through a window (0: none) of that many.
inline int64_t visiblePositions(int64_t context, int64_t window) {
  return window > 0 ? std::min(window, context) : context;
}
/// The same once `cache` is full, which may keep less than the context.
int64_t visiblePositions(CacheOp cache, int64_t window);

/// The most bytes of a buffer and the most column tasks of a phase: columns of any task are then far from
/// wrapping.
constexpr int64_t kMaxBufferBytes = int64_t(1) << 44;
constexpr int64_t kMaxCols = int64_t(1) << 20;

/// Bytes of rows * columns elements, not rounded; none if those are too many or the shape is not static.
std::optional<int64_t> checkedBytes(mlir::MemRefType type);

} // namespace gemmac::step
