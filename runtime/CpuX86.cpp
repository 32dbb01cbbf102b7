// See Cpu.h. Bits are those of Intel's SDM volume 2A (CPUID) and AMD's APM volume 3.
#include "runtime/Cpu.h"

#include <algorithm>
#include <cpuid.h>
#include <cstdint>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace gemmac::rt {

namespace {

enum Reg : uint8_t { A, B, C, D };
/// Registers the OS must save for the feature: bits of XCR0.
enum State : uint32_t { None = 0, Ymm = 0x6, Zmm = 0xE6, Tile = 0x60000 };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Reg reg;
  uint8_t bit;
  State state;
};

constexpr Feature kFeatures[] = {
    {"cx8", 1, 0, D, 8, None},
    {"cmov", 1, 0, D, 15, None},
    {"mmx", 1, 0, D, 23, None},
    {"fxsr", 1, 0, D, 24, None},
    {"sse", 1, 0, D, 25, None},
    {"sse2", 1, 0, D, 26, None},
    {"sse3", 1, 0, C, 0, None},
    {"pclmul", 1, 0, C, 1, None},
    {"ssse3", 1, 0, C, 9, None},
    {"fma", 1, 0, C, 12, Ymm},
    {"cx16", 1, 0, C, 13, None},
    {"sse4.1", 1, 0, C, 19, None},
    {"sse4.2", 1, 0, C, 20, None},
    {"crc32", 1, 0, C, 20, None},
    {"movbe", 1, 0, C, 22, None},
    {"popcnt", 1, 0, C, 23, None},
    {"aes", 1, 0, C, 25, None},
    {"xsave", 1, 0, C, 27, None},
    {"avx", 1, 0, C, 28, Ymm},
    {"f16c", 1, 0, C, 29, Ymm},
    {"rdrnd", 1, 0, C, 30, None},
    {"fsgsbase", 7, 0, B, 0, None},
    {"bmi", 7, 0, B, 3, None},
    {"avx2", 7, 0, B, 5, Ymm},
    {"bmi2", 7, 0, B, 8, None},
    {"avx512f", 7, 0, B, 16, Zmm},
    {"evex512", 7, 0, B, 16, Zmm},
    {"avx512dq", 7, 0, B, 17, Zmm},
    {"rdseed", 7, 0, B, 18, None},
    {"adx", 7, 0, B, 19, None},
    {"avx512ifma", 7, 0, B, 21, Zmm},
    {"clflushopt", 7, 0, B, 23, None},
    {"clwb", 7, 0, B, 24, None},
    {"avx512cd", 7, 0, B, 28, Zmm},
    {"sha", 7, 0, B, 29, None},
    {"avx512bw", 7, 0, B, 30, Zmm},
    {"avx512vl", 7, 0, B, 31, Zmm},
    {"avx512vbmi", 7, 0, C, 1, Zmm},
    {"waitpkg", 7, 0, C, 5, None},
    {"avx512vbmi2", 7, 0, C, 6, Zmm},
    {"gfni", 7, 0, C, 8, None},
    {"vaes", 7, 0, C, 9, Ymm},
    {"vpclmulqdq", 7, 0, C, 10, Ymm},
    {"avx512vnni", 7, 0, C, 11, Zmm},
    {"avx512bitalg", 7, 0, C, 12, Zmm},
    {"avx512vpopcntdq", 7, 0, C, 14, Zmm},
    {"rdpid", 7, 0, C, 22, None},
    {"cldemote", 7, 0, C, 25, None},
    {"movdiri", 7, 0, C, 27, None},
    {"movdir64b", 7, 0, C, 28, None},
    {"avx512vp2intersect", 7, 0, D, 8, Zmm},
    {"serialize", 7, 0, D, 14, None},
    {"amx-bf16", 7, 0, D, 22, Tile},
    {"avx512fp16", 7, 0, D, 23, Zmm},
    {"amx-tile", 7, 0, D, 24, Tile},
    {"amx-int8", 7, 0, D, 25, Tile},
    {"avxvnni", 7, 1, A, 4, Ymm},
    {"avx512bf16", 7, 1, A, 5, Zmm},
    {"cmpccxadd", 7, 1, A, 7, None},
    {"amx-fp16", 7, 1, A, 21, Tile},
    {"avxifma", 7, 1, A, 23, Ymm},
    {"avxvnniint8", 7, 1, D, 4, Ymm},
    {"avxneconvert", 7, 1, D, 5, Ymm},
    {"amx-complex", 7, 1, D, 8, Tile},
    {"avxvnniint16", 7, 1, D, 10, Ymm},
    {"prefetchi", 7, 1, D, 14, None},
    {"xsaveopt", 0xd, 1, A, 0, None},
    {"xsavec", 0xd, 1, A, 1, None},
    {"xsaves", 0xd, 1, A, 3, None},
    {"sahf", 0x80000001, 0, C, 0, None},
    {"lzcnt", 0x80000001, 0, C, 5, None},
    {"sse4a", 0x80000001, 0, C, 6, None},
    {"prfchw", 0x80000001, 0, C, 8, None},
};

bool hasBit(const Feature &f) {
  unsigned r[4] = {};
  if (__get_cpuid_max(f.leaf & 0x80000000u, nullptr) < f.leaf)
    return false;
  // Subleaf 1 of leaf 7 exists only if subleaf 0 says so.
  if (f.leaf == 7 && f.subleaf > 0) {
    __cpuid_count(7, 0, r[A], r[B], r[C], r[D]);
    if (r[A] < f.subleaf)
      return false;
  }
  __cpuid_count(f.leaf, f.subleaf, r[A], r[B], r[C], r[D]);
  return (r[f.reg] >> f.bit) & 1;
}

__attribute__((target("xsave"))) uint64_t readXcr0() { return __builtin_ia32_xgetbv(0); }

/// XCR0, or 0 where the OS does not use XSAVE (xgetbv would fault).
uint64_t enabledStates() { return hasBit({"osxsave", 1, 0, C, 27, None}) ? readXcr0() : 0; }

} // namespace

bool hasFeature(const std::string &name) {
  if (name == "64bit" || name == "x87" || name == "64bit-mode")
    return true;
  for (const Feature &f : kFeatures)
    if (name == f.name)
      return hasBit(f) && (enabledStates() & f.state) == f.state;
  return false;
}

bool enableFeatures(const std::vector<std::string> &features) {
  const bool amx = std::any_of(features.begin(), features.end(),
                               [](const std::string &f) { return f.compare(0, 4, "amx-") == 0; });
  constexpr long kReqXcompPerm = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return !amx || syscall(SYS_arch_prctl, kReqXcompPerm, kTileData) == 0;
}

std::string cpuName() {
  unsigned r[12] = {};
  if (__get_cpuid_max(0x80000000u, nullptr) < 0x80000004u)
    return "x86-64";
  for (unsigned i = 0; i < 3; ++i)
    __cpuid(0x80000002u + i, r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]);
  char text[49] = {};
  std::memcpy(text, r, 48);
  std::string name(text);
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return name.empty() ? "x86-64" : name;
}

} // namespace gemmac::rt
