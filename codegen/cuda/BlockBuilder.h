// A KernelBuilder for code that the threads of a block run together (SIMT): every operation is done by each
// thread, and what is uniform over the block must be written so. Values named "uniform" are equal in all
// threads.
#pragma once

#include "codegen/kernel/KernelBuilder.h"

namespace gemmac::cuda {

using namespace kernel;
using mlir::Value;

constexpr int64_t kThreads = 256; ///< of a block that compute; behind them comes the loader's warp
constexpr int64_t kWarp = 32;
constexpr int64_t kWarps = kThreads / kWarp;

/// The block's dynamic shared memory, a symbol of each gpu.module.
constexpr const char *kSharedMemory = "gm_shared";
/// Attribute of a kernel: from which byte of it on the stream of weights lies, if there is one; phases have
/// what is before.
constexpr const char *kStreamAt = "gemmac.stream_at";
/// The function of each gpu.module in which all blocks of the grid wait for each other: a phase ends there,
/// and with it what it has in shared memory.
constexpr const char *kGridBarrier = "grid_barrier";

class BlockBuilder : public kernel::KernelBuilder {
public:
  /// At the beginning of a function: the thread's place is read once.
  BlockBuilder(mlir::OpBuilder &builder, mlir::Location loc);

  Value thread() const { return threadInBlock; } ///< 0 to kThreads - 1
  Value warp() const { return warpInBlock; }     ///< uniform over a warp
  Value lane() const { return laneInWarp; }
  Value block();  ///< uniform; which block of the grid
  Value blocks(); ///< uniform; how many there are

  /// Waits for all threads of the block that compute; what they wrote before is seen after it.
  void sync();
  /// The same with the loader's warp, which must come, too.
  void syncWithLoader();
  /// Waits for the lanes of the warp; what they wrote before is seen after it.
  void syncWarp();
  /// x of the lane whose number differs in the bits of `mask`; i32 or f32.
  Value shuffleXor(Value x, int64_t mask);
  /// The sum, or the largest, of all lanes' x, in every lane: halves are put together. Not a number where
  /// some x is not.
  Value warpSum(Value x);
  Value warpMax(Value x);
  /// The same over all threads of the block, f32: of the warps' in their order. Synchronises before and
  /// after.
  Value blockSum(Value x);
  Value blockMax(Value x);

  /// Generic address of the byte `offset` of the block's shared memory.
  Value shared(int64_t offset);
  /// A generic address that is known to lie in shared, or in global memory.
  Value inShared(Value address) { return inSpace(address, 3); }
  Value inGlobal(Value address) { return inSpace(address, 1); }

  /// body(i) for i in [0, count): thread t does t, t + kThreads, ..
  void forThreads(Value count, Body body) { loop(threadInBlock, count, kThreads, body); }
  void forThreads(int64_t count, Body body);
  /// The same for the lanes of a warp, carrying values.
  llvm::SmallVector<Value> forLanesOfWarp(int64_t count, mlir::ValueRange carried, CarryBody body);
  void forLanesOfWarp(int64_t count, Body body);
  /// body(i) for i in [0, count): warp w does w, w + kWarps, ..
  void forWarps(Value count, Body body) { loop(warpInBlock, count, kWarps, body); }
  /// Thread 0 alone.
  void once(llvm::function_ref<void()> body) { ifThen(eq(threadInBlock, c(0)), body); }

private:
  Value threadInBlock, warpInBlock, laneInWarp;

  Value largerOf(Value x, Value y);
  Value inSpace(Value address, unsigned space);
  Value overBlock(Value ofWarp, llvm::function_ref<Value(Value, Value)> combine);
};

/// Shared memory: what reductions over the block use, then partial results of products and of attention, then
/// whatever the phase keeps there.
constexpr int64_t kReductionBytes = 256, kPartialBytes = 8192, kSharedFixed = kReductionBytes + kPartialBytes;

} // namespace gemmac::cuda
