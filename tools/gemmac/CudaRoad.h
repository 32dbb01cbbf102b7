// --target=cuda: the road from the fused module to PTX and cubin.
#pragma once

#include "tools/gemmac/Options.h"

namespace gemmac {

/// Runs one compilation for the GPUs of --gpu-arch.
llvm::Error compileForCuda(const Options &options);

} // namespace gemmac
