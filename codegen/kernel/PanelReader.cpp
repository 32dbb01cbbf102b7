// See PanelReader.h; the layouts are in docs/architecture.md.
#include "codegen/kernel/PanelReader.h"

using namespace mlir;

namespace gemmac::kernel {

using Scales = PanelCodes::Scales;

// Places in the scales' part of a superblock; g is the group.
static constexpr int64_t kMinima = 64;     ///< F16Min: minima behind the scales
static constexpr int64_t kDmin = 32;       ///< K
static constexpr int64_t kFactors = 64;    ///< K: u8 factors of the scales
static constexpr int64_t kMinFactors = 96; ///< K: u8 factors of the minima
static constexpr int64_t kK6Factors = 32;  ///< K6: i8 factors

Value PanelReader::halves(Value at) { return k.extf(k.load(k.vec(k.f16()), at, 32), k.vec(k.f32())); }

Value PanelReader::smallIntegers(Value at, bool isSigned) {
  Value x = k.load(k.vec(k.i8()), at, 16);
  return k.sitofp(isSigned ? k.sext(x, k.vec(k.i32())) : k.zext(x, k.vec(k.i32())), k.vec(k.f32()));
}

Value PanelReader::half(Value at) { return k.extf(k.load(k.f16(), at), k.f32()); }

Value PanelReader::smallInteger(Value at, bool isSigned) {
  Value x = k.load(k.i8(), at);
  return k.sitofp(isSigned ? k.sext(x, k.i32()) : k.zext(x, k.i32()), k.f32());
}

Value PanelReader::scale(Value superblock, Value g) {
  Value at = k.at(superblock, layout.scaleOffset());
  switch (layout.scales) {
  case Scales::F16:
  case Scales::F16Min:
    return halves(k.at(at, k.mul(g, 32)));
  case Scales::K:
    return k.fmul(halves(at), smallIntegers(k.at(at, k.add(k.mul(g, 16), kFactors)), false));
  case Scales::K6:
    return k.fmul(halves(at), smallIntegers(k.at(at, k.add(k.mul(g, 16), kK6Factors)), true));
  }
  return {};
}

Value PanelReader::minimum(Value superblock, Value g) {
  Value at = k.at(superblock, layout.scaleOffset());
  if (layout.scales == Scales::F16Min)
    return halves(k.at(at, k.add(k.mul(g, 32), kMinima)));
  Value factors = smallIntegers(k.at(at, k.add(k.mul(g, 16), kMinFactors)), false);
  return k.fmul(k.fmul(halves(k.at(at, kDmin)), factors), k.vf(-1));
}

Value PanelReader::highBits(Value superblock, Value j, int64_t part, int64_t parts) {
  const int64_t words = 8 / highWidth(); // in a vector of high bits
  Value word = k.mul(j, 2);
  Value at = k.at(superblock, k.add(k.mul(k.div(word, words), 64), layout.highOffset() + part * 64 / parts));
  Value bits = k.load(k.vec(k.i32(), kLanes / parts), at, 64 / parts);
  Value shift = k.trunc(k.mul(k.rem(word, words), highWidth()), k.i32());
  return k.shr(bits, k.splat(shift, kLanes / parts));
}

Value PanelReader::nibbleTable() {
  SmallVector<float> entries;
  for (int64_t code = 0; code < 16; ++code)
    entries.push_back(static_cast<float>(code - layout.bias));
  auto type = cast<VectorType>(k.vec(k.f32()));
  return arith::ConstantOp::create(k.builder(), k.location(), type,
                                   DenseElementsAttr::get(type, ArrayRef<float>(entries)));
}

Value PanelReader::code(Value word, Value high, int64_t i, Value table) {
  if (layout.bits == 8) {
    Value top = i == 3 ? word : k.shl(word, 24 - 8 * i);
    return k.sitofp(k.sar(top, 24), k.vec(k.f32()));
  }
  const int64_t shift = i % 4 * 8 + i / 4 * 4;
  Value code = shift ? k.shr(word, shift) : word;
  if (table) // vpermps looks at the low 4 bits only
    return k.intrinsic("llvm.x86.avx512.permvar.sf.512", k.vec(k.f32()), {table, code});
  code = k.andi(code, 15);
  if (const int64_t width = highWidth()) {
    const int64_t at = i % 4 * 8 + i / 4 * width;
    Value top = k.andi(at ? k.shr(high, at) : high, (1 << width) - 1);
    code = k.ori(code, k.shl(top, 4));
  }
  return k.sitofp(k.add(code, -layout.bias), k.vec(k.f32()));
}

Value PanelReader::element(Value superblock, Value lane, Value j) {
  const int64_t per = perVector();
  Value vector = k.mul(k.div(j, per), 64), place = k.add(k.mul(lane, 4), k.rem(j, 4));
  Value byte = k.load(k.i8(), k.at(superblock, k.add(vector, place)));
  Value code;
  if (layout.bits == 8) {
    code = k.sext(byte, k.i32());
  } else {
    Value high = k.trunc(k.andi(j, 4), k.i32()); // the upper nibble holds inputs 4..7 of each 8
    code = k.andi(k.shr(k.zext(byte, k.i32()), high), 15);
    if (int64_t width = highWidth()) {
      Value word = k.div(j, 4);
      Value from = k.add(k.mul(k.div(word, 8 / width), 64), k.add(place, layout.highOffset()));
      Value shift = k.trunc(k.mul(k.rem(word, 8 / width), width), k.i32());
      Value top =
          k.andi(k.shr(k.zext(k.load(k.i8(), k.at(superblock, from)), k.i32()), shift), (1 << width) - 1);
      code = k.ori(code, k.shl(top, 4));
    }
    code = k.add(code, -layout.bias);
  }
  auto [scale, minimum] = scaleOf(superblock, lane, k.div(j, layout.group()));
  Value value = k.fmul(k.sitofp(code, k.f32()), scale);
  return minimum ? k.fadd(value, minimum) : value;
}

std::pair<Value, Value> PanelReader::scaleOf(Value superblock, Value lane, Value g) {
  Value at = k.at(superblock, layout.scaleOffset()), byLane = k.mul(lane, 2);
  if (layout.scales == Scales::F16 || layout.scales == Scales::F16Min) {
    Value where = k.add(k.mul(g, 32), byLane);
    return {half(k.at(at, where)), layout.minimum() ? half(k.at(at, k.add(where, kMinima))) : Value()};
  }
  Value d = half(k.at(at, byLane)), factor = k.add(k.mul(g, 16), lane);
  if (layout.scales == Scales::K6)
    return {k.fmul(d, smallInteger(k.at(at, k.add(factor, kK6Factors)), true)), Value()};
  Value dmin = half(k.at(at, k.add(byLane, kDmin)));
  Value minimum = k.fmul(dmin, smallInteger(k.at(at, k.add(factor, kMinFactors)), false));
  return {k.fmul(d, smallInteger(k.at(at, k.add(factor, kFactors)), false)),
          k.fmul(minimum, k.cf(k.f32(), -1))};
}

Value panelElement(KernelBuilder &k, step::Format format, Value superblock, Value lane, Value j) {
  if (step::hasCodes(format))
    return PanelReader(k, format).element(superblock, lane, j);
  if (format == step::Format::F32P16)
    return k.load(k.f32(), k.at(superblock, k.add(k.mul(j, 64), k.mul(lane, 4))));
  // bf16, f16: pairs
  Value at = k.add(k.mul(k.div(j, 2), 64), k.add(k.mul(lane, 4), k.mul(k.rem(j, 2), 2)));
  if (format == step::Format::F16P16)
    return k.extf(k.load(k.f16(), k.at(superblock, at)), k.f32());
  return k.fromBF16(k.load(k.i16(), k.at(superblock, at)));
}

} // namespace gemmac::kernel
