// Mixture of experts, gemma4.md (20)-(22): choosing and adding up. Products with the chosen: EmitMatmul.cpp.
#include "codegen/cuda/PhaseEmitter.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

namespace {
/// A row's choice, by a warp.
struct Choice {
  BlockBuilder &k;
  Value src;
  int64_t n; ///< columns of src

  using P = arith::CmpFPredicate;
  /// Whether (x, i) comes before (y, j): larger first, then the lower index.
  Value before(Value x, Value i, Value y, Value j) {
    Value tie = k.andi(k.fcmp(P::OEQ, x, y), k.lt(i, j));
    return k.ori(k.fcmp(P::OGT, x, y), tie);
  }

  /// The first element that comes after (value, index), in every lane. Index 0 if there is none (values that
  /// are not numbers), so that the index is always valid. Indices are i32.
  std::pair<Value, Value> next(Value value, Value index) {
    Value lowest = k.cf(k.f32(), -std::numeric_limits<double>::infinity()), none = k.cint(k.i32(), 0);
    auto found = k.forLanesOfWarp(n, ValueRange{lowest, none}, [&](Value at, ValueRange best) {
      Value x = k.load(k.f32(), k.at(src, k.mul(at, 4))), i = k.trunc(at, k.i32());
      Value take = k.andi(before(value, index, x, i), k.fcmp(P::OGT, x, best[0]));
      return SmallVector<Value>{k.select(take, x, best[0]), k.select(take, i, best[1])};
    });
    Value x = found[0], i = found[1];
    for (int64_t mask = kWarp / 2; mask > 0; mask /= 2) {
      Value y = k.shuffleXor(x, mask), j = k.shuffleXor(i, mask);
      Value keep = before(x, i, y, j);
      x = k.select(keep, x, y);
      i = k.select(keep, i, j);
    }
    return {x, i};
  }
};
} // namespace

void emitOp(PhaseEmitter &e, step::TopKOp op) {
  BlockBuilder &k = e.k;
  View weights = e.view(op.getWeights()), indices = e.view(op.getIndices()), from = e.view(op.getSrc());
  Value scales = op.getScale() ? e.weight(*op.getScale()).base : Value();
  const int64_t slots = op.getK();
  e.forWarpItems(1, [&](Value row, Value) {
    Choice choice{k, e.rowOf(from, row), from.width};
    Value w = e.rowOf(weights, row), idx = e.rowOf(indices, row);
    Value value = k.cf(k.f32(), std::numeric_limits<double>::infinity()), index = k.cint(k.i32(), -1);
    Value total = k.cf(k.f32(), 0);
    SmallVector<Value> values, chosen;
    for (int64_t s = 0; s < slots; ++s) {
      std::tie(value, index) = choice.next(value, index);
      total = k.fadd(total, value);
      values.push_back(value);
      chosen.push_back(index);
    }
    k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
      for (int64_t s = 0; s < slots; ++s) {
        Value x = k.fdiv(values[s], total);
        if (scales)
          x = k.fmul(x, k.load(k.f32(), k.at(scales, k.mul(k.sext(chosen[s], k.i64()), 4))));
        k.store(x, k.at(w, s * 4));
        k.store(chosen[s], k.at(idx, s * 4));
      }
    });
  });
}

void emitOp(PhaseEmitter &e, step::CombineOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc()), weights = e.view(op.getWeights());
  e.forCells(to.width, [&](Value row, Value column) {
    Value in = e.rowOf(from, row), w = e.rowOf(weights, row), at = k.mul(column, 4);
    Value total =
        k.loop(k.c(0), k.c(weights.width), 1, ValueRange{k.cf(k.f32(), 0)}, [&](Value s, ValueRange now) {
          Value y = k.load(k.f32(), k.at(k.at(in, k.mul(s, to.width * 4)), at));
          return SmallVector<Value>{k.fma(k.load(k.f32(), k.at(w, k.mul(s, 4))), y, now[0])};
        })[0];
    k.store(total, k.at(e.rowOf(to, row), at));
  });
}

} // namespace gemmac::cuda
