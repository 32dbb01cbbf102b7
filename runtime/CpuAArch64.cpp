// See Cpu.h. The kernel says what the CPU has and it has enabled: bits of AT_HWCAP and AT_HWCAP2, from
// Documentation/arch/arm64/elf_hwcaps.rst.
#include "runtime/Cpu.h"

#include <cstdint>
#include <cstdio>
#include <sys/auxv.h>

namespace gemmac::rt {

namespace {

struct Feature {
  const char *name;
  unsigned long type; ///< AT_HWCAP or AT_HWCAP2
  uint8_t bit;
};

constexpr Feature kFeatures[] = {
    {"fp-armv8", AT_HWCAP, 0}, {"neon", AT_HWCAP, 1},     {"aes", AT_HWCAP, 3},       {"sha2", AT_HWCAP, 6},
    {"crc", AT_HWCAP, 7},      {"lse", AT_HWCAP, 8},      {"fullfp16", AT_HWCAP, 10}, {"rdm", AT_HWCAP, 12},
    {"dotprod", AT_HWCAP, 20}, {"fp16fml", AT_HWCAP, 23}, {"sve", AT_HWCAP, 22},      {"sve2", AT_HWCAP2, 1},
    {"i8mm", AT_HWCAP2, 13},   {"bf16", AT_HWCAP2, 14},
};

} // namespace

bool hasFeature(const std::string &name) {
  for (const Feature &f : kFeatures)
    if (name == f.name)
      return (getauxval(f.type) >> f.bit) & 1;
  return false;
}

bool enableFeatures(const std::vector<std::string> &) { return true; }

/// There is no brand string; the numbers name the core (implementer 0x41 part 0xd0c: Neoverse N1).
std::string cpuName() {
  FILE *file = std::fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
  unsigned long long midr = 0;
  const bool known = file && std::fscanf(file, "%llx", &midr) == 1;
  if (file)
    std::fclose(file);
  char text[64] = "aarch64";
  if (known)
    std::snprintf(text, sizeof text, "aarch64, implementer 0x%llx part 0x%llx", midr >> 24 & 0xff,
                  midr >> 4 & 0xfff);
  return text;
}

} // namespace gemmac::rt
