// See PanelLines.h; the layouts are in docs/architecture.md.
#include "codegen/cuda/PanelLines.h"

using namespace mlir;

namespace gemmac::cuda {

PanelLines::PanelLines(BlockBuilder &k, step::Format format)
    : k(k), format(format), codes(panelCodes(format)), line(k.div(k.lane(), kLaneRows)),
      quarter(k.rem(k.lane(), kLaneRows)) {}

/// The lane's four words of lines [8j, 8j + 8).
Value PanelLines::words(Value superblock, int64_t j) {
  return k.load(k.vec(k.i32(), kLaneRows), k.at(superblock, k.add(k.mul(k.lane(), 16), j * 512)), 16);
}

/// f32: a word is one input; bf16, f16: two.
void PanelLines::floats(Value superblock, ArrayRef<Value> act, Value index, SmallVectorImpl<Value> &acc) {
  const int64_t perWord = format == step::Format::F32P16 ? 1 : 2;
  Type f32s = k.vec(k.f32(), kLaneRows), i16s = k.vec(k.i16(), kLaneRows);
  for (int64_t j = 0; j < kSuperblockK / perWord / 8; ++j) {
    Value word = words(superblock, j);
    SmallVector<Value> x;
    if (perWord == 1)
      x = {k.bitcast(word, f32s)};
    else if (format == step::Format::BF16P16)
      x = {k.lowerBF16(word), k.upperBF16(word)};
    else
      for (Value half : {word, k.shr(word, 16)})
        x.push_back(k.extf(k.bitcast(k.trunc(half, i16s), k.vec(k.f16(), kLaneRows)), f32s));
    Value first = k.add(k.mul(index, kSuperblockK), k.mul(k.add(line, j * 8), perWord));
    for (size_t r = 0; r < act.size(); ++r)
      for (int64_t i = 0; i < perWord; ++i) {
        Value a = k.load(k.f32(), k.at(act[r], k.mul(k.add(first, i), 4)));
        acc[r] = k.fma(x[i], k.splat(a, kLaneRows), acc[r]);
      }
  }
}

SmallVector<Value> PanelLines::codeWords(Value superblock, int64_t j) {
  Value word = words(superblock, j);
  if (codes->bits == 8)
    return {word};
  constexpr int64_t kNibbles = 0x0f0f0f0f;
  SmallVector<Value> both{k.andi(word, kNibbles), k.andi(k.shr(word, 4), kNibbles)};
  const int64_t width = codes->bits - 4;
  if (width == 0)
    return both;
  // The bits above: word w of 4 inputs has them at bit (w % (8 / width)) * width of each byte.
  const int64_t wordsPerLine = 8 / width;
  Value w = k.mul(line, 2);
  Value at = k.add(k.mul(k.div(w, wordsPerLine), 64), k.add(k.mul(quarter, 16), codes->highOffset()));
  Value high = k.load(k.vec(k.i32(), kLaneRows), k.at(superblock, at), 16);
  Value shift = k.trunc(k.mul(k.rem(w, wordsPerLine), width), k.i32());
  const int64_t mask = ((1 << width) - 1) * 0x01010101;
  for (int64_t i = 0; i < 2; ++i) {
    Value bits = k.andi(k.shr(high, k.splat(k.add(shift, i * width), kLaneRows)), mask);
    both[i] = k.ori(both[i], k.shl(bits, 4));
  }
  return both;
}

/// Four f16 at `offset` + `extra` of the scales, of the lane's rows.
Value PanelLines::four(Value at, int64_t offset, Value extra) {
  Value from = k.at(at, k.add(k.add(k.mul(quarter, 2 * kLaneRows), offset), extra));
  return k.extf(k.load(k.vec(k.f16(), kLaneRows), from, 8), k.vec(k.f32(), kLaneRows));
}

Value PanelLines::smallIntegers(Value at, bool isSigned) {
  Value x = k.load(k.vec(k.i8(), kLaneRows), k.at(at, k.mul(quarter, kLaneRows)), 4);
  Type i32s = k.vec(k.i32(), kLaneRows);
  return k.sitofp(isSigned ? k.sext(x, i32s) : k.zext(x, i32s), k.vec(k.f32(), kLaneRows));
}

/// Of the lane's inputs in lines [8j, 8j + 8): they all lie in one group.
PanelLines::Scales PanelLines::scales(Value superblock, int64_t j) {
  using S = PanelCodes::Scales;
  Value at = k.at(superblock, codes->scaleOffset()), zero = k.c(0);
  const int64_t perLine = codes->bits == 8 ? 4 : 8; // inputs
  Value g = k.div(k.mul(k.add(line, j * 8), perLine), codes->group());
  switch (codes->scales) {
  case S::F16:
    return {four(at, 0, k.mul(g, 32)), Value()};
  case S::F16Min:
    return {four(at, 0, k.mul(g, 32)), four(at, 64, k.mul(g, 32))};
  case S::K6:
    return {k.fmul(four(at, 0, zero), smallIntegers(k.at(at, k.add(k.mul(g, 16), 32)), true)), Value()};
  case S::K: {
    Value scale = k.fmul(four(at, 0, zero), smallIntegers(k.at(at, k.add(k.mul(g, 16), 64)), false));
    Value minimum = k.fmul(four(at, 32, zero), smallIntegers(k.at(at, k.add(k.mul(g, 16), 96)), false));
    return {scale, k.fmul(minimum, k.cf(minimum.getType(), -1))};
  }
  }
  llvm_unreachable("all kinds of scales are handled");
}

/// Codes x f32: sums of codes less their bias, then the scale.
void PanelLines::dequantized(Value superblock, ArrayRef<Value> act, Value index,
                             SmallVectorImpl<Value> &acc) {
  Type f32s = k.vec(k.f32(), kLaneRows);
  const int64_t perWordGroup = codes->bits == 8 ? 4 : 8, rounds = codes->bits == 8 ? 2 : 1;
  for (int64_t j = 0; j < rounds; ++j) {
    Scales s = scales(superblock, j);
    SmallVector<Value> inputs;
    for (Value word : codeWords(superblock, j))
      for (int64_t i = 0; i < 4; ++i) {
        Value code = codes->bits == 8 ? k.sar(i == 3 ? word : k.shl(word, 24 - 8 * i), 24)
                                      : k.add(k.andi(i ? k.shr(word, 8 * i) : word, 255), -codes->bias);
        inputs.push_back(k.sitofp(code, f32s));
      }
    Value first = k.add(k.mul(index, kSuperblockK), k.mul(k.add(line, j * 8), perWordGroup));
    for (size_t r = 0; r < act.size(); ++r) {
      Value sum = k.cf(f32s, 0), total = k.cf(k.f32(), 0);
      for (auto [i, x] : llvm::enumerate(inputs)) {
        Value a = k.load(k.f32(), k.at(act[r], k.mul(k.add(first, static_cast<int64_t>(i)), 4)));
        sum = k.fma(x, k.splat(a, kLaneRows), sum);
        total = s.minimum ? k.fadd(total, a) : total;
      }
      acc[r] = k.fma(sum, s.scale, acc[r]);
      if (s.minimum)
        acc[r] = k.fma(k.splat(total, kLaneRows), s.minimum, acc[r]);
    }
  }
}

/// sum + the four products of the signed bytes of a and b.
static Value dot4(BlockBuilder &k, Value a, Value b, Value sum) {
  return k.intrinsic("llvm.nvvm.idp4a.s.s", k.i32(), {a, b, sum});
}

/// Codes x int8: exact sums of 4 or 8 inputs, then both scales.
void PanelLines::integers(Value superblock, ArrayRef<Value> act, Value index, int64_t inputs,
                          SmallVectorImpl<Value> &acc) {
  Type i32s = k.vec(k.i32(), kLaneRows), f32s = k.vec(k.f32(), kLaneRows);
  const int64_t perLine = codes->bits == 8 ? 4 : 8, rounds = codes->bits == 8 ? 2 : 1;
  Value zero = k.cint(k.i32(), 0), ones = k.cint(k.i32(), 0x01010101);
  for (int64_t j = 0; j < rounds; ++j) {
    Scales s = scales(superblock, j);
    SmallVector<Value> words = codeWords(superblock, j);
    Value first = k.add(k.mul(index, kSuperblockK), k.mul(k.add(line, j * 8), perLine));
    for (size_t r = 0; r < act.size(); ++r) {
      SmallVector<Value> x;
      for (size_t w = 0; w < words.size(); ++w)
        x.push_back(k.load(k.i32(), k.at(act[r], k.add(first, static_cast<int64_t>(4 * w)))));
      Value sum; // of the activations, for biases and minima
      if (codes->bias != 0 || s.minimum) {
        sum = zero;
        for (Value word : x)
          sum = dot4(k, word, ones, sum);
      }
      Value dots = LLVM::PoisonOp::create(k.builder(), k.location(), i32s);
      for (int64_t row = 0; row < kLaneRows; ++row) {
        Value dot = codes->bias ? k.mul(sum, -codes->bias) : zero;
        for (auto [w, word] : llvm::enumerate(words))
          dot = dot4(k, k.extract(word, row), x[w], dot);
        dots =
            LLVM::InsertElementOp::create(k.builder(), k.location(), i32s, dots, dot, k.cint(k.i32(), row));
      }
      Value group = k.div(first, kScaleGroup);
      Value actScale = k.load(k.f32(), k.at(act[r], k.add(k.mul(group, 4), actScaleOffset(inputs))));
      Value factor = k.splat(actScale, kLaneRows);
      acc[r] = k.fma(k.sitofp(dots, f32s), k.fmul(s.scale, factor), acc[r]);
      if (s.minimum)
        acc[r] = k.fma(k.splat(k.sitofp(sum, k.f32()), kLaneRows), k.fmul(s.minimum, factor), acc[r]);
    }
  }
}

SmallVector<Value> PanelLines::multiply(step::Act how, Value superblock, ArrayRef<Value> act, Value index,
                                        ValueRange acc, int64_t inputs) {
  SmallVector<Value> next(acc);
  if (!codes)
    floats(superblock, act, index, next);
  else if (how == step::Act::I8)
    integers(superblock, act, index, inputs, next);
  else
    dequantized(superblock, act, index, next);
  return next;
}

} // namespace gemmac::cuda
