// Product kernels on int8 activations: a step is a superblock of 64 k, in groups (of 32, or 16) that are
// exact sums in i32 times the scales of weight and activation. Ways to the same sum: vpdpbusd; sdot and, two
// rows at a time, smmla; vpmaddubsw (4 bits: 0..15 times int8 cannot saturate, and eight of them fit 16 bits;
// 5 and 6 bits widen after each); 8 bits without any of them widen first. vpdpbusd and vpmaddubsw want
// unsigned codes, and codes of fewer bits are: a sum of the activations takes the bias off again.
#include "codegen/cpu/Kernel.h"
#include "codegen/kernel/PanelReader.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

class Int8Kernel : public Kernel {
public:
  Int8Kernel(KernelBuilder &k, step::Format format)
      : Kernel(k), reader(k, format), layout(reader.codes()), parts(64 / k.cpu().vectorBytes),
        how(k.cpu().dotprod                   ? SignedDot
            : k.cpu().vnni || k.cpu().avxvnni ? Dot
            : layout.bits == 4                ? AddBytes
            : layout.bits < 8                 ? AddWords
                                              : Widen) {}

  int64_t stepsPerSuperblock() const override { return 1; }
  int64_t stepBytes() const override { return reader.bytes(); }
  SmallVector<Value> step(const Block &block, Value t, ValueRange acc) override;

private:
  static constexpr size_t kPairs = kLanes / 2; ///< registers of a panel's sums on smmla
  enum How { Dot, SignedDot, AddBytes, AddWords, Widen };
  /// A vector of 64 bytes, or the same in two or four registers.
  using Parts = SmallVector<Value, 4>;

  PanelReader reader;
  const PanelCodes &layout;
  int64_t parts;
  How how;

  int64_t bias() const { return layout.bits < 8 ? layout.bias : how == Widen || how == SignedDot ? 0 : 128; }
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
  Value ones() { return k.cint(pairsType(), 1); }
  Value even(Value x) { return k.sar(k.shl(x, 8), 8); }
  Value odd(Value x) { return k.sar(x, 8); }

  /// The words (4 k each) of vector j of a superblock, in the form that `how` multiplies: [word][part].
  SmallVector<Parts> unpack(Value superblock, Value j);
  /// One word of an activation, in all lanes.
  Value spread(Value row, int64_t word) {
    return k.bitcast(k.splat(k.load(k.i32(), k.at(row, word * 4)), 16 / parts), bytesType());
  }
  Value multiply(Value sum, Value w, Value x);
  Value finish(Value sum, Value correction);
  Value correction(Value row, Value t, int64_t g);
  SmallVector<Value> oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                               SmallVector<Value> sums);
  SmallVector<Value> group(ArrayRef<Value> rows, ArrayRef<Value> panels, ArrayRef<Value> corrections,
                           int64_t g);
  Value whole(Parts pieces);
  SmallVector<Value> unpackPairs(Value superblock, Value j);
  Value twoRows(Value row, Value next, Value j);
  Value oneOfTwo(ArrayRef<Value> two, int32_t which, Value correction);
  SmallVector<Value> groupByPairs(ArrayRef<Value> rows, ArrayRef<Value> panels, ArrayRef<Value> corrections,
                                  int64_t g);
};

SmallVector<Int8Kernel::Parts> Int8Kernel::unpack(Value superblock, Value j) {
  SmallVector<Parts> words(reader.perVector() / 4, Parts());
  const int64_t width = reader.highWidth();
  for (int64_t p = 0; p < parts; ++p) {
    Value w = k.load(bytesType(), k.at(superblock, k.add(k.mul(j, 64), p * 64 / parts)), 64 / parts);
    if (layout.bits == 8) {
      words[0].push_back(how == Dot ? k.xori(w, 0x80) : w);
      continue;
    }
    Value nibbles[] = {k.andi(w, 15),
                       k.andi(k.bitcast(k.shr(k.bitcast(w, pairsType()), 4), bytesType()), 15)};
    Value high = width ? reader.highBits(superblock, j, p, parts) : Value();
    for (int64_t word = 0; word < 2; ++word) {
      if (width) {
        Value bits = k.bitcast(word ? k.shr(high, width) : high, bytesType());
        Value top = k.andi(bits, (1 << width) - 1);
        nibbles[word] = k.ori(nibbles[word], k.bitcast(k.shl(k.bitcast(top, sumsType()), 4), bytesType()));
      }
      words[word].push_back(nibbles[word]);
    }
  }
  return words;
}

/// sum + w . x
Value Int8Kernel::multiply(Value sum, Value w, Value x) {
  if (how == Dot)
    return k.intrinsic(parts == 1 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256",
                       sumsType(), {sum, w, x});
  if (how == SignedDot)
    return k.intrinsic("llvm.aarch64.neon.sdot", sumsType(), {sum, w, x});
  if (how == AddBytes)
    return k.add(sum, pairsOfBytes(w, x));
  if (how == AddWords)
    return k.add(sum, pairsOfWords(pairsOfBytes(w, x), ones()));
  Value w16 = k.bitcast(w, pairsType()), x16 = k.bitcast(x, pairsType());
  return k.add(sum, k.add(pairsOfWords(even(w16), even(x16)), pairsOfWords(odd(w16), odd(x16))));
}

Value Int8Kernel::finish(Value sum, Value correction) {
  return how == AddBytes ? k.add(pairsOfWords(sum, ones()), correction) : sum;
}

/// -bias times the sum of the activations of group g: pack has left those of 32; those of 16 are added here.
Value Int8Kernel::correction(Value row, Value t, int64_t g) {
  if (bias() == 0)
    return k.cint(sumsType(), 0);
  if (layout.group() == kScaleGroup) {
    Value sums = k.at(row, k.mul(t, 8));
    return k.splat(k.mul(k.load(k.i32(), k.at(sums, g * 4)), -bias()), 16 / parts);
  }
  Value one = k.cint(bytesType(), 1), sum = k.cint(how == AddBytes ? pairsType() : sumsType(), 0);
  for (int64_t word = 0; word < layout.group() / 4; ++word)
    sum = multiply(sum, one, spread(row, g * layout.group() / 4 + word));
  return k.mul(finish(sum, k.cint(sumsType(), 0)), -bias());
}

/// Vector j of the superblocks at `rows` and `panels`, added to sums[row][panel][part].
SmallVector<Value> Int8Kernel::oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                                         SmallVector<Value> sums) {
  int64_t words = reader.perVector() / 4;
  SmallVector<SmallVector<Parts>> weights;
  for (Value panel : panels)
    weights.push_back(unpack(panel, j));
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
  int64_t vectors = layout.group() / reader.perVector(), first = g * vectors;
  SmallVector<Value> sums;
  for (size_t i = 0; i < rows.size() * panels.size() * parts; ++i)
    sums.push_back(how == AddBytes ? k.cint(pairsType(), 0) : corrections[i / (panels.size() * parts)]);
  if (rows.size() == 1)
    for (int64_t j = first; j < first + vectors; ++j)
      sums = oneVector(rows, panels, k.c(j), sums);
  else
    sums =
        k.loop(k.c(first), k.c(first + vectors), 1, SmallVector<Value>(sums),
               [&](Value j, ValueRange now) { return oneVector(rows, panels, j, SmallVector<Value>(now)); });
  SmallVector<Value> results;
  for (size_t i = 0; i < sums.size(); i += parts) {
    Value correction = corrections[i / (panels.size() * parts)];
    Parts pieces;
    for (int64_t part = 0; part < parts; ++part)
      pieces.push_back(finish(sums[i + part], correction));
    results.push_back(whole(pieces));
  }
  return results;
}

/// The 16 lanes that lie in several registers.
Value Int8Kernel::whole(Parts pieces) {
  for (; pieces.size() > 1; pieces.resize(pieces.size() / 2))
    for (size_t p = 0; p < pieces.size() / 2; ++p)
      pieces[p] = k.concat(pieces[2 * p], pieces[2 * p + 1]);
  return pieces[0];
}

/// 8 k from vector j on, as smmla reads them: a register for each two rows of the panel, 8 k of the one, then
/// of the other.
SmallVector<Value> Int8Kernel::unpackPairs(Value superblock, Value j) {
  SmallVector<Parts> words = unpack(superblock, j);
  if (words.size() == 1)
    words.push_back(unpack(superblock, k.add(j, 1))[0]);
  SmallVector<Value> pairs;
  for (int64_t part = 0; part < parts; ++part) {
    Value low = k.bitcast(words[0][part], sumsType()), high = k.bitcast(words[1][part], sumsType());
    pairs.push_back(k.bitcast(k.shuffle(low, high, {0, 4, 1, 5}), bytesType()));
    pairs.push_back(k.bitcast(k.shuffle(low, high, {2, 6, 3, 7}), bytesType()));
  }
  return pairs;
}

/// 8 k from vector j on of two rows of activations.
Value Int8Kernel::twoRows(Value row, Value next, Value j) {
  Value both = LLVM::PoisonOp::create(k.builder(), k.location(), k.vec(k.i64(), 2));
  for (int64_t i = 0; i < 2; ++i)
    both = LLVM::InsertElementOp::create(
        k.builder(), k.location(), both.getType(), both,
        k.load(k.i64(), k.at(i ? next : row, k.mul(j, reader.perVector())), 4), k.cint(k.i32(), i));
  return k.bitcast(both, bytesType());
}

/// group() for an even number of rows on smmla: 2 rows of the panel times 2 rows of activations, 8 k each.
SmallVector<Value> Int8Kernel::groupByPairs(ArrayRef<Value> rows, ArrayRef<Value> panels,
                                            ArrayRef<Value> corrections, int64_t g) {
  const int64_t vectors = layout.group() / reader.perVector(), first = g * vectors;
  SmallVector<Value> sums(rows.size() / 2 * panels.size() * kPairs, k.cint(sumsType(), 0));
  sums = k.loop(k.c(first), k.c(first + vectors), 8 / reader.perVector(), SmallVector<Value>(sums),
                [&](Value j, ValueRange now) {
                  SmallVector<Value> next(now);
                  for (size_t p = 0; p < panels.size(); ++p) {
                    SmallVector<Value> weights = unpackPairs(panels[p], j);
                    for (size_t r = 0; r < rows.size(); r += 2) {
                      Value x = twoRows(rows[r], rows[r + 1], j);
                      for (size_t q = 0; q < kPairs; ++q) {
                        Value &sum = next[(r / 2 * panels.size() + p) * kPairs + q];
                        sum = k.intrinsic("llvm.aarch64.neon.smmla", sumsType(), {sum, weights[q], x});
                      }
                    }
                  }
                  return next;
                });
  SmallVector<Value> results;
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t p = 0; p < panels.size(); ++p) {
      ArrayRef<Value> two = ArrayRef(sums).slice((r / 2 * panels.size() + p) * kPairs, kPairs);
      results.push_back(oneOfTwo(two, r % 2, corrections[r]));
    }
  return results;
}

/// The sums of one row of activations: a register holds, of rows v and v + 1 of the panel and the activations
/// x and y, (v, x), (v, y), (v + 1, x), (v + 1, y).
Value Int8Kernel::oneOfTwo(ArrayRef<Value> two, int32_t which, Value correction) {
  Parts pieces;
  for (size_t q = 0; q < kPairs; q += 2)
    pieces.push_back(
        k.add(k.shuffle(two[q], two[q + 1], {which, 2 + which, 4 + which, 6 + which}), correction));
  return whole(pieces);
}

SmallVector<Value> Int8Kernel::step(const Block &block, Value t, ValueRange acc) {
  SmallVector<Value> sums(acc), rows, panels;
  Value scaleOffset = k.mul(block.superblocks, 64), sumOffset = k.mul(block.superblocks, 72);
  for (Value row : block.act)
    rows.push_back(k.at(row, k.mul(t, kSuperblockK)));
  for (Value panel : block.panels)
    panels.push_back(k.at(panel, k.mul(t, reader.bytes())));
  for (int64_t g = 0; g < kSuperblockK / layout.group(); ++g) {
    SmallVector<Value> corrections, actScales, actSums;
    Value word = k.add(k.mul(t, 8), g * layout.group() / kScaleGroup * 4);
    for (size_t r = 0; r < rows.size(); ++r) {
      Value scale = k.load(k.f32(), k.at(block.act[r], k.add(scaleOffset, word)));
      corrections.push_back(layout.group() == kScaleGroup ? correction(k.at(block.act[r], sumOffset), t, g)
                                                          : correction(rows[r], t, g));
      actScales.push_back(k.splat(scale));
      if (layout.minimum()) {
        Value sum = k.load(k.i32(), k.at(block.act[r], k.add(sumOffset, word)));
        actSums.push_back(k.splat(k.fmul(scale, k.sitofp(sum, k.f32()))));
      }
    }
    SmallVector<Value> dots = k.cpu().i8mm && rows.size() % 2 == 0
                                  ? groupByPairs(rows, panels, corrections, g)
                                  : group(rows, panels, corrections, g);
    for (size_t p = 0; p < panels.size(); ++p) {
      Value weightScale = reader.scale(panels[p], k.c(g));
      Value minimum = layout.minimum() ? reader.minimum(panels[p], k.c(g)) : Value();
      for (size_t r = 0; r < rows.size(); ++r) {
        Value &sum = sums[r * panels.size() + p];
        Value dot = k.sitofp(dots[r * panels.size() + p], k.vec(k.f32()));
        sum = k.fma(dot, k.fmul(weightScale, actScales[r]), sum);
        if (minimum)
          sum = k.fma(minimum, actSums[r], sum);
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
