// Helpers over OpBuilder. See KernelBuilder.h.
#include "codegen/kernel/KernelBuilder.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace gemmac::kernel {

Value KernelBuilder::cint(Type type, int64_t x) {
  Type element = getElementTypeOrSelf(type);
  Attribute value = b.getIntegerAttr(element, APInt(element.getIntOrFloatBitWidth(), static_cast<uint64_t>(x),
                                                    /*isSigned=*/false,
                                                    /*implicitTrunc=*/true));
  if (auto vector = dyn_cast<VectorType>(type))
    value = SplatElementsAttr::get(vector, value);
  return arith::ConstantOp::create(b, loc, type, cast<TypedAttr>(value));
}

Value KernelBuilder::cf(Type type, double x) {
  Attribute value = b.getFloatAttr(getElementTypeOrSelf(type), x);
  if (auto vector = dyn_cast<VectorType>(type))
    value = SplatElementsAttr::get(vector, value);
  return arith::ConstantOp::create(b, loc, type, cast<TypedAttr>(value));
}

Value KernelBuilder::fabs(Value x) { return LLVM::FAbsOp::create(b, loc, x.getType(), x); }

Type KernelBuilder::likeLanes(Value x, Type element) {
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    return vec(element, vector.getNumElements());
  return element;
}

Value KernelBuilder::fromBF16(Value x) {
  return bitcast(shl(zext(x, likeLanes(x, i32())), 16), likeLanes(x, f32()));
}

// Not arith.truncf: vcvtneps2bf16 flushes denormals, and other CPUs would need a library call.
Value KernelBuilder::roundBF16Bits(Value x) {
  Value bits = bitcast(x, likeLanes(x, i32()));
  Value odd = andi(shr(bits, 16), 1);
  Value rounded = add(add(bits, 0x7fff), odd);
  Value isNan = fcmp(arith::CmpFPredicate::UNO, x, x);
  Value quiet = arith::OrIOp::create(b, loc, bits, cint(bits.getType(), 0x400000));
  return andi(select(isNan, quiet, rounded), static_cast<int64_t>(0xffff0000));
}

Value KernelBuilder::toBF16(Value x) { return trunc(shr(roundBF16Bits(x), 16), likeLanes(x, i16())); }

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  Type type = vec(scalar.getType(), lanes);
  Value none = LLVM::PoisonOp::create(b, loc, type);
  Value first = LLVM::InsertElementOp::create(b, loc, type, none, scalar, cint(i32(), 0));
  return shuffle(first, none, SmallVector<int32_t>(lanes, 0));
}

Value KernelBuilder::shuffle(Value x, Value y, ArrayRef<int32_t> mask) {
  return LLVM::ShuffleVectorOp::create(b, loc, x, y, mask);
}

Value KernelBuilder::slice(Value x, int64_t first, int64_t lanes) {
  SmallVector<int32_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(static_cast<int32_t>(first + i));
  return shuffle(x, x, mask);
}

Value KernelBuilder::concat(Value x, Value y) {
  SmallVector<int32_t> mask;
  int64_t lanes = 2 * cast<VectorType>(x.getType()).getNumElements();
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(static_cast<int32_t>(i));
  return shuffle(x, y, mask);
}

Value KernelBuilder::extract(Value x, int64_t lane) {
  return LLVM::ExtractElementOp::create(b, loc, x, cint(i32(), lane));
}

Value KernelBuilder::iota32() {
  SmallVector<int32_t> values;
  for (int32_t i = 0; i < kLanes; ++i)
    values.push_back(i);
  auto type = cast<VectorType>(vec(i32()));
  return arith::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, ArrayRef<int32_t>(values)));
}

Value KernelBuilder::sum(Value x) {
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(x.getType()));
  auto plus = [&](Value p, Value q) { return isFloat ? fadd(p, q) : add(p, q); };
  for (int64_t half = kLanes / 2; half >= 2; half /= 2)
    x = plus(slice(x, 0, half), slice(x, half, half));
  return plus(extract(x, 0), extract(x, 1));
}

Value KernelBuilder::largest(Value x) {
  for (int64_t half = kLanes / 2; half >= 2; half /= 2)
    x = fmax(slice(x, 0, half), slice(x, half, half));
  return fmax(extract(x, 0), extract(x, 1));
}

Value KernelBuilder::intrinsic(StringRef name, Type type, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), arguments).getResult(0);
}

Value KernelBuilder::at(Value base, Value bytes) {
  return LLVM::GEPOp::create(b, loc, ptr(), i8(), base, ValueRange{bytes}, LLVM::GEPNoWrapFlags::inbounds);
}

Value KernelBuilder::at(Value base, int64_t bytes) { return bytes == 0 ? base : at(base, c(bytes)); }

/// Elements are always aligned to their own size; more is not promised unless the caller does.
static unsigned elementAlign(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrFloat() ? std::max(1u, element.getIntOrFloatBitWidth() / 8) : 8;
}

Value KernelBuilder::load(Type type, Value from, unsigned align) {
  return LLVM::LoadOp::create(b, loc, type, from, align ? align : elementAlign(type));
}

void KernelBuilder::store(Value x, Value to, unsigned align) {
  LLVM::StoreOp::create(b, loc, x, to, align ? align : elementAlign(x.getType()));
}

Value KernelBuilder::loadLanes(Value row, Lanes lanes) {
  Value from = at(row, mul(lanes.first, 4));
  if (!lanes.mask)
    return load(vec(f32()), from);
  return LLVM::MaskedLoadOp::create(b, loc, vec(f32()), from, lanes.mask, vf(0), 4u, /*nontemporal=*/false);
}

void KernelBuilder::storeLanes(Value x, Value row, Lanes lanes) {
  Value to = at(row, mul(lanes.first, 4));
  if (lanes.mask)
    LLVM::MaskedStoreOp::create(b, loc, x, to, lanes.mask, 4);
  else
    store(x, to);
}

Value KernelBuilder::firstLanes(int64_t n) {
  SmallVector<bool> bits;
  for (int64_t i = 0; i < kLanes; ++i)
    bits.push_back(i < n);
  auto type = cast<VectorType>(vec(i1()));
  return arith::ConstantOp::create(b, loc, type, DenseElementsAttr::get(type, ArrayRef<bool>(bits)));
}

void KernelBuilder::loop(Value from, Value to, int64_t step, Body body) {
  auto op = scf::ForOp::create(b, loc, from, to, cint(from.getType(), step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.getBody()->getTerminator());
  body(op.getInductionVar());
}

SmallVector<Value> KernelBuilder::loop(Value from, Value to, int64_t step, ValueRange carried,
                                       CarryBody body) {
  auto op = scf::ForOp::create(b, loc, from, to, cint(from.getType(), step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(op.getBody());
  if (!op.getBody()->empty() && op.getBody()->back().hasTrait<OpTrait::IsTerminator>())
    b.setInsertionPoint(&op.getBody()->back());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(op.getResults());
}

void KernelBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto op = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  body();
}

void KernelBuilder::ifElse(Value condition, function_ref<void()> yes, function_ref<void()> no) {
  auto op = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  yes();
  b.setInsertionPoint(op.elseBlock()->getTerminator());
  no();
}

void KernelBuilder::forLanes(int64_t columns, function_ref<void(Lanes)> body) {
  forLanes(columns, ValueRange{}, [&](Lanes lanes, ValueRange) {
    body(lanes);
    return SmallVector<Value>();
  });
}

SmallVector<Value> KernelBuilder::forLanes(int64_t columns, ValueRange carried,
                                           function_ref<SmallVector<Value>(Lanes, ValueRange)> body) {
  int64_t whole = columns / kLanes * kLanes;
  SmallVector<Value> values(carried);
  if (whole == kLanes)
    values = body(Lanes{c(0), Value()}, values);
  else if (whole > 0)
    values = loop(c(0), c(whole), kLanes, values,
                  [&](Value first, ValueRange now) { return body(Lanes{first, Value()}, now); });
  if (whole < columns)
    values = body(Lanes{c(whole), firstLanes(columns - whole)}, values);
  return values;
}

} // namespace gemmac::kernel
