// The reference interpreter of the gemma dialect, in f32: what a module means, op by op. Every pass and every
// generated kernel is tested against it. Caches live across calls, so a prompt may be run in pieces.
#pragma once

#include "dialect/interp/Tensor.h"
#include "dialect/interp/WeightValues.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>
#include <memory>

namespace gemmac {

class Interpreter {
public:
  /// Called after each op with its results; false ends the run.
  using Observer = std::function<bool(mlir::Operation *, llvm::ArrayRef<Tensor>)>;

  /// `module` must be verified and outlive the interpreter; `source` may be null where no weight lies in a
  /// file.
  Interpreter(mlir::ModuleOp module, const TensorSource *source);
  ~Interpreter();

  void setObserver(Observer observer);
  /// Runs an entry: row r is token tokens[r] at position pos[r] of sequence seq[r]. The results are those of
  /// the function, or none where the observer ended the run.
  llvm::Expected<std::vector<Tensor>> run(llvm::StringRef function, llvm::ArrayRef<int32_t> tokens,
                                          llvm::ArrayRef<int32_t> pos, llvm::ArrayRef<int32_t> seq);
  /// Runs any function of the module on these arguments.
  llvm::Expected<std::vector<Tensor>> call(llvm::StringRef function, std::vector<Tensor> arguments);
  /// Forgets all sequences.
  void clearCaches();

private:
  struct State;
  std::unique_ptr<State> state;
};

/// The part of an op's location that says where in the model it stands ("layers.3.qk"); empty where it has
/// none.
llvm::StringRef placeOf(mlir::Operation *op);

} // namespace gemmac
