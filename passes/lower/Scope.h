// Emission of tile ops into one region of a phase. A scope knows how values of the model look from inside a
// task there: a row, one piece of a row, or a task's columns; the ops themselves are emitted the same way
// everywhere.
#pragma once

#include "passes/lower/EntryLowering.h"

namespace gemmac::lower {

class Scope {
public:
  enum class Kind {
    Row,      ///< body of a by_row phase of one column task: whole rows
    Prologue, ///< whole rows, private; what others need is published
    Group,    ///< body of a by_row phase of one column task per piece
    Tile,     ///< after a product: a task's columns
  };

  Scope(EntryLowering &entry, Phase &phase, Kind kind, mlir::Block &block)
      : entry(entry), phase(phase), kind(kind), b(mlir::OpBuilder::atBlockEnd(&block)) {}

  /// Kind Tile: columns of a task, tasks, rows of the task's private tiles, and the pieces of its results.
  struct TileShape {
    int64_t columns = 0, tasks = 0, rows = 0, groups = 1;
  } tile;
  llvm::DenseMap<mlir::Value, mlir::Value> tiles; ///< Group and Tile: what the task itself made

  /// Emits a row-wise op of the model.
  mlir::LogicalResult emit(mlir::Operation *op);
  mlir::LogicalResult emitAll(llvm::ArrayRef<mlir::Operation *> ops);
  /// Where `value` lies, in the phase's own memory if it is there; null if no phase has made it yet.
  const View *find(mlir::Value value) const;
  /// What a task reads of `value`.
  mlir::FailureOr<mlir::Value> operand(mlir::Operation *user, mlir::Value value);
  /// Where a task writes `value`; may be the place of one of `reusable`, whose last reader is this op.
  mlir::Value destination(mlir::Operation *op, mlir::Value value, llvm::ArrayRef<mlir::Value> reusable = {});
  mlir::Value tileOf(mlir::Value buffer, int64_t offset, int64_t stride, int64_t width);
  /// Packs x (one vector a row, or one per piece) into a new buffer.
  mlir::FailureOr<mlir::Value> pack(mlir::Operation *user, mlir::Value x, step::Act act, bool isPrivate);
  mlir::OpBuilder &builder() { return b; }

private:
  template <typename StepOp, typename... Attributes>
  mlir::LogicalResult unary(mlir::Operation *op, bool inPlace, Attributes... attributes);
  template <typename StepOp> mlir::LogicalResult binary(mlir::Operation *op);
  mlir::LogicalResult emitNorm(gemma::RmsNormOp op);
  mlir::LogicalResult emitScaleBy(gemma::ScaleByOp op);
  mlir::LogicalResult emitEmbed(gemma::EmbedOp op);
  mlir::LogicalResult emitRope(gemma::RopeOp op);
  mlir::LogicalResult emitSlice(gemma::SliceOp op);
  mlir::LogicalResult emitTopK(gemma::TopKOp op);
  mlir::LogicalResult emitCombine(gemma::CombineOp op);
  mlir::LogicalResult emitCacheUpdate(gemma::CacheUpdateOp op);
  mlir::LogicalResult emitTakeRows(gemma::TakeRowsOp op);

  mlir::Value place(mlir::Operation *op, mlir::Value value, int64_t columns, mlir::Type element);
  mlir::Value reuse(mlir::Value value, llvm::ArrayRef<mlir::Value> reusable);
  void done(mlir::Operation *op);

  EntryLowering &entry;
  Phase &phase;
  Kind kind;
  mlir::OpBuilder b;
  bool isExternal(mlir::Value value) const;
  mlir::LogicalResult packResults(mlir::Operation *op);

  llvm::MapVector<mlir::Value, step::Act> packedHere; ///< Tile: handed over in packed form only
  llvm::DenseMap<mlir::Value, mlir::Value> memo;      ///< views already made in this region
};

} // namespace gemmac::lower
