// The packed weights of the program. One packed weight serves all entries: the table knows every use
// beforehand, and merges sources into one weight only where all entries read them together. Otherwise some
// would be packed twice.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "dialect/step/Step.h"
#include "passes/lower/StepPasses.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <map>

namespace gemmac::lower {

/// What a matrix is made of and how it is cut.
struct MatrixSpec {
  llvm::SmallVector<llvm::StringRef> sources; ///< gemma.weight symbols, stacked or interleaved
  int64_t tile = 16;                          ///< columns of a task
  bool interleave = false;                    ///< a task holds tile / parts rows of each part
  bool experts = false;                       ///< one [E, N, K] source; interleave: its two halves
};

class WeightTable {
public:
  /// New step.weight ops go to the end of `program`'s body.
  WeightTable(mlir::ModuleOp module, step::ProgramOp program, const StepOptions &options)
      : options(options), symbols(module), program(program) {}

  const StepOptions &options;

  /// Takes note of an entry's ops: which weights are streamed, and which are read together.
  void noteUses(mlir::Block &body);

  gemma::WeightOp source(llvm::StringRef symbol) const;
  step::Format format(llvm::StringRef symbol) const;
  /// What a single row is multiplied as, and `rows` rows (tiles need a multiple of 32).
  step::Act act(step::Format format) const;
  step::Act act(step::Format format, int64_t rows) const;
  bool mergeable(llvm::ArrayRef<llvm::StringRef> sources) const;
  /// The tile of the matrix that holds `symbol` alone, 0 if there is none yet.
  int64_t plainTile(llvm::StringRef symbol) const;

  step::WeightOp vec(llvm::StringRef symbol, mlir::Location loc);
  step::WeightOp matrix(const MatrixSpec &spec, mlir::Location loc);
  /// A table to gather from: the matrix that is streamed where there is one (tied embeddings), which finish()
  /// makes.
  mlir::FlatSymbolRefAttr table(llvm::StringRef symbol, mlir::Location loc);
  /// Makes the matrices of tables that no entry streams under their own name.
  void finish();

  int64_t size() const { return static_cast<int64_t>(byKey.size()); }

private:
  step::WeightOp add(llvm::StringRef key, llvm::StringRef name, step::Format format, int64_t n, int64_t k,
                     const MatrixSpec &spec, int64_t experts, mlir::Location loc);

  mlir::SymbolTable symbols;
  step::ProgramOp program;
  llvm::StringSet<> streamed;
  llvm::StringMap<llvm::StringSet<>>
      groups; ///< symbol -> the joined names of the sets of linears it is read with
  std::map<std::string, step::WeightOp> byKey;
  llvm::StringMap<step::WeightOp> plain; ///< symbol -> its matrix alone
  llvm::StringMap<mlir::Location> pendingTables;
};

} // namespace gemmac::lower
