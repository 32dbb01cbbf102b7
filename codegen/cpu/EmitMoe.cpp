// Mixture of experts, gemma4.md (20)-(22): choosing, multiplying with the chosen, adding up.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

/// The largest element of src[0, n) that comes after (lastValue, lastIndex) in the order "larger first, then
/// lower index". Index 0 if there is none (values that are not numbers), so that the index is always valid.
static std::pair<Value, Value> nextLargest(KernelBuilder &k, Value src, int64_t n, Value lastValue,
                                           Value lastIndex) {
  using P = arith::CmpFPredicate;
  Value lowest = k.cf(k.f32(), -std::numeric_limits<double>::infinity());
  auto found = k.loop(k.c(0), k.c(n), 1, ValueRange{lowest, k.c(0)}, [&](Value i, ValueRange best) {
    Value x = k.load(k.f32(), k.at(src, k.mul(i, 4)));
    Value tieAfter = k.andi(k.fcmp(P::OEQ, x, lastValue), k.lt(lastIndex, i));
    Value after = k.ori(k.fcmp(P::OLT, x, lastValue), tieAfter);
    Value take = k.andi(after, k.fcmp(P::OGT, x, best[0]));
    return SmallVector<Value>{k.select(take, x, best[0]), k.select(take, i, best[1])};
  });
  return {found[0], found[1]};
}

void emitOp(PhaseEmitter &e, step::TopKOp op) {
  KernelBuilder &k = e.k;
  View weights = e.view(op.getWeights()), indices = e.view(op.getIndices()), from = e.view(op.getSrc());
  Value scales = op.getScale() ? e.weight(*op.getScale()).base : Value();
  Value slots = k.c(op.getK());
  e.forRows([&](Value row) {
    Value src = e.rowOf(from, row), w = e.rowOf(weights, row), idx = e.rowOf(indices, row);
    Value start = k.cf(k.f32(), std::numeric_limits<double>::infinity());
    auto chosen =
        k.loop(k.c(0), slots, 1, ValueRange{start, k.c(-1), k.cf(k.f32(), 0)}, [&](Value s, ValueRange last) {
          auto [value, index] = nextLargest(k, src, from.width, last[0], last[1]);
          k.store(value, k.at(w, k.mul(s, 4)));
          k.store(k.trunc(index, k.i32()), k.at(idx, k.mul(s, 4)));
          return SmallVector<Value>{value, index, k.fadd(last[2], value)};
        });
    k.loop(k.c(0), slots, 1, [&](Value s) {
      Value slot = k.at(w, k.mul(s, 4));
      Value value = k.fdiv(k.load(k.f32(), slot), chosen[2]);
      if (scales) {
        Value index = k.sext(k.load(k.i32(), k.at(idx, k.mul(s, 4))), k.i64());
        value = k.fmul(value, k.load(k.f32(), k.at(scales, k.mul(index, 4))));
      }
      k.store(value, slot);
    });
  });
}

void emitOp(PhaseEmitter &e, step::CombineOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc()), weights = e.view(op.getWeights());
  int64_t slots = weights.width;
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, row), w = e.rowOf(weights, row);
    k.forLanes(to.width, [&](Lanes lanes) {
      Value total = k.loop(k.c(0), k.c(slots), 1, ValueRange{k.vf(0)}, [&](Value s, ValueRange now) {
        Value weight = k.splat(k.load(k.f32(), k.at(w, k.mul(s, 4))));
        Value y = k.loadLanes(k.at(in, k.mul(s, to.width * 4)), lanes);
        return SmallVector<Value>{k.fma(weight, y, now[0])};
      })[0];
      k.storeLanes(total, out, lanes);
    });
  });
}

void emitOp(PhaseEmitter &e, step::ExpertMatmulOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), act = e.view(op.getAct()), indices = e.view(op.getIndices());
  WeightView w = e.weight(op.getWeight());
  int64_t tiles = w.op.getN() / w.op.getTile();
  Value slot = k.div(e.column, tiles), tile = k.rem(e.column, tiles);
  e.forRows([&](Value row) {
    Value in = e.rowOf(act, row), out = e.rowOf(to, row);
    int64_t elementBytes = op.getFormat() == step::Act::I8 ? 1 : 4;
    if (op.getActPerSlot())
      in = k.at(in, k.mul(slot, act.width / op.getSlots() * elementBytes));
    Value index = k.sext(k.load(k.i32(), k.at(e.rowOf(indices, row), k.mul(slot, 4))), k.i64());
    Value expert = k.at(w.base, k.mul(index, matrixBytes(w.op.getFormat(), w.op.getN(), w.op.getK())));
    Value panels = k.at(expert, k.mul(tile, taskBytes(w.op)));
    callMatmul(e, w.op, op.getFormat(), in, act.ld, panels, out, to.ld, k.c(1), tuningOf(op));
  });
}

} // namespace gemmac::cpu
