// A KernelBuilder for code that the threads of a block run together (SIMT): every operation is done by each
// thread, and what is uniform over the block must be written so. Values named "uniform" are equal in all
// threads.
#pragma once

#include "codegen/kernel/KernelBuilder.h"

namespace gemmac::cuda {

using namespace kernel;
using mlir::Value;

constexpr int64_t kThreads = 256; ///< of a block
constexpr int64_t kWarp = 32;
constexpr int64_t kWarps = kThreads / kWarp;

/// The block's dynamic shared memory, a symbol of each gpu.module.
constexpr const char *kSharedMemory = "gm_shared";

class BlockBuilder : public kernel::KernelBuilder {
public:
  /// At the beginning of a function: the thread's place is read once.
  BlockBuilder(mlir::OpBuilder &builder, mlir::Location loc);

  Value thread() const { return threadInBlock; } ///< 0 to kThreads - 1
  Value warp() const { return warpInBlock; }     ///< uniform over a warp
  Value lane() const { return laneInWarp; }
  Value block();  ///< uniform; which block of the grid
  Value blocks(); ///< uniform; how many there are

  /// Waits for all threads of the block; what they wrote before is seen after it.
  void sync();
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
  Value overBlock(Value ofWarp, llvm::function_ref<Value(Value, Value)> combine);
};

/// Shared memory: what reductions over the block use, then partial results of products and of attention, then
/// whatever the phase keeps there.
constexpr int64_t kReductionBytes = 256, kPartialBytes = 8192, kSharedFixed = kReductionBytes + kPartialBytes;

} // namespace gemmac::cuda
