// The machine the executable runs on: instruction sets (CPU and OS) and how many workers make sense. The
// runtime itself is baseline x86-64, so that it can say what is missing instead of dying of an illegal
// instruction.
#pragma once

#include <string>
#include <vector>

namespace gemmac::rt {

/// Those of `features` (LLVM's spelling) that this CPU lacks, or that its OS has not enabled (XCR0). A name
/// that the runtime does not know counts as missing.
std::vector<std::string> missingFeatures(const std::vector<std::string> &features);
/// Asks the kernel for AMX tile state where an amx-* feature is among `features`; false, with errno, if it
/// refuses. Before any worker starts: permission is inherited by threads made later.
bool enableFeatures(const std::vector<std::string> &features);
/// Fails with exit 3 if any is missing or cannot be enabled.
void requireFeatures(const std::vector<std::string> &features);

/// Number of CPUs in this process's affinity mask, at least 1.
int affinityCpus();
/// The brand string of the CPU, for reports.
std::string cpuName();

} // namespace gemmac::rt
