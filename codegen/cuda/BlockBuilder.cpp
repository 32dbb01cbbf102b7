// See BlockBuilder.h.
#include "codegen/cuda/BlockBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace gemmac::cuda {

BlockBuilder::BlockBuilder(OpBuilder &builder, Location loc) : kernel::KernelBuilder(builder, loc) {
  Value index = gpu::ThreadIdOp::create(builder, loc, gpu::Dimension::x);
  threadInBlock = arith::IndexCastUIOp::create(builder, loc, i64(), index);
  warpInBlock = div(threadInBlock, kWarp);
  laneInWarp = rem(threadInBlock, kWarp);
}

Value BlockBuilder::block() {
  Value index = gpu::BlockIdOp::create(builder(), location(), gpu::Dimension::x);
  return arith::IndexCastUIOp::create(builder(), location(), i64(), index);
}

Value BlockBuilder::blocks() {
  Value index = gpu::GridDimOp::create(builder(), location(), gpu::Dimension::x);
  return arith::IndexCastUIOp::create(builder(), location(), i64(), index);
}

// The loader takes no part: barrier 1, of so many threads. (0 is for all of the block.)
void BlockBuilder::sync() {
  NVVM::BarrierOp::create(builder(), location(), TypeRange{}, cint(i32(), 1), cint(i32(), kThreads),
                          NVVM::BarrierReductionAttr(), Value());
}

void BlockBuilder::syncWithLoader() { NVVM::BarrierOp::create(builder(), location(), cint(i32(), 0)); }

void BlockBuilder::syncWarp() { NVVM::SyncWarpOp::create(builder(), location(), cint(i32(), -1)); }

Value BlockBuilder::inSpace(Value address, unsigned space) {
  Type type = LLVM::LLVMPointerType::get(builder().getContext(), space);
  return LLVM::AddrSpaceCastOp::create(builder(), location(), type, address);
}

Value BlockBuilder::shuffleXor(Value x, int64_t mask) {
  return gpu::ShuffleOp::create(builder(), location(), x, static_cast<int32_t>(mask),
                                static_cast<int32_t>(kWarp), gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value BlockBuilder::warpSum(Value x) {
  const bool isFloat = isa<FloatType>(x.getType());
  for (int64_t mask = kWarp / 2; mask > 0; mask /= 2) {
    Value other = shuffleXor(x, mask);
    x = isFloat ? fadd(x, other) : add(x, other);
  }
  return x;
}

/// Which of two lanes asks does not matter: what is not a number wins.
Value BlockBuilder::largerOf(Value x, Value y) {
  Value takesX = ori(fcmp(arith::CmpFPredicate::OGT, x, y), fcmp(arith::CmpFPredicate::UNO, x, x));
  return select(takesX, x, y);
}

Value BlockBuilder::warpMax(Value x) {
  for (int64_t mask = kWarp / 2; mask > 0; mask /= 2)
    x = largerOf(x, shuffleXor(x, mask));
  return x;
}

Value BlockBuilder::overBlock(Value ofWarp, function_ref<Value(Value, Value)> combine) {
  sync(); // the last reduction has been read
  ifThen(eq(laneInWarp, c(0)), [&] { store(ofWarp, at(shared(0), mul(warpInBlock, 4))); });
  sync();
  Value all = load(ofWarp.getType(), shared(0));
  for (int64_t w = 1; w < kWarps; ++w)
    all = combine(all, load(ofWarp.getType(), shared(w * 4)));
  return all;
}

Value BlockBuilder::blockSum(Value x) {
  return overBlock(warpSum(x), [&](Value a, Value b) { return fadd(a, b); });
}

Value BlockBuilder::blockMax(Value x) {
  return overBlock(warpMax(x), [&](Value a, Value b) { return largerOf(a, b); });
}

Value BlockBuilder::shared(int64_t offset) {
  Type inShared = LLVM::LLVMPointerType::get(builder().getContext(), 3);
  Value base = LLVM::AddressOfOp::create(builder(), location(), inShared, kSharedMemory);
  return at(LLVM::AddrSpaceCastOp::create(builder(), location(), ptr(), base), offset);
}

void BlockBuilder::forThreads(int64_t count, Body body) {
  if (count <= kThreads)
    return count == kThreads ? body(threadInBlock)
                             : ifThen(lt(threadInBlock, c(count)), [&] { body(threadInBlock); });
  forThreads(c(count), body);
}

SmallVector<Value> BlockBuilder::forLanesOfWarp(int64_t count, ValueRange carried, CarryBody body) {
  return loop(laneInWarp, c(count), kWarp, carried, body);
}

void BlockBuilder::forLanesOfWarp(int64_t count, Body body) { loop(laneInWarp, c(count), kWarp, body); }

} // namespace gemmac::cuda
