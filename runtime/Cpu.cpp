// See Cpu.h. What depends on the architecture is in CpuX86.cpp and CpuAArch64.cpp.
#include "runtime/Cpu.h"

#include "runtime/Failure.h"

#include <cerrno>
#include <cstring>

namespace gemmac::rt {

std::vector<std::string> missingFeatures(const std::vector<std::string> &features) {
  std::vector<std::string> missing;
  for (const std::string &f : features)
    if (!hasFeature(f))
      missing.push_back(f);
  return missing;
}

void requireFeatures(const std::vector<std::string> &features, bool emulates) {
  std::string list;
  for (const std::string &f : missingFeatures(features))
    list += (list.empty() ? "" : ", ") + f;
  if (!list.empty())
    throw Failure(kLacking,
                  cat("this CPU (", cpuName(), ") or its operating system lacks ", list,
                      ", for which the executable was compiled; compile it again ",
                      emulates ? "on this machine (--emulate)" : "with a --march that this machine has"));
  if (!enableFeatures(features))
    throw Failure(kLacking, cat("the kernel refuses the AMX tile registers (arch_prctl: ",
                                std::strerror(errno), "); it needs Linux 5.16, or compile ",
                                emulates ? "on a machine without AMX" : "with a --march without AMX"));
}

} // namespace gemmac::rt
