// planned step -> a gpu.module for each entry: one kernel that all blocks of a cooperative launch run
// together, per distinct phase one device function, per kind of product one. The kernel's argument is a
// GmStep (runtime/Abi.h) in device memory whose pointers are the device's; `worker` and `scratch` are those
// of block 0. Block b does the tasks b, b + blocks, .. of every phase, and between phases all blocks wait for
// each other at the phase's counter. Where an entry has one row, its weights are a stream (WeightStream.h),
// whose tasks are dealt on from phase to phase.
#pragma once

#include "codegen/cuda/GpuTarget.h"

#include "dialect/step/Step.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace gemmac {

/// Threads of a block, in every kernel: those that compute, and a warp that loads weights.
constexpr int64_t kCudaThreads = 288;

/// Appends gpu.module @gm_<entry> with the kernel @gm_<entry> for each entry of `program`, which must have
/// its memory plan. Fails, with a diagnostic, on what the emitter does not support.
/// `hostTables`: weights from cudaTablesAt() on are read through GmStep.tables.
mlir::LogicalResult emitCuda(step::ProgramOp program, mlir::ModuleOp dst, const GpuTarget &target,
                             bool hostTables);
/// From which byte on the weights are nothing but tables of rows to gather from; nothing where there are
/// none.
std::optional<int64_t> cudaTablesAt(step::ProgramOp program);

/// Bytes of device memory: shared by all blocks, each block's own, and shared memory of a block, of all
/// entries.
int64_t cudaArenaBytes(step::ProgramOp program);
int64_t cudaScratchBytes(step::ProgramOp program);
int64_t cudaSharedBytes(step::ProgramOp program, const GpuTarget &target);

} // namespace gemmac
