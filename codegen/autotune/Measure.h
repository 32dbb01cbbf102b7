// A product on its own, compiled in this process with one choice or another, and timed. Weights are random
// and stream from memory where a single row reads them; all of the machine's CPUs work, and what is counted
// is the time that they spend, so that other programs disturb little.
#pragma once

#include "codegen/Target.h"
#include "codegen/cpu/KernelTuning.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/Error.h"

#include <functional>
#include <memory>
#include <vector>

namespace gemmac {

/// The CPU module of a product with one choice; its entry is called gm_entry_product.
struct CandidateCode {
  mlir::OwningOpRef<mlir::ModuleOp> code;
  int64_t arenaBytes = 0, scratchBytes = 0, weightBytes = 0;
  std::string text() const; ///< the module, printed
};
/// Emits `product` as a phase of its own.
llvm::Expected<CandidateCode> emitCandidate(mlir::MLIRContext &context, const Product &product,
                                            const KernelTuning &tuning, const Target &target);

/// Runs a candidate once: the seconds that all threads spent on it together.
using RunCandidate = std::function<double(size_t candidate)>;

class KernelTimer {
public:
  KernelTimer(const Target &target, unsigned level);
  ~KernelTimer();
  /// Compiles the candidates of `product`, whose code is used up, and runs each once to touch what it needs.
  /// What is returned runs them; this timer's memory is shared, so one product is measured at a time. Fails
  /// with exit code 3 where code or memory cannot be had.
  llvm::Expected<RunCandidate> prepare(const Product &product,
                                       llvm::MutableArrayRef<CandidateCode> candidates) {
    return prepare(product, candidates, /*streams=*/product.rows == 1);
  }
  /// `streams`: weights come from memory in each run, of which there are then as many as the caches do not
  /// keep; else they may stay where the run before has left them.
  llvm::Expected<RunCandidate> prepare(const Product &product,
                                       llvm::MutableArrayRef<CandidateCode> candidates, bool streams);

private:
  struct Memory;
  struct Prepared;
  const Target &target;
  unsigned level;
  std::shared_ptr<Memory> weights;
};

} // namespace gemmac
