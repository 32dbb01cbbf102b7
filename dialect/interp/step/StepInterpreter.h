// Runs a step.program serially, op by op, in plain C++. The arena is real bytes at the offsets of the memory
// plan, tasks may run in any order and on any number of (simulated) workers, each with its own scratch, and
// whatever nobody has written yet is NaN: a wrong plan, a race or a missing barrier shows as a wrong number
// instead of passing by luck.
#pragma once

#include "dialect/interp/Tensor.h"
#include "dialect/step/Step.h"
#include "frontend/TensorSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <memory>

namespace gemmac {

enum class TaskOrder { Ascending, Descending, Shuffled };

struct StepRunOptions {
  TaskOrder order = TaskOrder::Ascending;
  uint64_t seed = 1;   ///< of Shuffled
  int64_t workers = 1; ///< the task that runs i-th runs on worker i mod workers
};

/// A buffer that a phase wrote: its live rows. i8 buffers come as integers.
struct PhaseResult {
  llvm::StringRef name;
  Tensor value;
};

class StepInterpreter {
public:
  /// Called after each phase with the shared buffers that it wrote; false ends the run.
  using Observer = std::function<bool(step::PhaseOp, llvm::ArrayRef<PhaseResult>)>;

  /// `module` holds the program and the gemma.weight symbols it is packed from; both verified, both outlive
  /// this.
  StepInterpreter(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source,
                  const StepRunOptions &options = {});
  ~StepInterpreter();

  void setObserver(Observer observer);
  /// Runs an entry: row r is token tokens[r] at positions[r] of sequence seq[r] (all 0 where seq is empty).
  /// The result are the logits, [live rows, columns of the buffer]: one row per token, or per sequence, or
  /// none.
  llvm::Expected<std::vector<float>> run(llvm::StringRef entry, llvm::ArrayRef<int32_t> tokens,
                                         llvm::ArrayRef<int32_t> positions, llvm::ArrayRef<int32_t> seq = {});

  /// The ids of the logits that the last run of an entry of logits(top) returned, -1 where there are no more;
  /// empty after others.
  llvm::ArrayRef<int32_t> ids() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace gemmac
