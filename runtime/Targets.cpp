// See Targets.h.
#include "runtime/Targets.h"

#include "runtime/Cpu.h"
#include "runtime/Failure.h"

namespace gemmac::rt {

std::string targetName(const Manifest &m) {
  return m.device ? cat("cuda ", join(m.gpu.archs)) : join(m.march);
}

Targets::Targets(const GmModels &models) {
  for (uint64_t i = 0; i < models.count; ++i)
    all_.push_back(readManifest(models.models[i]));
  if (all_.empty())
    throw Failure(kLacking, "the executable has code for no target; compile the model again");
}

void Targets::choose(const std::optional<std::string> &march) {
  forced_ = march.has_value();
  std::string names;
  for (chosen_ = 0; chosen_ < all_.size(); ++chosen_) {
    const Manifest &m = all_[chosen_];
    names += (names.empty() ? "" : ", ") + targetName(m);
    if (march && *march != targetName(m))
      continue;
    runs_ = missingFeatures(m.features).empty() && enableFeatures(m.features);
    if (runs_ || march)
      return;
  }
  if (march)
    throw Failure(kBadUsage, cat("--march: found '", *march,
                                 "', expected a target that this executable has "
                                 "code for: ",
                                 names, " (see --help)"));
  chosen_ = all_.size() - 1;
}

void Targets::requireChosen() const {
  if (runs_)
    return;
  if (forced_ || all_.size() == 1)
    return requireFeatures(chosen().features, !chosen().emulates.empty());
  std::string lacks;
  for (const Manifest &m : all_) {
    const std::string missing = join(missingFeatures(m.features));
    lacks += cat(lacks.empty() ? "" : "; ", targetName(m), " needs ",
                 missing.empty() ? "AMX tile registers, which the kernel refuses" : missing);
  }
  throw Failure(kLacking,
                cat("this CPU (", cpuName(), ") or its operating system can run none of the targets ",
                    "that the executable was compiled for: ", lacks,
                    "; compile it again with a --march that this machine has"));
}

} // namespace gemmac::rt
