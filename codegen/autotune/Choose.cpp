// See Choose.h.
#include "codegen/autotune/Choose.h"

#include <algorithm>

namespace gemmac {

namespace {

/// Of the model's time; what saves less is not worth its noise.
constexpr double kClearly = 0.97;
/// Rounds after which nobody near the model ends it, and rounds that are enough in any case.
constexpr size_t kFewRounds = 3, kManyRounds = 9;
/// Seconds after which a majority of five rounds, or of three, has to do.
constexpr double kLong = 0.5, kTooLong = 1.5;

Round medianOf(llvm::ArrayRef<Round> rounds) {
  Round medians;
  for (size_t candidate = 0; candidate < rounds.front().size(); ++candidate) {
    std::vector<double> times;
    for (const Round &round : rounds)
      times.push_back(round[candidate]);
    std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2), times.end());
    medians.push_back(times[times.size() / 2]);
  }
  return medians;
}

bool enough(llvm::ArrayRef<Round> rounds, double seconds) {
  if (rounds.size() < kFewRounds)
    return false;
  const Round medians = medianOf(rounds);
  const bool hopeless = *std::min_element(medians.begin(), medians.end()) > kClearly * medians[0];
  return hopeless || rounds.size() >= kManyRounds || (rounds.size() >= 5 && seconds > kLong) ||
         seconds > kTooLong;
}

std::vector<Round> roundsOf(llvm::ArrayRef<size_t> candidates, llvm::function_ref<double(size_t)> run) {
  std::vector<Round> rounds;
  double seconds = 0;
  while (!enough(rounds, seconds)) {
    Round round(candidates.size());
    for (size_t i = 0; i < round.size(); ++i) {
      const size_t place = (i + rounds.size()) % round.size();
      seconds += round[place] = run(candidates[place]);
    }
    rounds.push_back(std::move(round));
  }
  return rounds;
}

} // namespace

size_t fastestOf(llvm::ArrayRef<Round> rounds) {
  const Round medians = medianOf(rounds);
  size_t best = 0;
  for (size_t candidate = 1; candidate < medians.size(); ++candidate) {
    size_t wins = 0;
    for (const Round &round : rounds)
      wins += round[candidate] < kClearly * round[0];
    if (2 * wins > rounds.size() && medians[candidate] < kClearly * medians[0] &&
        medians[candidate] < medians[best])
      best = candidate;
  }
  return best;
}

Chosen chooseByRuns(size_t count, llvm::function_ref<double(size_t)> run) {
  std::vector<size_t> all;
  for (size_t candidate = 0; candidate < count; ++candidate)
    all.push_back(candidate);
  const std::vector<Round> rounds = roundsOf(all, run);
  Chosen chosen{fastestOf(rounds), medianOf(rounds)};
  if (chosen.candidate == 0)
    return chosen;
  // The best of several is also the luckiest: it has to be faster once more.
  const std::vector<Round> pairs = roundsOf({size_t(0), chosen.candidate}, run);
  const Round medians = medianOf(pairs);
  chosen.medians[0] = medians[0];
  chosen.medians[chosen.candidate] = medians[1];
  if (fastestOf(pairs) == 0)
    chosen.candidate = 0;
  return chosen;
}

} // namespace gemmac
