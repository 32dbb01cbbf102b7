// The machine that gemmac runs on: what measurements on it hold for, and which targets it can run.
#pragma once

#include "codegen/Target.h"

#include <string>

namespace gemmac {

/// Name, family, model and stepping, features as LLVM knows them, and threads that measure: one line.
std::string hostDescription();
/// Name of the CPU, for readers.
std::string hostName();
/// How many threads measure: as many workers as an executable would have here.
unsigned hostThreads();
/// Whether code for `target` can run here: "", or what the machine lacks. Asks the kernel for the registers
/// of a matrix unit.
std::string whyNotRunnable(const Target &target);

} // namespace gemmac
