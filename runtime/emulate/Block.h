// A thread block of a GPU on one thread of the CPU: what generated code for CUDA calls where it is run
// without a GPU (codegen/cuda/LowerToThreads). The block's threads are fibers, switched only where they must
// wait for each other: in ascending order in even blocks and in descending order in odd ones, so that where a
// barrier is missing the results of blocks differ. Linked into executables that were compiled with --emulate,
// no others.
//
// It also checks what a GPU leaves undefined or faults at: threads that wait in different ways (for their
// warp, for their block), or leave while others of their block wait, and unaligned accesses end the process
// with a message.
#pragma once

#include "runtime/Abi.h"

#include <stdint.h>

extern "C" {

/// Runs `kernel` for block step->worker of a grid of step->workers blocks: `threads` (a multiple of 32)
/// times, each in a fiber of its own. `shared` bytes of shared memory, filled with what no kernel may rely
/// on.
void gm_emu_run(void (*kernel)(const GmStep *), const GmStep *step, int64_t threads, int64_t shared);

// For the thread that calls:
int64_t gm_emu_thread();
int64_t gm_emu_block();
int64_t gm_emu_blocks();
char *gm_emu_shared();
/// __syncthreads().
void gm_emu_barrier();
/// __shfl_xor_sync() of a whole warp: the value that the lane gave whose number differs in the bits of
/// `mask`.
int32_t gm_emu_shuffle_xor(int32_t value, int32_t mask);
/// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 of a whole warp (PTX ISA, warp-level matrix
/// instructions): the lane's 4 words of A, 2 of B and 4 f32 of C, which become those of D. Adds in the order
/// of k, in f32.
void gm_emu_mma_bf16(uint32_t *operands);
/// Ends the process where `address` is not a multiple of `to`, a power of two.
void gm_emu_aligned(const void *address, int64_t to);
/// Where the code waits for another block.
void gm_emu_pause();
}
