// What surrounds a compilation: how the process meets signals, a shortage of memory, closed descriptors, and
// where it may write.
#pragma once

#include "tools/gemmac/Options.h"

namespace gemmac {

/// First thing in main: from now on shortages and lost input files end with a message and an exit code.
void prepareProcess();

/// Refuses an output that would fail after all the work, or replace one of the inputs.
llvm::Error checkOutput(const Options &options);

/// Bytes that a process on this machine may have: its memory, or a lower limit of the cgroup or on addresses
/// (ulimit -v).
int64_t machineMemory();

/// What is still to be written to stdout; exit 3 if that is refused.
llvm::Error flushStdout();

} // namespace gemmac
