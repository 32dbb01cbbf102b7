// What the CPU emitters know about a target, as data: no emitter asks for a CPU by name. Code may use the
// instructions of `cpu` and `extras` and no others, so that `features`, which the executable checks at its
// start, is complete.
#pragma once

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gemmac {

enum class Arch : uint8_t { X86_64, AArch64 };

struct Target {
  std::string name; ///< as given to --march; for `native` see nativeTarget()
  Arch arch = Arch::X86_64;
  std::string cpu;                   ///< LLVM's -mcpu: a psABI level, or generic
  std::string tune;                  ///< LLVM's tune-cpu: whose latencies to schedule for
  std::string extras;                ///< LLVM's -mattr beyond `cpu`
  std::vector<std::string> features; ///< everything the code may use, LLVM's spelling
  int rank = 0;                      ///< of two that a machine can run, the one to run has the higher rank
  bool avx512 = false;               ///< AVX-512 F, BW, CD, DQ, VL
  bool vnni = false;                 ///< vpdpbusd on 512-bit registers
  bool avxvnni = false;              ///< vpdpbusd on 256-bit registers, without AVX-512
  bool amx = false;                  ///< AMX tiles of bf16, and the AVX-512 conversions to bf16
  bool dotprod = false;              ///< NEON sdot
  bool i8mm = false;                 ///< NEON smmla: 2 x 8 by 8 x 2 bytes
  int64_t vectorBytes = 32;          ///< of a vector register
};

/// LLVM's triple, and how people call the architecture ("aarch64").
const char *tripleOf(Arch arch);
const char *archName(Arch arch);

/// Names for --march, for --list-targets: `native`, then the table, of each architecture
/// in the order of ranks, lowest first.
std::vector<std::string> targetNames();

/// What `native` is made of.
struct HostCpu {
  std::string triple, name; ///< as LLVM has them
  llvm::StringMap<bool> features;
};
/// Called "native", or as the host's CPU where the table has it with the same features (a virtual machine may
/// show fewer). Fails with exit code 3 below x86-64-v3 and on other architectures.
llvm::Expected<Target> nativeTarget(const HostCpu &host);

/// The target called `name`; for `native`, that of this machine. Fails with exit code 2 for a name that is
/// not one of targetNames(), and as nativeTarget().
llvm::Expected<Target> lookupTarget(llvm::StringRef name);

/// The targets of a list "x86-64-v3,znver5", the highest rank first, whatever the list's order. Fails as
/// lookupTarget() does, and with exit code 2 where a name is empty, a target is there twice, or they are of
/// several architectures.
llvm::Expected<std::vector<Target>> lookupTargets(llvm::StringRef list);

} // namespace gemmac
