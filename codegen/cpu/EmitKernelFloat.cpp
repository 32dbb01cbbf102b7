// Product kernels on f32 activations: weights of f32, bf16 and f16 (a step is 8 k), and of codes of 4, 5, 6
// and 8 bits (a step is a group of them that shares a scale, 32 or 16 k: the sum of codes times activations
// is scaled once, and the sum of the activations times the group's minimum added where there is one).
#include "codegen/cpu/Kernel.h"
#include "codegen/kernel/PanelReader.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

constexpr int64_t kStepK = 8;

/// x[k] of a row, in all lanes.
Value spread(KernelBuilder &k, Value row, int64_t index) {
  return k.splat(k.load(k.f32(), k.at(row, index * 4)));
}

/// acc[row][panel][chain] += w[panel] * x[row].
void multiply(KernelBuilder &k, ArrayRef<Value> x, ArrayRef<Value> w, int64_t chains, int64_t chain,
              SmallVector<Value> &acc) {
  for (size_t r = 0; r < x.size(); ++r)
    for (size_t p = 0; p < w.size(); ++p) {
      Value &a = acc[(r * w.size() + p) * chains + chain];
      a = k.fma(w[p], x[r], a);
    }
}

class FloatKernel : public Kernel {
public:
  FloatKernel(KernelBuilder &k, step::Format format) : Kernel(k), format(format) {}
  /// Even and odd k apart: a 16-bit pair splits that way, and twice as many multiply-adds are in flight.
  int64_t chains() const override { return 2; }
  int64_t stepsPerSuperblock() const override { return kSuperblockK / kStepK; }
  int64_t stepBytes() const override { return superblockBytes(format) / stepsPerSuperblock(); }

  SmallVector<Value> step(const Block &block, Value t, ValueRange acc) override {
    SmallVector<Value> sums(acc);
    SmallVector<Value> rows, panels;
    int64_t bytes = superblockBytes(format) / stepsPerSuperblock();
    for (Value row : block.act)
      rows.push_back(k.at(row, k.mul(t, kStepK * 4)));
    for (Value panel : block.panels)
      panels.push_back(k.at(panel, k.mul(t, bytes)));
    for (int64_t i = 0; i < kStepK; i += 2) {
      SmallVector<Value> even, odd;
      for (Value panel : panels) {
        auto [lower, upper] = pair(panel, i);
        even.push_back(lower);
        odd.push_back(upper);
      }
      for (int64_t chain = 0; chain < 2; ++chain) {
        SmallVector<Value> x;
        for (Value row : rows)
          x.push_back(spread(k, row, i + chain));
        multiply(k, x, chain ? odd : even, 2, chain, sums);
      }
    }
    return sums;
  }

private:
  step::Format format;

  /// Weights of k = i and i + 1 of a step, f32.
  std::pair<Value, Value> pair(Value panel, int64_t i) {
    if (format == step::Format::F32P16)
      return {k.load(k.vec(k.f32()), k.at(panel, i * 64), 64),
              k.load(k.vec(k.f32()), k.at(panel, (i + 1) * 64), 64)};
    Value both = k.load(k.vec(k.i32()), k.at(panel, i / 2 * 64), 64);
    if (format == step::Format::BF16P16)
      return {k.lowerBF16(both), k.upperBF16(both)};
    auto widen = [&](Value half) {
      return k.extf(k.bitcast(k.trunc(half, k.vec(k.i16())), k.vec(k.f16())), k.vec(k.f32()));
    };
    return {widen(both), widen(k.shr(both, 16))};
  }
};

/// A step is a group of the weights: the sum of codes times activations is scaled once; where there is a
/// minimum, the sum of the activations times it is added.
class DequantKernel : public Kernel {
public:
  DequantKernel(KernelBuilder &k, step::Format format)
      : Kernel(k), reader(k, format), layout(reader.codes()) {
    if (k.cpu().avx512 && layout.bits == 4)
      table = reader.nibbleTable();
  }
  int64_t stepsPerSuperblock() const override { return kSuperblockK / layout.group(); }
  int64_t stepBytes() const override { return reader.bytes() / stepsPerSuperblock(); }

  SmallVector<Value> step(const Block &block, Value t, ValueRange acc) override {
    const int64_t groups = stepsPerSuperblock(), vectors = layout.group() / reader.perVector();
    Value group = k.rem(t, groups), first = k.mul(group, vectors);
    SmallVector<Value> rows, panels;
    for (Value row : block.act) // of the superblock
      rows.push_back(k.at(row, k.mul(k.div(t, groups), kSuperblockK * 4)));
    for (Value panel : block.panels)
      panels.push_back(k.at(panel, k.mul(k.div(t, groups), reader.bytes())));
    SmallVector<Value> zero(acc.size() * 2 + (layout.minimum() ? rows.size() : 0), k.vf(0));
    auto sums = k.loop(first, k.add(first, vectors), 1, zero, [&](Value j, ValueRange now) {
      return oneVector(rows, panels, j, SmallVector<Value>(now));
    });
    SmallVector<Value> next;
    for (size_t i = 0; i < acc.size(); ++i) {
      Value panel = panels[i % panels.size()];
      next.push_back(k.fma(k.fadd(sums[2 * i], sums[2 * i + 1]), reader.scale(panel, group), acc[i]));
      if (layout.minimum())
        next[i] = k.fma(sums[2 * acc.size() + i / panels.size()], reader.minimum(panel, group), next[i]);
    }
    return next;
  }

private:
  PanelReader reader;
  const PanelCodes &layout;
  Value table;

  /// Vector j of the superblock: its first and its second half of k go to two sums; then the sums of x.
  SmallVector<Value> oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                               SmallVector<Value> sums) {
    const int64_t per = reader.perVector();
    SmallVector<Value> words, high, x;
    for (Value panel : panels) {
      words.push_back(k.load(k.vec(k.i32()), k.at(panel, k.mul(j, 64)), 64));
      high.push_back(reader.highWidth() ? reader.highBits(panel, j, 0, 1) : Value());
    }
    for (Value row : rows)
      x.push_back(k.at(row, k.mul(j, per * 4)));
    const size_t sumsOfX = 2 * rows.size() * panels.size();
    for (int64_t i = 0; i < per; ++i) {
      SmallVector<Value> w, xs;
      for (size_t p = 0; p < panels.size(); ++p)
        w.push_back(reader.code(words[p], high[p], i, table));
      for (Value row : x)
        xs.push_back(spread(k, row, i));
      multiply(k, xs, w, 2, i >= per / 2, sums);
      for (size_t r = 0; layout.minimum() && r < rows.size(); ++r)
        sums[sumsOfX + r] = k.fadd(sums[sumsOfX + r], xs[r]);
    }
    return sums;
  }
};

} // namespace

std::unique_ptr<Kernel> makeFloatKernel(KernelBuilder &k, step::Format format) {
  return std::make_unique<FloatKernel>(k, format);
}

std::unique_ptr<Kernel> makeDequantKernel(KernelBuilder &k, step::Format format) {
  return std::make_unique<DequantKernel>(k, format);
}

} // namespace gemmac::cpu
