// Tile ops that map columns to columns. Every load of a column precedes its store, so that dst may be a
// source.
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

using namespace mlir;

namespace gemmac::cpu {

/// dst[row] = f(src[row]...) on each 16 columns of each live row.
static void mapRows(PhaseEmitter &e, Value dst, ValueRange sources,
                    function_ref<Value(ArrayRef<Value>, Lanes)> f) {
  View to = e.view(dst);
  SmallVector<View> from;
  for (Value source : sources)
    from.push_back(e.view(source));
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row);
    SmallVector<Value> in;
    for (const View &v : from)
      in.push_back(e.rowOf(v, row));
    e.k.forLanes(to.width, [&](Lanes lanes) {
      SmallVector<Value> values;
      for (Value pointer : in)
        values.push_back(e.k.loadLanes(pointer, lanes));
      e.k.storeLanes(f(values, lanes), out, lanes);
    });
  });
}

void emitOp(PhaseEmitter &e, step::AddOp op) {
  mapRows(e, op.getDst(), {op.getLhs(), op.getRhs()},
          [&](ArrayRef<Value> x, Lanes) { return e.k.fadd(x[0], x[1]); });
}

void emitOp(PhaseEmitter &e, step::MulOp op) {
  mapRows(e, op.getDst(), {op.getLhs(), op.getRhs()},
          [&](ArrayRef<Value> x, Lanes) { return e.k.fmul(x[0], x[1]); });
}

void emitOp(PhaseEmitter &e, step::GeluOp op) {
  mapRows(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Lanes) { return emitGelu(e.k, x[0]); });
}

void emitOp(PhaseEmitter &e, step::CopyOp op) {
  mapRows(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Lanes) { return x[0]; });
}

void emitOp(PhaseEmitter &e, step::ScaleOp op) {
  Value factor = e.k.vf(op.getFactor().convertToDouble());
  mapRows(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Lanes) { return e.k.fmul(x[0], factor); });
}

void emitOp(PhaseEmitter &e, step::ScaleByOp op) {
  WeightView w = e.weight(op.getWeight());
  bool scalar = w.op.getN() == 1;
  Value one = scalar ? e.k.splat(e.k.load(e.k.f32(), w.base)) : Value();
  mapRows(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Lanes lanes) {
    return e.k.fmul(x[0], scalar ? one : e.k.loadLanes(w.base, lanes));
  });
}

void emitOp(PhaseEmitter &e, step::SoftcapOp op) {
  Value cap = e.k.vf(op.getCap().convertToDouble());
  mapRows(e, op.getDst(), {op.getSrc()},
          [&](ArrayRef<Value> x, Lanes) { return e.k.fmul(cap, emitTanh(e.k, e.k.fdiv(x[0], cap))); });
}

/// Of i32 as of f32: nothing is done to the bits.
void emitOp(PhaseEmitter &e, step::PublishOp op) {
  e.k.ifThen(e.firstTask,
             [&] { mapRows(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Lanes) { return x[0]; }); });
}

void emitOp(PhaseEmitter &e, step::TakeRowOp op) {
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, e.k.add(e.rowBase, row));
    e.k.forLanes(to.width, [&](Lanes lanes) { e.k.storeLanes(e.k.loadLanes(in, lanes), out, lanes); });
  });
}

} // namespace gemmac::cpu
