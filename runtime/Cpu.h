// The machine the executable runs on: instruction sets (CPU and OS) and how many workers make sense. The
// runtime itself is baseline x86-64 or Armv8-A, so that it can say what is missing instead of dying of an
// illegal instruction.
#pragma once

#include <string>
#include <vector>

namespace gemmac::rt {

/// Whether this CPU has a feature (LLVM's spelling) and its OS has enabled it (x86-64: XCR0; aarch64: HWCAP).
/// A name that the runtime does not know counts as missing.
bool hasFeature(const std::string &name);
/// Those of `features` that are missing.
std::vector<std::string> missingFeatures(const std::vector<std::string> &features);
/// Asks the kernel for AMX tile state where an amx-* feature is among `features`; false, with errno, if it
/// refuses. Before any worker starts: permission is inherited by threads made later.
bool enableFeatures(const std::vector<std::string> &features);
/// Fails with exit 3 if any is missing or cannot be enabled. `emulates`: of code for a GPU, which is made for
/// the machine where gemmac runs.
void requireFeatures(const std::vector<std::string> &features, bool emulates = false);

/// Tells the CPU that it is waiting for another one.
inline void pauseCpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield" ::: "memory");
#endif
}

/// The brand string of the CPU, for reports.
std::string cpuName();

} // namespace gemmac::rt
