// What a tile op sees: the rows and columns of its task, memory, weights, tokens and positions.
#pragma once

#include "dialect/interp/step/StepMemory.h"
#include "dialect/interp/step/StepWeights.h"

namespace gemmac {

class StepTask;
using TileHandler = llvm::Error (*)(StepTask &, mlir::Operation *);

/// Op name to handler.
class TileHandlerTable {
public:
  template <typename Op, llvm::Error (*evaluate)(StepTask &, Op)> void add() {
    handlers[Op::getOperationName()] = [](StepTask &task, mlir::Operation *op) {
      return evaluate(task, llvm::cast<Op>(op));
    };
  }
  TileHandler find(llvm::StringRef op) const { return handlers.lookup(op); }

private:
  llvm::StringMap<TileHandler> handlers;
};

void addTileElementwiseHandlers(TileHandlerTable &table);
void addTileRowsHandlers(TileHandlerTable &table);
void addTileMatmulHandlers(TileHandlerTable &table);
void addTileMoeHandlers(TileHandlerTable &table);
void addTileSelectHandlers(TileHandlerTable &table);
void addTileRopeHandlers(TileHandlerTable &table);
void addTileAttentionHandlers(TileHandlerTable &table);

/// The tokens of one call. Live row r of a phase of rows(all) is token r; of rows(last) the last token of
/// sequence r.
struct StepCall {
  llvm::ArrayRef<int32_t> tokens, positions, seq;
  std::vector<int64_t> last; ///< by sequence
};

class StepTask {
public:
  StepTask(StepMemory &memory, StepWeights &weights, const StepCall &call, step::PhaseOp phase,
           int64_t context)
      : memory(memory), weights(weights), call(call), phase(phase), context(context) {}

  /// A buffer or a tile of one, for this task's column.
  BufferView view(mlir::Value value) const;
  /// Row r of `value` as f32.
  float *f32(mlir::Value value, int64_t r) const { return view(value).row<float>(r); }
  int64_t columns(mlir::Value value) const {
    return llvm::cast<mlir::MemRefType>(value.getType()).getDimSize(1);
  }

  /// The token that live row r of the phase stands for, as an index into the call.
  int64_t tokenIndex(int64_t r) const;
  int64_t token(int64_t r) const { return call.tokens[static_cast<size_t>(tokenIndex(r))]; }
  int64_t position(int64_t r) const { return call.positions[static_cast<size_t>(tokenIndex(r))]; }
  int64_t sequence(int64_t r) const { return call.seq[static_cast<size_t>(tokenIndex(r))]; }
  /// A vec weight, or nothing where the symbol is null.
  llvm::Expected<llvm::ArrayRef<float>> vec(mlir::FlatSymbolRefAttr symbol);
  step::WeightOp weight(mlir::FlatSymbolRefAttr symbol) const { return weights.find(symbol.getValue()); }
  llvm::Error error(mlir::Operation *op, const llvm::Twine &what) const;

  StepMemory &memory;
  StepWeights &weights;
  const StepCall &call;
  step::PhaseOp phase;
  int64_t context;
  int64_t worker = 0;
  int64_t column = 0;               ///< counts from the begin of the case that is running
  int64_t rowBegin = 0, rowEnd = 0; ///< live rows of this task
  bool publishes = false;           ///< the one prologue whose publish counts
  bool firstTask = false;           ///< no task of the phase has run before
};

} // namespace gemmac
