// A product on its own, compiled in this process with one choice or another, and timed. Weights are random
// and stream from memory where a single row reads them; all of the machine's CPUs work, and what is counted
// is the time that they spend, so that other programs disturb little.
#pragma once

#include "codegen/Target.h"
#include "codegen/cpu/KernelTuning.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/Support/Error.h"

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

/// Seconds that each candidate took in one round.
using Round = std::vector<double>;

class KernelTimer {
public:
  KernelTimer(const Target &target, unsigned level);
  ~KernelTimer();
  /// A few rounds, in each of which every candidate runs once, not always in the same order. Uses the
  /// candidates' code up. Fails with exit code 3 where code or memory cannot be had.
  llvm::Expected<std::vector<Round>> measure(const Product &product,
                                             llvm::MutableArrayRef<CandidateCode> candidates);

private:
  struct Memory;
  const Target &target;
  unsigned level;
  std::unique_ptr<Memory> weights;
};

/// The candidate to take: that with the smallest median among those which were more than 3 % faster than the
/// first, the model's, by their medians and in more than half of the rounds; else the first.
size_t chooseCandidate(llvm::ArrayRef<Round> rounds);
/// Medians of each candidate over the rounds.
Round medianOf(llvm::ArrayRef<Round> rounds);

} // namespace gemmac
