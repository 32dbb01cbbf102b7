// Which of several candidates to take, from runs of them: the model's, which is the first, unless another is
// clearly faster, and is so again when only the two are compared. Knows nothing of kernels and clocks.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <vector>

namespace gemmac {

/// Seconds that each candidate took in one round.
using Round = std::vector<double>;

/// The candidate with the smallest median among those which were more than 3 % faster than the first by their
/// medians and in more than half of the rounds; else the first.
size_t fastestOf(llvm::ArrayRef<Round> rounds);

struct Chosen {
  size_t candidate = 0;
  Round
      medians; ///< of each candidate; of the chosen one and the first, where they differ, from the comparison
};
/// Runs `count` candidates by turns, not always in the same order: a few rounds where none comes near, more
/// where one does, and then rounds of that one and the first alone. `run` returns seconds.
Chosen chooseByRuns(size_t count, llvm::function_ref<double(size_t)> run);

} // namespace gemmac
