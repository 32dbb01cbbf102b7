// What the CPU emitters know about a target, as data: no emitter asks for a CPU by name. Code may use the
// instructions of `cpu` and `extras` and no others, so that `features`, which the executable checks at its
// start, is complete.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace gemmac {

struct Target {
  std::string name;                  ///< as given to --march; for `native` the host's name
  std::string cpu;                   ///< LLVM's -mcpu: a psABI level
  std::string tune;                  ///< LLVM's tune-cpu: whose latencies to schedule for
  std::string extras;                ///< LLVM's -mattr beyond `cpu`
  std::vector<std::string> features; ///< everything the code may use, LLVM's spelling
  int rank = 0;                      ///< of two that a machine can run, the one to run has the higher rank
  bool avx512 = false;               ///< AVX-512 F, BW, CD, DQ, VL
  bool vnni = false;                 ///< vpdpbusd on 512-bit registers
  bool avxvnni = false;              ///< vpdpbusd on 256-bit registers, without AVX-512
  bool amx = false;                  ///< AMX tiles of bf16, and the AVX-512 conversions to bf16
};

/// Names for --march, for --list-targets: `native`, then the table in the order of ranks, lowest first.
std::vector<std::string> targetNames();

/// The target called `name`. Fails with exit code 2 for a name that is not one of targetNames(), with exit
/// code 3 for `native` on a machine below x86-64-v3.
llvm::Expected<Target> lookupTarget(llvm::StringRef name);

/// The targets of a list "x86-64-v3,znver5", the highest rank first, whatever the list's order. Fails as
/// lookupTarget() does, and with exit code 2 where a name is empty or a target is there twice.
llvm::Expected<std::vector<Target>> lookupTargets(llvm::StringRef list);

} // namespace gemmac
