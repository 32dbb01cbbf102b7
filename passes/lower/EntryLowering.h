// One entry function -> one step.entry. Values of the model become views of shared buffers; each fusion (or
// op outside of one) becomes phases. Invariant: a phase writes only buffers made for it, so nothing is ever
// updated in place across phases, and what a later phase reads is never private.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "dialect/step/Step.h"
#include "passes/ModelOps.h"
#include "passes/lower/WeightTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <map>

namespace gemmac::lower {

using Ops = llvm::SmallVector<mlir::Operation *>;

/// Where a value of the model lies: `groups` pieces (slots, heads) of `width` columns, `stride` apart, from
/// column `offset` of a buffer on. Rank-2 values have one group. Columns behind a piece are padding.
struct View {
  mlir::Value buffer;
  int64_t offset = 0, groups = 1, stride = 0, width = 0;

  int64_t columns() const { return llvm::cast<mlir::MemRefType>(buffer.getType()).getDimSize(1); }
  /// The pieces lie one behind the other and are all of the buffer.
  bool whole() const { return offset == 0 && (groups == 1 ? width : groups * stride) == columns(); }
};

/// A phase under construction, and which ops of the model it computes.
struct Phase {
  step::PhaseOp op;
  step::Rows rows;
  std::string name;
  llvm::SmallPtrSet<mlir::Operation *, 32> inside; ///< ops whose reads this phase serves itself
  llvm::DenseMap<mlir::Value, View> local;         ///< values in private buffers
  llvm::DenseMap<mlir::Value, unsigned> uses;      ///< reads by `inside` that are still to come
  llvm::SmallPtrSet<void *, 8> pinned;             ///< private buffers that more than one value lies in
  llvm::SmallPtrSet<void *, 2> handedOn;           ///< values that `inside` reads in another phase after all
};

/// What the lowering of the entries has in common.
struct ProgramInfo {
  StepOptions options;
  step::ProgramOp program;
  WeightTable &weights;
  llvm::StringMap<step::CacheOp> caches;
};

class EntryLowering {
public:
  EntryLowering(ProgramInfo &info, mlir::func::FuncOp function, step::EntryOp entry, bool decode);
  mlir::LogicalResult run();
  int64_t numPhases() const { return phases; }

  // What emission into a phase needs (Phases.cpp, Scope.cpp).
  step::Rows rowsOf(mlir::Operation *op) const;
  int64_t rowCount(step::Rows rows) const;
  /// Columns of a value; attention scores have the context, rounded up to 16.
  int64_t widthOf(mlir::Value value) const;
  /// Somebody outside of the phase reads `value`.
  bool isExternal(const Phase &phase, mlir::Value value) const;
  mlir::Value makeBuffer(const Phase &phase, llvm::StringRef name, int64_t rows, int64_t columns,
                         mlir::Type element, bool isPrivate);
  /// A shared buffer with as many rows as the phase has.
  mlir::Value shared(const Phase &phase, llvm::StringRef name, int64_t columns, mlir::Type element = {});
  mlir::Value privateTile(const Phase &phase, int64_t rows, int64_t columns);
  /// The one packed form in which all that reads `value`, made by the phase in `tasks` tasks of `columns`
  /// columns, reads it, if such tasks can pack it; whoever asks then has to fill packedBuffer().
  std::optional<step::Act> packedByTasks(const Phase &phase, mlir::Value value, int64_t columns,
                                         int64_t tasks) const;
  mlir::Value packedBuffer(const Phase &phase, mlir::Value value, step::Act act);

  ProgramInfo &info;
  llvm::DenseMap<mlir::Value, View> views;          ///< values in shared buffers
  llvm::DenseMap<mlir::Value, llvm::StringRef> kvs; ///< a !gemma.kv value -> its cache
  /// (rows, head_dim, angles, theta, factor) -> [cos | sin]
  std::map<std::tuple<unsigned, int64_t, int64_t, double, double>, mlir::Value> ropeTables;

private:
  mlir::LogicalResult check(); // CheckEntry.cpp

  // Structure (EntryLowering.cpp).
  mlir::LogicalResult lowerTopLevel(mlir::Operation *op);
  mlir::LogicalResult lowerGroup(Ops ops);
  mlir::LogicalResult lowerChain(llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef name = {});
  mlir::LogicalResult lowerRun(llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef name);
  mlir::LogicalResult finish(mlir::func::ReturnOp op);
  void adopt(mlir::Value result, mlir::Value yielded);
  void makeRopeTables();

  // Products (Product.cpp, ExpertProduct.cpp, AttentionPhases.cpp).
  mlir::LogicalResult lowerLinear(Ops ops, mlir::Operation *first);
  mlir::LogicalResult lowerExpert(Ops ops, gemma::ExpertLinearOp op);
  mlir::LogicalResult lowerQk(Ops ops, gemma::QkOp op);
  mlir::LogicalResult lowerPv(Ops ops, gemma::PvOp op);

  // Pieces (Phases.cpp).
  Phase beginPhase(llvm::StringRef name, step::Rows rows, int64_t cols, bool byRow, mlir::Location loc);
  mlir::LogicalResult noteSlices(llvm::ArrayRef<mlir::Operation *> slices);
  void setInside(Phase &phase, llvm::ArrayRef<mlir::Operation *> ops);
  mlir::FailureOr<mlir::Value> wholeBuffer(mlir::Operation *user, mlir::Value value);
  mlir::FailureOr<llvm::StringRef> cacheOf(mlir::Operation *user, mlir::Value kv) const;

  /// Ops before the product: computed in its prologue where it has one row, else in a by_row phase before it.
  /// Either way `x` ends up packed once for each of `acts`.
  struct Packed {
    llvm::SmallVector<std::pair<step::Act, mlir::Value>> buffers;
    mlir::Value of(step::Act act) const;
  };
  mlir::LogicalResult beforeProduct(Ops &pre, llvm::ArrayRef<mlir::Operation *> cores, llvm::StringRef name);
  mlir::FailureOr<Packed> packInPrologue(Phase &phase, llvm::ArrayRef<mlir::Operation *> pre, mlir::Value x,
                                         llvm::ArrayRef<step::Act> acts);
  mlir::FailureOr<Packed> packInPhase(llvm::ArrayRef<mlir::Operation *> pre,
                                      llvm::ArrayRef<mlir::Operation *> cores, mlir::Value x,
                                      llvm::ArrayRef<step::Act> acts, llvm::StringRef name);

  mlir::func::FuncOp function;
  step::EntryOp entry;
  bool decode;
  int64_t rows, batch, phases = 0;
  mlir::OpBuilder builder;                                    ///< at the end of the entry
  std::map<std::pair<void *, step::Act>, mlir::Value> packed; ///< shared packed forms of a value
  llvm::StringMap<int> names;
};

/// Arguments tokens, pos, seq with the rows of the entry, and logits where it has some.
mlir::LogicalResult checkSignature(mlir::func::FuncOp function, bool decode, step::Logits logits,
                                   int64_t batch);

/// Ops of the product that a group computes, and the rest of the group around it.
struct Split {
  Ops pre;    ///< row-wise, independent of every product of the group
  Ops cores;  ///< the product
  Ops after;  ///< depend on this product and no other
  Ops others; ///< everything else
};
Split splitGroup(llvm::ArrayRef<mlir::Operation *> ops, llvm::ArrayRef<mlir::Operation *> cores);
/// `ops` without those of the `done` lists.
Ops remaining(llvm::ArrayRef<mlir::Operation *> ops, std::initializer_list<Ops> done);
/// Pieces of a row-wise op's result (slots, heads): dimension 1 of rank 3, else 1.
int64_t groupsOf(mlir::Operation *op);
/// take_rows of the row indices themselves: which rows a phase computes says it already.
bool isIndexOp(mlir::Operation *op);

} // namespace gemmac::lower
