// What a compilation has done, for -v and --time.
#pragma once

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

namespace gemmac {

/// What is done, printed by -v when a stage ends, and its seconds, by --time.
class StageTimer {
public:
  StageTimer(bool names, bool seconds) : names(names), seconds(seconds) {}
  void stage(const llvm::Twine &name) {
    auto now = std::chrono::steady_clock::now();
    if (seconds)
      llvm::errs() << llvm::format("%8.3f s  ", std::chrono::duration<double>(now - last).count());
    else if (names)
      llvm::errs() << "gemmac: done: ";
    if (seconds || names)
      llvm::errs() << name << "\n";
    last = now;
  }

private:
  bool names, seconds;
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

} // namespace gemmac
