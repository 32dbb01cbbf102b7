// AMX tiles in generated code: registers of 16 rows x 64 bytes. Always whole ones: what is smaller is padded
// where it lies in memory.
#pragma once

#include "codegen/cpu/CpuBuilder.h"

namespace gemmac::cpu {

class AmxTiles {
public:
  using Value = mlir::Value;

  explicit AmxTiles(KernelBuilder &k)
      : k(k), type(mlir::LLVM::LLVMX86AMXType::get(k.builder().getContext())) {}

  Value zero() { return k.intrinsic("llvm.x86.tilezero.internal", type, {i16(16), i16(64)}); }
  /// Rows `stride` bytes apart.
  Value load(Value from, Value stride) {
    return k.intrinsic("llvm.x86.tileloadd64.internal", type, {i16(16), i16(64), from, stride});
  }
  void store(Value tile, Value to, Value stride) {
    mlir::LLVM::CallIntrinsicOp::create(k.builder(), k.location(),
                                        k.builder().getStringAttr("llvm.x86.tilestored64.internal"),
                                        mlir::ValueRange{i16(16), i16(64), to, stride, tile});
  }
  /// sum [16 x 16 f32] + x [16 rows x 32 bf16] * w [16 pairs of bf16 x 16 columns]
  Value multiply(Value sum, Value x, Value w) {
    return k.intrinsic("llvm.x86.tdpbf16ps.internal", type, {i16(16), i16(64), i16(64), sum, x, w});
  }
  /// 32 bf16: the 16 of `low`, then those of `high`.
  Value narrow(Value low, Value high) {
    return k.intrinsic("llvm.x86.avx512bf16.cvtne2ps2bf16.512", k.vec(k.builder().getBF16Type(), 32),
                       {high, low});
  }

  /// 16 pairs of bf16, which is a row of a second operand: `even` in the lower halves, `odd` in the upper
  /// ones.
  Value pairs(Value even, Value odd) {
    llvm::SmallVector<int32_t> mask;
    for (int32_t lane = 0; lane < 16; ++lane)
      mask.append({lane, lane + 16});
    Value both = k.bitcast(narrow(even, odd), k.vec(k.i16(), 32));
    return k.shuffle(both, both, mask);
  }

private:
  KernelBuilder &k;
  mlir::Type type;

  Value i16(int64_t x) { return k.cint(k.i16(), x); }
};

} // namespace gemmac::cpu
