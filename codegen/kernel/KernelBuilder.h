// A thin layer over OpBuilder so that emitters read like the loop nests they make: integers are i64, memory
// is !llvm.ptr with byte offsets, vectors are 16 lanes unless said otherwise. Every helper makes exactly the
// operations it names and no fast-math flags: the order of additions in the source is the order in the code.
#pragma once

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace gemmac::kernel {

constexpr int64_t kLanes = 16;

/// Up to 16 neighbouring elements of a row: the first one's index, and a mask if there are fewer.
struct Lanes {
  mlir::Value first;
  mlir::Value mask; ///< null: all 16
};

class KernelBuilder {
public:
  using Value = mlir::Value;
  using Type = mlir::Type;

  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}

  mlir::OpBuilder &builder() { return b; }
  mlir::Location location() const { return loc; }

  // Types.
  Type i1() { return b.getI1Type(); }
  Type i8() { return b.getI8Type(); }
  Type i16() { return b.getI16Type(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Type f16() { return b.getF16Type(); }
  Type f32() { return b.getF32Type(); }
  Type f64() { return b.getF64Type(); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  Type vec(Type element, int64_t lanes = kLanes) { return mlir::VectorType::get({lanes}, element); }

  // Constants: scalars, and splats where `type` is a vector.
  Value c(int64_t x) { return cint(i64(), x); }
  Value cint(Type type, int64_t x);
  Value cf(Type type, double x);
  Value vf(double x) { return cf(vec(f32()), x); }

  // Integers.
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(b, loc, x, y); }
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, cint(x.getType(), y)); }
  Value sub(Value x, Value y) { return mlir::arith::SubIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return mlir::arith::MulIOp::create(b, loc, x, y); }
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, cint(x.getType(), y)); }
  Value div(Value x, int64_t y) { return mlir::arith::DivUIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value rem(Value x, int64_t y) { return mlir::arith::RemUIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value div(Value x, Value y) { return mlir::arith::DivUIOp::create(b, loc, x, y); }
  Value rem(Value x, Value y) { return mlir::arith::RemUIOp::create(b, loc, x, y); }
  Value andi(Value x, int64_t y) { return mlir::arith::AndIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value andi(Value x, Value y) { return mlir::arith::AndIOp::create(b, loc, x, y); }
  Value ori(Value x, Value y) { return mlir::arith::OrIOp::create(b, loc, x, y); }
  Value xori(Value x, int64_t y) { return mlir::arith::XOrIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value shl(Value x, int64_t y) { return mlir::arith::ShLIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value shr(Value x, int64_t y) { return mlir::arith::ShRUIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value shl(Value x, Value y) { return mlir::arith::ShLIOp::create(b, loc, x, y); }
  Value shr(Value x, Value y) { return mlir::arith::ShRUIOp::create(b, loc, x, y); }
  Value sar(Value x, int64_t y) { return mlir::arith::ShRSIOp::create(b, loc, x, cint(x.getType(), y)); }
  Value maxs(Value x, Value y) { return mlir::arith::MaxSIOp::create(b, loc, x, y); }
  Value mins(Value x, Value y) { return mlir::arith::MinSIOp::create(b, loc, x, y); }
  Value cmp(mlir::arith::CmpIPredicate p, Value x, Value y) {
    return mlir::arith::CmpIOp::create(b, loc, p, x, y);
  }
  Value lt(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::slt, x, y); }
  Value ge(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::sge, x, y); }
  Value le(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::sle, x, y); }
  Value eq(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::eq, x, y); }
  Value select(Value condition, Value x, Value y) {
    return mlir::arith::SelectOp::create(b, loc, condition, x, y);
  }

  // Floats, scalar or vector.
  Value fadd(Value x, Value y) { return mlir::arith::AddFOp::create(b, loc, x, y); }
  Value fsub(Value x, Value y) { return mlir::arith::SubFOp::create(b, loc, x, y); }
  Value fmul(Value x, Value y) { return mlir::arith::MulFOp::create(b, loc, x, y); }
  Value fdiv(Value x, Value y) { return mlir::arith::DivFOp::create(b, loc, x, y); }
  /// x * y + z, rounded once.
  Value fma(Value x, Value y, Value z) { return mlir::LLVM::FMAOp::create(b, loc, x.getType(), x, y, z); }
  Value fabs(Value x);
  Value sqrt(Value x) { return mlir::LLVM::SqrtOp::create(b, loc, x.getType(), x); }
  Value fcmp(mlir::arith::CmpFPredicate p, Value x, Value y) {
    return mlir::arith::CmpFOp::create(b, loc, p, x, y);
  }
  /// The larger; y where either is not a number (vmaxps).
  Value fmax(Value x, Value y) { return select(fcmp(mlir::arith::CmpFPredicate::OGT, x, y), x, y); }

  // Conversions.
  Value bitcast(Value x, Type type) { return mlir::LLVM::BitcastOp::create(b, loc, type, x); }
  Value zext(Value x, Type type) { return mlir::arith::ExtUIOp::create(b, loc, type, x); }
  Value sext(Value x, Type type) { return mlir::arith::ExtSIOp::create(b, loc, type, x); }
  Value trunc(Value x, Type type) { return mlir::arith::TruncIOp::create(b, loc, type, x); }
  Value sitofp(Value x, Type type) { return mlir::arith::SIToFPOp::create(b, loc, type, x); }
  Value extf(Value x, Type type) { return mlir::arith::ExtFOp::create(b, loc, type, x); }
  Value truncf(Value x, Type type) { return mlir::arith::TruncFOp::create(b, loc, type, x); }
  /// i16 (or a vector of them) holding bf16 -> f32.
  Value fromBF16(Value x);
  /// i32 lanes that hold a pair of bf16 -> f32: the lower halves, the upper ones.
  Value lowerBF16(Value pairs) { return bitcast(shl(pairs, 16), likeLanes(pairs, f32())); }
  Value upperBF16(Value pairs) { return bitcast(andi(pairs, -0x10000), likeLanes(pairs, f32())); }
  /// f32 -> i32 whose upper 16 bits are x rounded to bf16 (nearest even; NaN stays NaN) and whose lower are
  /// zero.
  Value roundBF16Bits(Value x);
  /// f32 -> bf16 held in i16.
  Value toBF16(Value x);
  /// The type of as many lanes as x has, with another element.
  Type likeLanes(Value x, Type element);

  // Vectors.
  Value splat(Value scalar, int64_t lanes = kLanes);
  Value shuffle(Value x, Value y, llvm::ArrayRef<int32_t> mask);
  Value slice(Value x, int64_t first, int64_t lanes);
  Value concat(Value x, Value y);
  Value extract(Value x, int64_t lane);
  Value iota32(); ///< 0..15 as i32
  /// Reduction by halves: the same tree on every target.
  Value sum(Value x);
  Value largest(Value x);
  Value intrinsic(llvm::StringRef name, Type type, mlir::ValueRange arguments);

  // Memory.
  Value at(Value base, Value bytes);
  Value at(Value base, int64_t bytes);
  Value load(Type type, Value from, unsigned align = 0);
  void store(Value x, Value to, unsigned align = 0);
  /// 16 f32 from element `lanes.first` of `row` on; masked lanes are 0.
  Value loadLanes(Value row, Lanes lanes);
  void storeLanes(Value x, Value row, Lanes lanes);
  /// A mask of the first n < 16 lanes.
  Value firstLanes(int64_t n);

  // Control.
  using Body = llvm::function_ref<void(Value)>;
  using CarryBody = llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>;
  void loop(Value from, Value to, int64_t step, Body body);
  void loop(int64_t from, int64_t to, int64_t step, Body body) { loop(c(from), c(to), step, body); }
  llvm::SmallVector<Value> loop(Value from, Value to, int64_t step, mlir::ValueRange carried, CarryBody body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifElse(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no);
  /// body on each 16 columns of [0, columns), the last ones masked.
  void forLanes(int64_t columns, llvm::function_ref<void(Lanes)> body);
  /// The same, carrying values.
  llvm::SmallVector<Value>
  forLanes(int64_t columns, mlir::ValueRange carried,
           llvm::function_ref<llvm::SmallVector<Value>(Lanes, mlir::ValueRange)> body);

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace gemmac::kernel
