// The gpu.modules of emitCuda as functions for the CPU: a worker is a block, its threads are fibers
// (runtime/emulate). Nothing else changes - the same loops, barriers, counters and places in memory - so that
// indexing, masks, order and numerics of the code for GPUs are tested where there is none. Instructions that
// only GPUs have are replaced by their definitions.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace gemmac {

/// SHA-256 of the printed gpu.modules of `module`, in order: the same on the way to PTX and on this one.
std::string gpuModulesHash(mlir::ModuleOp module);

/// Replaces each gpu.module @gm_<entry> of `module` by a function gm_entry_<entry>(GmStep *), which runs its
/// one kernel with `shared` bytes of shared memory. Fails, with a diagnostic, on whatever has no definition
/// here: an instruction, a scope, a dimension but x, ..
mlir::LogicalResult lowerToThreads(mlir::ModuleOp module, int64_t shared);

} // namespace gemmac
