// The road through the compiler: checkpoint -> gemma -> fused -> step -> object -> executable.
#pragma once

#include "tools/gemmac/Options.h"

namespace gemmac {

/// Runs one compilation. Everything it prints beside text asked for by --emit goes to stderr.
llvm::Error compile(const Options &options);

} // namespace gemmac
