// The layouts of frontend/GgmlBlocks.cpp, 16 elements at a time: in every format those lie in one half of a
// run of bytes, one to a byte, low or high bits. See RowBlocks.h.
#include "codegen/kernel/RowBlocks.h"

#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::kernel {

namespace {

struct Decoder {
  KernelBuilder &k;
  Value block; ///< address
  Value e;     ///< the first element's index in the block

  Type f32s() { return k.vec(k.f32()); }
  Type i32s() { return k.vec(k.i32()); }
  Value half(int64_t offset) { return k.extf(k.load(k.f16(), k.at(block, offset)), k.f32()); }
  Value byte(Value offset) { return k.zext(k.load(k.i8(), k.at(block, offset)), k.i32()); }
  /// 16 bytes as i32.
  Value bytes(Value offset) { return k.zext(k.load(k.vec(k.i8()), k.at(block, offset)), i32s()); }
  /// bit `by` and up of every lane.
  Value shifted(Value lanes, Value by) { return k.shr(lanes, k.splat(k.trunc(by, k.i32()))); }
  Value number(Value lanes) { return k.sitofp(lanes, f32s()); }
  Value times(Value lanes, Value scalar) { return k.fmul(lanes, k.splat(scalar)); }

  Value nibbles32(int64_t offset);
  Value fifths32(int64_t offset);
  Value small(step::Format format);
  std::pair<Value, Value> factors();
  Value wide(step::Format format);
  Value six();
};

/// 32-element blocks: the first 16 elements are the low nibbles of 16 bytes.
Value Decoder::nibbles32(int64_t offset) {
  return k.andi(shifted(bytes(k.c(offset)), k.mul(k.div(e, 16), 4)), 15);
}

/// Their fifth bits: bit i of a 32-bit word belongs to element i.
Value Decoder::fifths32(int64_t offset) {
  Value word = k.splat(k.load(k.i32(), k.at(block, offset)));
  Value bit = k.add(k.iota32(), k.splat(k.trunc(e, k.i32())));
  return k.shl(k.andi(k.shr(word, bit), 1), 4);
}

Value Decoder::small(step::Format format) {
  Value d = half(0);
  switch (format) {
  case step::Format::RowsQ4_0:
    return times(number(k.add(nibbles32(2), -8)), d);
  case step::Format::RowsQ4_1:
    return k.fadd(times(number(nibbles32(4)), d), k.splat(half(2)));
  case step::Format::RowsQ5_0:
    return times(number(k.add(k.ori(nibbles32(6), fifths32(2)), -16)), d);
  case step::Format::RowsQ5_1:
    return k.fadd(times(number(k.ori(nibbles32(8), fifths32(4))), d), k.splat(half(2)));
  default: { // q8_0
    Value q = k.load(k.vec(k.i8()), k.at(block, k.add(e, 2)));
    return times(number(k.sext(q, i32s())), d);
  }
  }
}

/// Scale and minimum of the 32 elements that e is in, of the 12 bytes at 4: six bits each, groups 4 to 7 in
/// pieces.
std::pair<Value, Value> Decoder::factors() {
  Value group = k.div(e, 32), four = k.rem(group, 4), upper = k.ge(group, k.c(4));
  Value a = byte(k.add(four, 4)), b = byte(k.add(four, 8)), c = byte(k.add(four, 12));
  auto top = [&](Value x) { return k.shl(k.shr(x, 6), 4); };
  Value scale = k.select(upper, k.ori(k.andi(c, 15), top(a)), k.andi(a, 63));
  Value minimum = k.select(upper, k.ori(k.shr(c, 4), top(b)), k.andi(b, 63));
  return {k.fmul(half(0), k.sitofp(scale, k.f32())), k.fmul(half(2), k.sitofp(minimum, k.f32()))};
}

/// Q4_K, Q5_K: 32 bytes hold 64 elements, the first 32 in the low nibbles; fifth bits of group g are bit g of
/// 32 bytes.
Value Decoder::wide(step::Format format) {
  const bool five = format == step::Format::RowsQ5_K;
  Value group = k.div(e, 32), within = k.rem(e, 32);
  Value at = k.add(k.add(k.mul(k.div(e, 64), 32), within), five ? 48 : 16);
  Value code = k.andi(shifted(bytes(at), k.mul(k.rem(group, 2), 4)), 15);
  if (five)
    code = k.ori(code, k.shl(k.andi(shifted(bytes(k.add(within, 16)), group), 1), 4));
  auto [scale, minimum] = factors();
  return k.fsub(times(number(code), scale), k.splat(minimum));
}

/// Q6_K: see sixBits() in frontend/GgmlBlocks.cpp.
Value Decoder::six() {
  Value part = k.div(e, 128), quarter = k.div(k.rem(e, 128), 32), within = k.rem(e, 32);
  Value low = bytes(k.add(k.add(k.mul(part, 64), k.mul(k.rem(quarter, 2), 32)), within));
  Value nibble = k.andi(shifted(low, k.mul(k.div(quarter, 2), 4)), 15);
  Value high = bytes(k.add(k.add(k.mul(part, 32), within), 128));
  Value top = k.shl(k.andi(shifted(high, k.mul(quarter, 2)), 3), 4);
  Value factor = k.sext(k.load(k.i8(), k.at(block, k.add(k.div(e, 16), 192))), k.i32());
  Value scale = k.fmul(half(208), k.sitofp(factor, k.f32()));
  return times(number(k.add(k.ori(nibble, top), -32)), scale);
}

} // namespace

Value decodeRowBlocks(KernelBuilder &k, step::Format format, Value row, Value first) {
  RowBlocks blocks = rowBlocks(format);
  Decoder decoder{k, k.at(row, k.mul(k.div(first, blocks.elements), blocks.bytes)),
                  k.rem(first, blocks.elements)};
  if (blocks.elements == 32)
    return decoder.small(format);
  return format == step::Format::RowsQ6_K ? decoder.six() : decoder.wide(format);
}

} // namespace gemmac::kernel
