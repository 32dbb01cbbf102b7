// What surrounds a compilation: how the process meets signals, a shortage of memory, closed descriptors, and
// where it may write.
#pragma once

#include "tools/gemmac/Options.h"

namespace gemmac {

/// First thing in main: from now on shortages and lost input files end with a message and an exit code.
void prepareProcess();

/// Refuses an output that would fail after all the work, or replace one of the inputs.
llvm::Error checkOutput(const Options &options);

/// What is still to be written to stdout; exit 3 if that is refused.
llvm::Error flushStdout();

} // namespace gemmac
