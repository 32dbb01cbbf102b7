// A thread block of a GPU on one thread of the CPU: what generated code for CUDA calls where it is run
// without a GPU (codegen/cuda/LowerToThreads). The block's threads are fibers, switched only where they must
// wait for each other. Linked into executables that were compiled with --emulate, no others.
//
// In which order they run is drawn anew whenever all have waited: where a barrier is missing, the results of
// steps with another number of blocks differ. It depends on nothing but the block, the number of blocks and
// the position: equal inputs give equal results. Nothing is left of shared memory where a phase ends.
//
// It also checks what a GPU leaves undefined or faults at, and ends the process with a message: threads that
// wait at different places, for what never comes, or leave while others wait; shuffles with different masks;
// more arrivals or bytes than an mbarrier expects; copies under way at the end; unaligned accesses. Who runs
// over the end of shared memory, or of a thread's stack, meets a page that nobody can touch.
#pragma once

#include "runtime/Abi.h"

#include <stdint.h>

extern "C" {

/// Runs `kernel` for block step->worker of a grid of step->workers blocks: `threads` (a multiple of 32)
/// times, each in a fiber of its own. `shared` bytes of shared memory, filled with NaNs; the first `ofPhases`
/// of them are again behind each barrier of the grid.
void gm_emu_run(void (*kernel)(const GmStep *), const GmStep *step, int64_t threads, int64_t shared,
                int64_t ofPhases);

// For the thread that calls:
int64_t gm_emu_thread();
int64_t gm_emu_block();
int64_t gm_emu_blocks();
char *gm_emu_shared();

// Where threads wait for each other all must come to the same place, a text: the warp's at a shuffle and a
// product, the block's at a barrier.

/// bar.sync of so many threads, those that come; 0: __syncthreads(), of all of the block.
void gm_emu_barrier(const char *place, int64_t threads = 0);
/// The same within a barrier of the grid.
void gm_emu_grid_barrier(const char *place, int64_t threads = 0);
/// __syncwarp().
void gm_emu_warp_barrier(const char *place);
/// __shfl_xor_sync() of a whole warp: the value that the lane gave whose number differs in the bits of
/// `mask`.
int32_t gm_emu_shuffle_xor(int32_t value, int32_t mask, const char *place);
/// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 of a whole warp (PTX ISA, warp-level matrix
/// instructions): the lane's 4 words of A, 2 of B and 4 f32 of C, which become those of D. Adds in the order
/// of k, in f32.
void gm_emu_mma_bf16(uint32_t *operands, const char *place);

// mbarriers (PTX ISA, "Parallel synchronization and communication instructions: mbarrier"), 8 bytes of shared
// memory each, and copies, which are as late as they can be: they take place when no thread can go on
// without. Until then their place is full of NaNs.

void gm_emu_mbarrier_init(void *barrier, int32_t arrivals);
void gm_emu_mbarrier_arrive(void *barrier);
/// mbarrier.arrive.expect_tx: the phase also waits for so many bytes.
void gm_emu_mbarrier_arrive_expect(void *barrier, int32_t bytes);
/// mbarrier.test_wait.parity, or try_wait: 1 if the phase of that parity is complete. Others run meanwhile.
int32_t gm_emu_mbarrier_test(void *barrier, int32_t parity, const char *place);
/// cp.async.bulk of `bytes`, a multiple of 16 as the addresses are, counted by `barrier`.
void gm_emu_copy_bulk(void *to, const void *from, int32_t bytes, void *barrier);
/// cp.async.
void gm_emu_copy(void *to, const void *from, int32_t bytes);
/// cp.async.mbarrier.arrive.noinc: arrives when the copies are done that the thread has begun.
void gm_emu_copy_arrive(void *barrier);

/// Ends the process where `address` is not a multiple of `to`, a power of two.
void gm_emu_aligned(const void *address, int64_t to);
/// Where the code waits for another block.
void gm_emu_pause();
}
