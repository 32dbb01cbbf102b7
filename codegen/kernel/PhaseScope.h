// What code for a phase sees, whatever the target: views of operands, the rows of a task, weights and caches.
// A phase becomes a function (GmStep, line of counters, live rows, first row, then the addresses of
// PhaseKey's buffers, weights and caches); entries call it with phaseArguments().
#pragma once

#include "codegen/kernel/KernelBuilder.h"
#include "codegen/kernel/PhaseKey.h"
#include "dialect/step/Step.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace gemmac::kernel {

/// Byte offsets of GmStep's fields (runtime/Abi.h).
enum StepField : int64_t {
  Arena = 0,
  Weights = 8,
  Scratch = 16,
  Tokens = 24,
  Positions = 32,
  Rows = 40,
  Counters = 48,
  Worker = 56,
  Workers = 72,
  Tables = 80
};

/// Columns of a buffer that an operand denotes in the current task.
struct View {
  mlir::Value base; ///< address of row 0's first column of the view
  int64_t ld;       ///< bytes from row to row
  int64_t width;    ///< columns
  bool single;      ///< one row that every task uses as its own
};

/// A weight, and where it is.
struct WeightView {
  step::WeightOp op;
  mlir::Value base;
};
struct CacheView {
  step::CacheOp op;
  mlir::Value k, v;
};

/// Everything that code takes an address from has one; `who` ("the CPU emitter") has code for one sequence.
mlir::LogicalResult checkPlanned(step::ProgramOp program, llvm::StringRef who);

/// A readable name that is not in `names` yet: the last part of the phase's.
std::string phaseFunctionName(llvm::StringRef phase, llvm::StringMap<unsigned> &names);

/// Where something that a phase names lies: bytes from the beginning of one of GmStep's parts.
struct Place {
  enum Part : uint8_t { Arena, Weights, Private } part;
  int64_t offset;
};
/// The places of the buffers, weights and caches (K, then V) of `key`, in the order of phaseParameters().
llvm::SmallVector<Place> phasePlaces(const PhaseKey &key, const mlir::SymbolTable &symbols);

/// The parameters of a phase's function for `key`.
llvm::SmallVector<mlir::Type> phaseParameters(mlir::MLIRContext *context, const PhaseKey &key);

/// What an entry loads once, for all its phases.
struct EntryScope {
  KernelBuilder &k;
  mlir::Value gmStep, arena, weights, counters, rows;

  EntryScope(KernelBuilder &k, mlir::Value gmStep);
  /// Arguments for `phase`, the entry's `index`-th; its private buffers lie behind `privateBase`.
  llvm::SmallVector<mlir::Value> phaseArguments(step::PhaseOp phase, const PhaseKey &key, int64_t index,
                                                const mlir::SymbolTable &symbols, mlir::Value privateBase);
};

class PhaseScope {
public:
  PhaseScope(KernelBuilder &k, step::PhaseOp phase) : phase(phase), builder(k) {}

  step::PhaseOp phase;
  mlir::Value gmStep, counter, liveRows, rowBase;

  // The task.
  mlir::Value column; ///< column task index, from the beginning of its case
  mlir::Value row;    ///< of a by_row phase, outside the prologue, or of ops done row by row; else null
  bool inPrologue = false;

  /// Names the function's `arguments`, which are those of `key`.
  void bind(mlir::ValueRange arguments, const PhaseKey &key, const mlir::SymbolTable &symbols);

  /// Code that is emitted from now on finds `buffer` at `address`.
  void place(mlir::Value buffer, mlir::Value address) { buffers[buffer] = address; }
  View view(mlir::Value buffer);
  /// Address of a view's row.
  mlir::Value rowOf(const View &v, mlir::Value row);
  /// Token, i32, and absolute position, i64, of a row.
  mlir::Value tokenOf(mlir::Value row) { return perRow(Tokens, row); }
  mlir::Value positionOf(mlir::Value row) { return builder.sext(perRow(Positions, row), builder.i64()); }
  mlir::Value stepField(StepField field, mlir::Type type) {
    return builder.load(type, builder.at(gmStep, field));
  }
  WeightView weight(llvm::StringRef name) { return weights.find(name)->second; }
  CacheView cache(llvm::StringRef name) { return caches.find(name)->second; }

private:
  KernelBuilder &builder;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers; ///< result of step.buffer -> address
  llvm::StringMap<WeightView> weights;
  llvm::StringMap<CacheView> caches;

  mlir::Value perRow(StepField field, mlir::Value row);
};

} // namespace gemmac::kernel
