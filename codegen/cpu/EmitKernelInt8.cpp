// Product kernels on int8 activations: a step is a superblock of 64 k, two groups of 32, each an exact sum in
// i32 times the scales of weight and activation. Three ways to the same sum: vpdpbusd; vpmaddubsw (4 bits:
// 0..15 times int8 cannot saturate, and eight of them fit 16 bits); widening to 16 bits and vpmaddwd. All
// want unsigned weights but the last: the sum of the activations, which pack leaves beside them, takes the
// bias off again.
#include "codegen/cpu/Kernel.h"
#include "passes/plan/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

class Int8Kernel : public Kernel {
public:
  Int8Kernel(KernelBuilder &k, step::Format format)
      : Kernel(k), fourBits(format == step::Format::Q4P16), format(format), parts(k.cpu().avx512 ? 1 : 2),
        how(k.cpu().vnni || k.cpu().avxvnni ? Dot
            : fourBits                      ? AddBytes
                                            : Widen) {}

  int64_t stepsPerSuperblock() const override { return 1; }
  int64_t stepBytes() const override { return superblockBytes(format); }
  SmallVector<Value> step(const Block &block, Value t, ValueRange acc) override;

private:
  enum How { Dot, AddBytes, Widen };
  /// A vector of 64 bytes, or the same in two registers.
  using Parts = SmallVector<Value, 2>;

  bool fourBits;
  step::Format format;
  int64_t parts;
  How how;

  int64_t bias() const { return how == Widen ? 0 : fourBits ? 8 : 128; }
  Type bytesType() { return k.vec(k.i8(), 64 / parts); }
  Type pairsType() { return k.vec(k.i16(), 32 / parts); }
  Type sumsType() { return k.vec(k.i32(), 16 / parts); }

  Value pairsOfBytes(Value w, Value x) {
    return k.intrinsic(parts == 1 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw",
                       pairsType(), {w, x});
  }
  Value pairsOfWords(Value w, Value x) {
    return k.intrinsic(parts == 1 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd", sumsType(),
                       {w, x});
  }
  Value even(Value x) { return k.sar(k.shl(x, 8), 8); }
  Value odd(Value x) { return k.sar(x, 8); }

  /// The words (4 k each) of vector j, in the form that `how` multiplies: [word][part].
  SmallVector<Parts> unpack(Value vector);
  /// One word of an activation, in all lanes.
  Value spread(Value row, int64_t word) {
    return k.bitcast(k.splat(k.load(k.i32(), k.at(row, word * 4)), 16 / parts), bytesType());
  }
  Value multiply(Value sum, Value w, Value x);
  Value finish(Value sum, Value correction);
  SmallVector<Value> oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                               SmallVector<Value> sums);
  SmallVector<Value> group(ArrayRef<Value> rows, ArrayRef<Value> panels, ArrayRef<Value> corrections,
                           int64_t g);
};

SmallVector<Int8Kernel::Parts> Int8Kernel::unpack(Value vector) {
  SmallVector<Parts> words(fourBits ? 2 : 1, Parts());
  for (int64_t p = 0; p < parts; ++p) {
    Value w = k.load(bytesType(), k.at(vector, p * 64 / parts), 64 / parts);
    if (fourBits) {
      Value high = k.bitcast(k.shr(k.bitcast(w, pairsType()), 4), bytesType());
      words[0].push_back(k.andi(w, 15));
      words[1].push_back(k.andi(high, 15));
    } else {
      words[0].push_back(how == Dot ? k.xori(w, 0x80) : w);
    }
  }
  return words;
}

/// sum + w . x
Value Int8Kernel::multiply(Value sum, Value w, Value x) {
  if (how == Dot)
    return k.intrinsic(parts == 1 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256",
                       sumsType(), {sum, w, x});
  if (how == AddBytes)
    return k.add(sum, pairsOfBytes(w, x));
  Value w16 = k.bitcast(w, pairsType()), x16 = k.bitcast(x, pairsType());
  return k.add(sum, k.add(pairsOfWords(even(w16), even(x16)), pairsOfWords(odd(w16), odd(x16))));
}

Value Int8Kernel::finish(Value sum, Value correction) {
  if (how == AddBytes)
    return k.add(pairsOfWords(sum, k.cint(pairsType(), 1)), correction);
  return sum;
}

/// Vector j of the group at `rows` and `panels`, added to sums[row][panel][part].
SmallVector<Value> Int8Kernel::oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                                         SmallVector<Value> sums) {
  int64_t words = fourBits ? 2 : 1;
  SmallVector<SmallVector<Parts>> weights;
  for (Value panel : panels)
    weights.push_back(unpack(k.at(panel, k.mul(j, 64))));
  for (size_t r = 0; r < rows.size(); ++r) {
    Value row = k.at(rows[r], k.mul(j, words * 4));
    for (int64_t word = 0; word < words; ++word) {
      Value x = spread(row, word);
      for (size_t p = 0; p < panels.size(); ++p)
        for (int64_t part = 0; part < parts; ++part) {
          Value &sum = sums[(r * panels.size() + p) * parts + part];
          sum = multiply(sum, weights[p][word][part], x);
        }
    }
  }
  return sums;
}

/// Sums of group g in i32, 16 lanes: [row][panel]. One row is bound by memory and unrolled; several rows are
/// a loop, which keeps the unpacked weights of one vector, and no more, in registers.
SmallVector<Value> Int8Kernel::group(ArrayRef<Value> rows, ArrayRef<Value> panels,
                                     ArrayRef<Value> corrections, int64_t g) {
  int64_t vectors = kScaleGroup / (fourBits ? 8 : 4);
  SmallVector<Value> starts, vectorsAt, rowsAt;
  for (size_t i = 0; i < rows.size() * panels.size() * parts; ++i)
    starts.push_back(how == Dot ? corrections[i / (panels.size() * parts)]
                                : k.cint(how == AddBytes ? pairsType() : sumsType(), 0));
  for (Value panel : panels)
    vectorsAt.push_back(k.at(panel, g * vectors * 64));
  for (Value row : rows)
    rowsAt.push_back(k.at(row, g * kScaleGroup));
  SmallVector<Value> sums = starts;
  if (rows.size() == 1)
    for (int64_t j = 0; j < vectors; ++j)
      sums = oneVector(rowsAt, vectorsAt, k.c(j), sums);
  else
    sums = k.loop(k.c(0), k.c(vectors), 1, starts, [&](Value j, ValueRange now) {
      return oneVector(rowsAt, vectorsAt, j, SmallVector<Value>(now));
    });
  SmallVector<Value> whole;
  for (size_t i = 0; i < sums.size(); i += parts) {
    Value correction = corrections[i / (panels.size() * parts)];
    Value lower = finish(sums[i], correction);
    whole.push_back(parts == 1 ? lower : k.concat(lower, finish(sums[i + 1], correction)));
  }
  return whole;
}

SmallVector<Value> Int8Kernel::step(const Block &block, Value t, ValueRange acc) {
  SmallVector<Value> sums(acc), rows, panels, rowScales;
  Value scaleOffset = k.mul(block.superblocks, 64), sumOffset = k.mul(block.superblocks, 72);
  for (Value row : block.act)
    rows.push_back(k.at(row, k.mul(t, kSuperblockK)));
  for (Value panel : block.panels)
    panels.push_back(k.at(panel, k.mul(t, superblockBytes(format))));
  for (int64_t g = 0; g < 2; ++g) {
    SmallVector<Value> corrections, actScales;
    Value word = k.add(k.mul(t, 8), g * 4);
    for (Value row : block.act) {
      if (bias()) {
        Value sum = k.load(k.i32(), k.at(row, k.add(sumOffset, word)));
        corrections.push_back(k.splat(k.mul(sum, -bias()), 16 / parts));
      } else {
        corrections.push_back(Value());
      }
      actScales.push_back(k.splat(k.load(k.f32(), k.at(row, k.add(scaleOffset, word)))));
    }
    SmallVector<Value> dots = group(rows, panels, corrections, g);
    for (size_t p = 0; p < panels.size(); ++p) {
      Value at = k.at(panels[p], superblockBytes(format) - 64 + 32 * g);
      Value weightScale = k.extf(k.load(k.vec(k.f16()), at, 32), k.vec(k.f32()));
      for (size_t r = 0; r < rows.size(); ++r) {
        size_t i = r * panels.size() + p;
        sums[i] = k.fma(k.sitofp(dots[i], k.vec(k.f32())), k.fmul(weightScale, actScales[r]), sums[i]);
      }
    }
  }
  return sums;
}

} // namespace

std::unique_ptr<Kernel> makeInt8Kernel(KernelBuilder &k, step::Format format) {
  return std::make_unique<Int8Kernel>(k, format);
}

} // namespace gemmac::cpu
