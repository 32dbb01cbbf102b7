// The choices that the emitters' rules make for the products of a program (KernelTuning.h), checked by
// measurement on this machine: what is clearly faster is noted on the products, and kept in a cache
// (TuningCache.h), so that each kernel is measured once. Invariant: what is measured decides how fast the
// program is, never what it computes.
#pragma once

#include "codegen/autotune/Measure.h"
#include "codegen/autotune/TuningCache.h"
#include "dialect/step/Step.h"

#include "llvm/Support/JSON.h"

#include <functional>
#include <optional>

namespace gemmac {

/// Makes a product's candidates ready to run; KernelTimer::prepare, or what a test puts in its place.
using PrepareProduct =
    std::function<llvm::Expected<RunCandidate>(const Product &, llvm::MutableArrayRef<CandidateCode>)>;

/// What was found for one kernel.
struct TunedKernel {
  Product product;
  KernelTuning choice;
  double gain; ///< of the model's time that the choice saves: 0.05
};

/// What was found for the rows of a prompt's step (Chunk.h).
struct TunedChunk {
  int64_t rows, model; ///< chosen, and by the model's rule
  bool cached;
  double gain; ///< of the time of a row
};

struct AutotuneReport {
  int measured = 0, cached = 0; ///< kernels
  std::vector<TunedKernel> kernels;
  std::optional<TunedChunk> chunk;
  std::vector<std::string> warnings; ///< the cache cannot be written, code not be run; the first of each kind
  std::vector<std::string> ignored;  ///< files of the cache, and why

  /// What the manifest says: how many kernels, those whose choice is not the model's, the rows of a chunk if
  /// they were looked at, and a hash of all choices.
  llvm::json::Object manifest() const;
};

/// Sets the tuning of the products of `program`, which is for `target`, compiled at `level`. Where something
/// cannot be measured the model's choice stays, with a warning; so it does for kernels that read less than a
/// hundredth of what all do, for one row or for many.
AutotuneReport autotune(step::ProgramOp program, const Target &target, unsigned level,
                        const TuningCache &cache, const PrepareProduct &prepare);

/// What every key begins with: the method of measuring, versions, -O, machine and target.
std::string tuningKeyHead(int method, const Target &target, unsigned level);

/// All that a choice depends on, as text: versions, machine, target, product, candidates and their code.
std::string tuningKey(const Product &product, const Target &target, unsigned level,
                      llvm::ArrayRef<std::string> candidates, llvm::ArrayRef<CandidateCode> code);

} // namespace gemmac
