// step.matmul on bf16t: products of many rows on tensor cores (mma.sync, 16 x 8 x 16, bf16 to f32). A warp
// has one panel, 16 columns, and up to 128 rows; it makes the weights' fragments itself, in registers.
//
// Which input stands at which place of a fragment is free as long as both operands agree: a lane takes 8
// neighbouring inputs of each 32, which are 16 bytes of a line of activations, and of 4-bit codes one word of
// a panel.
#include "codegen/cuda/PanelLines.h"
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/ActTiles.h"
#include "codegen/kernel/PanelReader.h"
#include "dialect/step/Verify.h"

#include <algorithm>
#include <array>

using namespace mlir;

namespace gemmac::cuda {

namespace {

constexpr int64_t kMostGroups = 4; ///< of 32 rows, whose sums a warp keeps in registers
constexpr int64_t kFragmentK = 32; ///< inputs that a lane's 8 are of: two products of 16
constexpr int64_t kColumns = 8;    ///< of a product

/// What a lane has of 32 inputs: four pairs of bf16.
using Fragment = std::array<Value, 4>;

/// Weights of one panel as fragments.
class WeightFragments {
public:
  WeightFragments(BlockBuilder &k, step::Format format) : k(k), format(format), codes(panelCodes(format)) {}

  /// The lane's 8 inputs of column `column` (of 16) in the half `half` (0, 1) of a superblock.
  Fragment of(Value superblock, int64_t half, Value column) {
    return codes ? ofCodes(superblock, half, column) : ofFloats(superblock, half, column);
  }

private:
  BlockBuilder &k;
  step::Format format;
  const PanelCodes *codes;

  Value quarter() { return k.rem(k.lane(), 4); }
  Value word(Value superblock, Value line, Value column) {
    return k.load(k.i32(), k.at(superblock, k.add(k.mul(line, 64), k.mul(column, 4))));
  }
  /// Two f32 as bf16, the first in the lower half.
  Value pair(Value low, Value high) { return k.ori(k.shr(k.roundBF16Bits(low), 16), k.roundBF16Bits(high)); }
  Fragment ofFloats(Value superblock, int64_t half, Value column);
  Fragment ofCodes(Value superblock, int64_t half, Value column);
};

Fragment WeightFragments::ofFloats(Value superblock, int64_t half, Value column) {
  Fragment result;
  for (int64_t i = 0; i < 4; ++i) {
    Value pairs = word(superblock, k.add(k.mul(quarter(), 4), half * 16 + i), column);
    if (format == step::Format::F16P16) {
      Value both = k.extf(k.bitcast(pairs, k.vec(k.f16(), 2)), k.vec(k.f32(), 2));
      pairs = pair(k.extract(both, 0), k.extract(both, 1));
    }
    result[i] = pairs;
  }
  return result;
}

Fragment WeightFragments::ofCodes(Value superblock, int64_t half, Value column) {
  PanelReader reader(k, format);
  SmallVector<Value> bytes; // words of 4 codes
  if (codes->bits == 8) {
    for (int64_t i = 0; i < 2; ++i)
      bytes.push_back(word(superblock, k.add(k.mul(quarter(), 2), half * 8 + i), column));
  } else {
    Value line = k.add(quarter(), half * 4), nibbles = word(superblock, line, column);
    bytes = {k.andi(nibbles, 0x0f0f0f0f), k.andi(k.shr(nibbles, 4), 0x0f0f0f0f)};
    if (const int64_t width = codes->bits - 4) {
      const int64_t perLine = 8 / width; // words whose higher bits share a line
      Value first = k.mul(line, 2), place = k.add(k.mul(column, 4), codes->highOffset());
      Value high = k.load(k.i32(), k.at(superblock, k.add(k.mul(k.div(first, perLine), 64), place)));
      Value shift = k.trunc(k.mul(k.rem(first, perLine), width), k.i32());
      for (int64_t i = 0; i < 2; ++i) {
        Value bits = k.andi(k.shr(high, k.add(shift, i * width)), ((1 << width) - 1) * 0x01010101);
        bytes[i] = k.ori(bytes[i], k.shl(bits, 4));
      }
    }
  }
  Value group = codes->group() == 16 ? k.add(k.div(quarter(), 2), half * 2) : k.c(half);
  auto [scale, minimum] = reader.scaleOf(superblock, column, group);
  SmallVector<Value> x;
  for (Value four : bytes)
    for (int64_t i = 0; i < 4; ++i) {
      Value code = codes->bits == 8 ? k.sar(i == 3 ? four : k.shl(four, 24 - 8 * i), 24)
                                    : k.add(k.andi(i ? k.shr(four, 8 * i) : four, 255), -codes->bias);
      Value value = k.fmul(k.sitofp(code, k.f32()), scale);
      x.push_back(minimum ? k.fadd(value, minimum) : value);
    }
  return {pair(x[0], x[1]), pair(x[2], x[3]), pair(x[4], x[5]), pair(x[6], x[7])};
}

/// One task's product.
class TensorProduct {
public:
  TensorProduct(PhaseEmitter &e, step::MatmulOp op)
      : e(e), k(e.k), to(e.view(op.getDst())), act(e.view(op.getAct()).base),
        weight(e.weight(op.getWeight())), bufferRows(step::rowsOf(op.getAct())),
        inputs(paddedK(weight.op.getK())),
        groupsAtOnce(std::clamp<int64_t>(weight.op.getTile() / kPanelRows, 1, kMostGroups)),
        fragments(k, weight.op.getFormat()) {}

  void emit();

private:
  PhaseEmitter &e;
  BlockBuilder &k;
  View to;
  Value act;
  WeightView weight;
  int64_t bufferRows, inputs;
  int64_t groupsAtOnce; ///< of a warp: with few panels, more warps share one
  WeightFragments fragments;
  Value groups; ///< of 32 live rows

  Fragment activations(Value superblock, int64_t half, Value group, int64_t row);
  void multiply(Value panel, Value first);
  SmallVector<Value> step(Value base, Value superblock, Value first, ValueRange sums);
  void store(Value panel, Value first, ValueRange sums);
  Value groupAt(Value first, int64_t i) { return k.mins(k.add(first, i), k.add(groups, -1)); }
};

/// The lane's 8 inputs of row `row` + lane / 4 of a group.
Fragment TensorProduct::activations(Value superblock, int64_t half, Value group, int64_t row) {
  Value first = k.add(k.mul(superblock, kSuperblockK), half * kFragmentK);
  Value line = actTileLine(k, k.add(k.mul(group, kTileRowGroup), k.add(k.div(k.lane(), 4), row)), first,
                           inputs, bufferRows);
  Value words = k.load(k.vec(k.i32(), 4), k.at(act, k.add(line, k.mul(k.rem(k.lane(), 4), 16))), 16);
  return {k.extract(words, 0), k.extract(words, 1), k.extract(words, 2), k.extract(words, 3)};
}

/// sums[group][16 rows][8 columns] of four f32 each, plus the products of a superblock.
SmallVector<Value> TensorProduct::step(Value base, Value superblock, Value first, ValueRange sums) {
  SmallVector<Value> next(sums);
  Type four = LLVM::LLVMStructType::getLiteral(k.builder().getContext(), SmallVector<Type>(4, k.f32()));
  Value there = k.at(base, k.mul(superblock, superblockBytes(weight.op.getFormat())));
  for (int64_t half = 0; half < 2; ++half) {
    Value column = k.div(k.lane(), 4);
    Fragment w[2] = {fragments.of(there, half, column), fragments.of(there, half, k.add(column, kColumns))};
    for (int64_t g = 0; g < groupsAtOnce; ++g)
      for (int64_t m = 0; m < 2; ++m) {
        Value group = groupAt(first, g);
        Fragment upper = activations(superblock, half, group, 16 * m),
                 lower = activations(superblock, half, group, 16 * m + 8);
        for (int64_t n = 0; n < 2; ++n) {
          Value *sum = &next[((g * 2 + m) * 2 + n) * 4];
          for (int64_t part = 0; part < 4; part += 2) {
            Value made = k.intrinsic("llvm.nvvm.mma.m16n8k16.row.col.bf16", four,
                                     {upper[part], lower[part], upper[part + 1], lower[part + 1], w[n][part],
                                      w[n][part + 1], sum[0], sum[1], sum[2], sum[3]});
            for (int64_t i = 0; i < 4; ++i)
              sum[i] = LLVM::ExtractValueOp::create(k.builder(), k.location(), made, i);
          }
        }
      }
  }
  return next;
}

/// Sum i of a lane is row lane / 4 (+ 8), column 2 (lane % 4) (+ 1).
void TensorProduct::store(Value panel, Value first, ValueRange sums) {
  for (int64_t g = 0; g < groupsAtOnce; ++g)
    k.ifThen(k.lt(k.add(first, g), groups), [&] {
      for (int64_t m = 0; m < 2; ++m)
        for (int64_t n = 0; n < 2; ++n)
          for (int64_t i = 0; i < 4; ++i) {
            Value row =
                k.add(k.mul(k.add(first, g), kTileRowGroup), k.add(k.div(k.lane(), 4), 16 * m + i / 2 * 8));
            Value column =
                k.add(k.mul(panel, kPanelRows), k.add(k.mul(k.rem(k.lane(), 4), 2), n * kColumns + i % 2));
            k.store(sums[((g * 2 + m) * 2 + n) * 4 + i], k.at(e.rowOf(to, row), k.mul(column, 4)));
          }
    });
}

void TensorProduct::multiply(Value panel, Value first) {
  const step::Format format = weight.op.getFormat();
  Value task = k.at(weight.base, k.mul(e.column, taskBytes(weight.op)));
  Value base = k.at(task, k.mul(panel, panelBytes(format, weight.op.getK())));
  SmallVector<Value> sums(groupsAtOnce * 2 * 2 * 4, k.cf(k.f32(), 0));
  sums = k.loop(k.c(0), k.c(inputs / kSuperblockK), 1, sums,
                [&](Value superblock, ValueRange now) { return step(base, superblock, first, now); });
  store(panel, first, sums);
}

void TensorProduct::emit() {
  const int64_t panels = weight.op.getTile() / kPanelRows;
  groups = k.div(k.add(e.liveRows, kTileRowGroup - 1), kTileRowGroup);
  Value parts = k.div(k.add(groups, groupsAtOnce - 1), groupsAtOnce);
  k.forWarps(k.mul(parts, panels),
             [&](Value item) { multiply(k.rem(item, panels), k.mul(k.div(item, panels), groupsAtOnce)); });
}

} // namespace

void emitTensorMatmul(PhaseEmitter &e, step::MatmulOp op) { TensorProduct(e, op).emit(); }

} // namespace gemmac::cuda
