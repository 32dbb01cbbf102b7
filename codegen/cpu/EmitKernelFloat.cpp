// Product kernels on f32 activations: weights of f32, bf16 and f16 (a step is 8 k), and of 8 and 4 bits (a
// step is a group of 32, whose sum of quantised values times activations is scaled once).
#include "codegen/cpu/Kernel.h"
#include "passes/plan/Layout.h"

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
      return {k.bitcast(k.shl(both, 16), k.vec(k.f32())),
              k.bitcast(k.andi(both, static_cast<int64_t>(0xffff0000)), k.vec(k.f32()))};
    auto widen = [&](Value half) {
      return k.extf(k.bitcast(k.trunc(half, k.vec(k.i16())), k.vec(k.f16())), k.vec(k.f32()));
    };
    return {widen(both), widen(k.shr(both, 16))};
  }
};

class DequantKernel : public Kernel {
public:
  DequantKernel(KernelBuilder &k, step::Format format)
      : Kernel(k), format(format), perVector(format == step::Format::Q4P16 ? 8 : 4),
        scaleOffset(format == step::Format::Q4P16 ? 512 : 1024) {
    if (k.cpu().avx512 && format == step::Format::Q4P16)
      table = nibbleTable();
  }
  int64_t stepsPerSuperblock() const override { return kSuperblockK / kScaleGroup; }
  int64_t stepBytes() const override { return superblockBytes(format) / stepsPerSuperblock(); }

  SmallVector<Value> step(const Block &block, Value t, ValueRange acc) override {
    Value group = k.rem(t, 2);
    SmallVector<Value> rows, panels, scales;
    for (Value row : block.act)
      rows.push_back(k.at(row, k.mul(t, kScaleGroup * 4)));
    for (Value panel : block.panels) {
      Value superblock = k.at(panel, k.mul(k.div(t, 2), superblockBytes(format)));
      panels.push_back(k.at(superblock, k.mul(group, kScaleGroup / perVector * 64)));
      Value scale = k.load(k.vec(k.f16()), k.at(superblock, k.add(k.mul(group, 32), scaleOffset)), 32);
      scales.push_back(k.extf(scale, k.vec(k.f32())));
    }
    SmallVector<Value> zero(acc.size() * 2, k.vf(0));
    auto sums = k.loop(k.c(0), k.c(kScaleGroup / perVector), 1, zero, [&](Value j, ValueRange now) {
      return oneVector(rows, panels, j, SmallVector<Value>(now));
    });
    SmallVector<Value> next;
    for (size_t i = 0; i < acc.size(); ++i)
      next.push_back(k.fma(k.fadd(sums[2 * i], sums[2 * i + 1]), scales[i % panels.size()], acc[i]));
    return next;
  }

private:
  step::Format format;
  int64_t perVector;   ///< k in one vector of 64 bytes
  int64_t scaleOffset; ///< of the scales in a superblock
  Value table;

  /// Vector j of the group: its first and its second half of k go to two sums.
  SmallVector<Value> oneVector(ArrayRef<Value> rows, ArrayRef<Value> panels, Value j,
                               SmallVector<Value> sums) {
    SmallVector<Value> words, x;
    for (Value panel : panels)
      words.push_back(k.load(k.vec(k.i32()), k.at(panel, k.mul(j, 64)), 64));
    for (Value row : rows)
      x.push_back(k.at(row, k.mul(j, perVector * 4)));
    for (int64_t i = 0; i < perVector; ++i) {
      SmallVector<Value> w, xs;
      for (Value word : words)
        w.push_back(value(word, i));
      for (Value row : x)
        xs.push_back(spread(k, row, i));
      multiply(k, xs, w, 2, i >= perVector / 2, sums);
    }
    return sums;
  }

  /// Element i of each lane's word, f32 without its scale.
  Value value(Value word, int64_t i) {
    if (format == step::Format::Q8P16) {
      Value top = i == 3 ? word : k.shl(word, 24 - 8 * i);
      return k.sitofp(k.sar(top, 24), k.vec(k.f32()));
    }
    int64_t shift = i % 4 * 8 + i / 4 * 4;
    Value nibble = shift ? k.shr(word, shift) : word;
    if (table) // vpermps looks at the low 4 bits only
      return k.intrinsic("llvm.x86.avx512.permvar.sf.512", k.vec(k.f32()), {table, nibble});
    return k.sitofp(k.add(k.andi(nibble, 15), -8), k.vec(k.f32()));
  }

  Value nibbleTable() {
    SmallVector<float> values;
    for (int i = 0; i < 16; ++i)
      values.push_back(static_cast<float>(i - 8));
    auto type = cast<VectorType>(k.vec(k.f32()));
    return arith::ConstantOp::create(k.builder(), k.location(), type,
                                     DenseElementsAttr::get(type, ArrayRef<float>(values)));
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
