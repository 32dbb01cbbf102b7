// gemma-opt's door to the CPU emitter: pass `step-to-cpu{march=NAME}`.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace gemmac {

/// Registers step-to-cpu, and cpu-to-llvm: what follows it on the way to LLVM IR.
void registerCpuPasses();

} // namespace gemmac
