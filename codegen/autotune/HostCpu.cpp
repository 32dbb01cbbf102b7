// See HostCpu.h.
#include "codegen/autotune/HostCpu.h"

#include "runtime/Cpu.h"
#include "runtime/Topology.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace gemmac {

/// cpuid's signature: family, model and stepping.
static std::string signature() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d))
    return llvm::utohexstr(a, /*LowerCase=*/true);
#endif
  return "unknown";
}

std::string hostName() { return llvm::json::fixUTF8(rt::cpuName()); }

unsigned hostThreads() { return static_cast<unsigned>(std::max(1, rt::thisMachine().defaultWorkers())); }

std::string hostDescription() {
  std::vector<std::string> features;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    if (feature.second)
      features.push_back(feature.first().str());
  std::sort(features.begin(), features.end());
  return hostName() + ", signature " + signature() + ", " + std::to_string(hostThreads()) + " workers, " +
         llvm::join(features, " ");
}

std::string whyNotRunnable(const Target &target) {
  const llvm::Triple host(llvm::sys::getProcessTriple());
  if (host.isX86_64() != (target.arch == Arch::X86_64) || host.isAArch64() != (target.arch == Arch::AArch64))
    return "it is " + host.getArchName().str();
  std::vector<std::string> missing;
  for (const std::string &feature : target.features)
    if (!rt::hasFeature(feature))
      missing.push_back(feature);
  if (!missing.empty())
    return "it lacks " + llvm::join(missing, ", ");
  return rt::enableFeatures(target.features) ? "" : "its kernel gives no tile registers";
}

} // namespace gemmac
