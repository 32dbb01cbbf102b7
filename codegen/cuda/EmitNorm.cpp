// Reductions along a row: RMSNorm and softmax. Who adds what depends on the columns only: long groups are a
// block's, short ones (heads) a warp's.
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

/// Groups of more columns than this are reduced by the whole block.
static constexpr int64_t kWarpGroup = 512;

namespace {
/// gemma4.md (1) on one group: y = x * (mean(x^2) + eps)^-1/2 [* (w + offset)].
struct Norm {
  PhaseEmitter &e;
  step::NormOp op;
  Value weight; ///< null: none
  BlockBuilder &k = e.k;

  Value addSquare(Value in, Value i, Value sum) {
    Value x = k.load(k.f32(), k.at(in, k.mul(i, 4)));
    return k.fma(x, x, sum);
  }
  Value inverse(Value squares) {
    Value mean = k.fdiv(squares, k.cf(k.f32(), static_cast<double>(op.getGroup())));
    Value root = k.sqrt(k.fadd(mean, k.cf(k.f32(), op.getEps().convertToDouble())));
    return k.fdiv(k.cf(k.f32(), 1.0), root);
  }
  void write(Value in, Value out, Value i, Value inverse) {
    const double offset = op.getOffset().convertToDouble();
    Value at = k.mul(i, 4), y = k.fmul(k.load(k.f32(), k.at(in, at)), inverse);
    if (weight) {
      Value w = k.load(k.f32(), k.at(weight, at));
      y = k.fmul(y, offset == 0 ? w : k.fadd(w, k.cf(k.f32(), offset)));
    }
    k.store(y, k.at(out, at));
  }
  void byWarp(Value in, Value out) {
    const int64_t group = op.getGroup();
    Value squares = k.forLanesOfWarp(group, ValueRange{k.cf(k.f32(), 0)}, [&](Value i, ValueRange now) {
      return SmallVector<Value>{addSquare(in, i, now[0])};
    })[0];
    Value factor = inverse(k.warpSum(squares));
    k.forLanesOfWarp(group, [&](Value i) { write(in, out, i, factor); });
  }
  void byBlock(Value in, Value out) {
    const int64_t group = op.getGroup();
    Value squares =
        k.loop(k.thread(), k.c(group), kThreads, ValueRange{k.cf(k.f32(), 0)},
               [&](Value i, ValueRange now) { return SmallVector<Value>{addSquare(in, i, now[0])}; })[0];
    Value factor = inverse(k.blockSum(squares));
    k.forThreads(k.c(group), [&](Value i) { write(in, out, i, factor); });
  }
};
} // namespace

void emitOp(PhaseEmitter &e, step::NormOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  Norm norm{e, op, op.getWeight() ? e.weight(*op.getWeight()).base : Value()};
  const int64_t group = op.getGroup(), groups = to.width / group;
  auto on = [&](Value row, Value g, auto f) {
    Value offset = k.mul(g, group * 4);
    f(k.at(e.rowOf(from, row), offset), k.at(e.rowOf(to, row), offset));
  };
  if (group <= kWarpGroup)
    return e.forWarpItems(
        groups, [&](Value row, Value g) { on(row, g, [&](Value in, Value out) { norm.byWarp(in, out); }); });
  e.forRows([&](Value row) {
    k.loop(0, groups, 1, [&](Value g) { on(row, g, [&](Value in, Value out) { norm.byBlock(in, out); }); });
  });
}

void emitOp(PhaseEmitter &e, step::SoftmaxOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  const double lowest = -std::numeric_limits<double>::infinity();
  e.forRows([&](Value row) {
    Value in = e.rowOf(from, row), out = e.rowOf(to, row), columns = k.c(to.width);
    auto each = [&](double start, function_ref<Value(Value, Value)> f) {
      return k.loop(k.thread(), columns, kThreads, ValueRange{k.cf(k.f32(), start)},
                    [&](Value i, ValueRange now) { return SmallVector<Value>{f(k.mul(i, 4), now[0])}; })[0];
    };
    Value top = k.blockMax(
        each(lowest, [&](Value at, Value now) { return k.fmax(k.load(k.f32(), k.at(in, at)), now); }));
    Value total = k.blockSum(each(0, [&](Value at, Value now) {
      Value p = emitExp(k, k.fsub(k.load(k.f32(), k.at(in, at)), top));
      k.store(p, k.at(out, at));
      return k.fadd(now, p);
    }));
    k.forThreads(columns, [&](Value i) {
      Value at = k.at(out, k.mul(i, 4));
      k.store(k.fdiv(k.load(k.f32(), at), total), at);
    });
  });
}

} // namespace gemmac::cuda
