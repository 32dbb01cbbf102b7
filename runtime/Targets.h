// The targets that an executable has code for, and the one that is used on this machine.
#pragma once

#include "runtime/Model.h"

#include <optional>
#include <string>
#include <vector>

namespace gemmac::rt {

class Targets {
public:
  /// Reads every manifest. Fails with exit 3 where one is broken.
  explicit Targets(const GmModels &models);

  /// Decides which target is used: the one called `march`, or else the first (they come with the most capable
  /// in front) of which this machine and its operating system have everything; where there is none, the last.
  /// Asks the kernel for AMX tile state where the target needs it: before any worker starts. Fails with exit
  /// 2 for a `march` that is not there.
  void choose(const std::optional<std::string> &march);
  /// Fails with exit 3, naming what is missing, if this machine cannot run the target that choose() gave.
  void requireChosen() const;

  const std::vector<Manifest> &all() const { return all_; }
  const Manifest &chosen() const { return all_[chosen_]; }
  /// Whether this machine can run the chosen one.
  bool runs() const { return runs_; }

private:
  std::vector<Manifest> all_;
  size_t chosen_ = 0;
  bool forced_ = false, runs_ = false;
};

/// The name of a target: "znver5", "cuda sm_90a, sm_80".
std::string targetName(const Manifest &manifest);

} // namespace gemmac::rt
