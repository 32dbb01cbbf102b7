// The inside of a product kernel: what one step along k does to a block of rows x panels. Invariant: the
// additions that make one element of the result, and their order, are the same for every block shape and
// every target, so that results depend on neither the number of rows nor (int8: exact in i32; floats: fused
// multiply-add everywhere) the instruction set. Only prompts on a matrix unit (EmitKernelTiles.cpp) differ:
// both sides are bf16 there.
#pragma once

#include "codegen/cpu/CpuBuilder.h"
#include "dialect/step/Step.h"

#include <memory>

namespace gemmac::cpu {

/// Pointers of one block: rows of packed activations, panels of weights.
struct Block {
  llvm::SmallVector<mlir::Value> act;
  llvm::SmallVector<mlir::Value> panels;
  mlir::Value superblocks; ///< K / 64
};

class Kernel {
public:
  explicit Kernel(KernelBuilder &k) : k(k) {}
  virtual ~Kernel() = default;

  /// f32 accumulators per element; the result is their sum.
  virtual int64_t chains() const { return 1; }
  /// Steps that one superblock of 64 k takes.
  virtual int64_t stepsPerSuperblock() const = 0;
  /// Bytes of a panel that a step reads.
  virtual int64_t stepBytes() const = 0;
  /// Step t: accumulators [row][panel][chain] -> the same.
  virtual llvm::SmallVector<mlir::Value> step(const Block &block, mlir::Value t, mlir::ValueRange acc) = 0;

protected:
  KernelBuilder &k;
};

/// Weights of f32, bf16 and f16 x f32.
std::unique_ptr<Kernel> makeFloatKernel(KernelBuilder &k, step::Format format);
/// Weights of codes (step::hasCodes()) x f32: codes become f32 in registers, their sums are scaled.
std::unique_ptr<Kernel> makeDequantKernel(KernelBuilder &k, step::Format format);
/// Weights of codes x int8 with scales: sums of integers, scaled.
std::unique_ptr<Kernel> makeInt8Kernel(KernelBuilder &k, step::Format format);

} // namespace gemmac::cpu
