// gemma-opt's door to the code for GPUs on the CPU's threads: pass `lower-to-threads{shared-bytes=N}`.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace gemmac {

/// The dialects of gpu.modules: what may stand in them, and what is refused there.
void insertGpuDialects(mlir::DialectRegistry &registry);

/// Registers lower-to-threads.
void registerCudaPasses();

} // namespace gemmac
