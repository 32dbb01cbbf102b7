// Reductions along a row: RMSNorm and softmax. The order of additions depends on the columns only.
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

/// gemma4.md (1) on one group: y = x * (mean(x^2) + eps)^-1/2 [* (w + offset)].
static void emitNormGroup(PhaseEmitter &e, step::NormOp op, Value out, Value in, Value weight) {
  KernelBuilder &k = e.k;
  int64_t group = op.getGroup();
  Value squares = k.forLanes(group, ValueRange{k.vf(0)}, [&](Lanes lanes, ValueRange now) {
    Value x = k.loadLanes(in, lanes);
    return SmallVector<Value>{k.fma(x, x, now[0])};
  })[0];
  Value mean = k.fdiv(k.sum(squares), k.cf(k.f32(), static_cast<double>(group)));
  Value root = k.sqrt(k.fadd(mean, k.cf(k.f32(), op.getEps().convertToDouble())));
  Value inverse = k.splat(k.fdiv(k.cf(k.f32(), 1.0), root));
  double offset = op.getOffset().convertToDouble();
  k.forLanes(group, [&](Lanes lanes) {
    Value y = k.fmul(k.loadLanes(in, lanes), inverse);
    if (weight) {
      Value w = k.loadLanes(weight, lanes);
      y = k.fmul(y, offset == 0 ? w : k.fadd(w, k.vf(offset)));
    }
    k.storeLanes(y, out, lanes);
  });
}

void emitOp(PhaseEmitter &e, step::NormOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  Value weight = op.getWeight() ? e.weight(*op.getWeight()).base : Value();
  int64_t group = op.getGroup(), groups = to.width / group;
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, row);
    if (groups == 1)
      return emitNormGroup(e, op, out, in, weight);
    k.loop(0, groups * group * 4, group * 4,
           [&](Value bytes) { emitNormGroup(e, op, k.at(out, bytes), k.at(in, bytes), weight); });
  });
}

void emitOp(PhaseEmitter &e, step::SoftmaxOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  Value lowest = k.vf(-std::numeric_limits<double>::infinity());
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, row);
    auto loadOr = [&](Lanes lanes) {
      Value x = k.loadLanes(in, lanes);
      return lanes.mask ? k.select(lanes.mask, x, lowest) : x;
    };
    Value top = k.forLanes(to.width, ValueRange{lowest}, [&](Lanes lanes, ValueRange now) {
      return SmallVector<Value>{k.fmax(loadOr(lanes), now[0])};
    })[0];
    Value largest = k.splat(k.largest(top));
    Value total = k.forLanes(to.width, ValueRange{k.vf(0)}, [&](Lanes lanes, ValueRange now) {
      Value p = emitExp(k, k.fsub(loadOr(lanes), largest));
      k.storeLanes(p, out, lanes);
      return SmallVector<Value>{k.fadd(now[0], p)};
    })[0];
    Value divisor = k.splat(k.sum(total));
    k.forLanes(to.width,
               [&](Lanes lanes) { k.storeLanes(k.fdiv(k.loadLanes(out, lanes), divisor), out, lanes); });
  });
}

} // namespace gemmac::cpu
