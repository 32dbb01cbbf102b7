// Tile ops that map cells to cells. Every load of a cell precedes its store, so that dst may be a source.
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

using namespace mlir;

namespace gemmac::cuda {

/// dst[row][column] = f(src[row][column]..., column).
static void mapCells(PhaseEmitter &e, Value dst, ValueRange sources,
                     function_ref<Value(ArrayRef<Value>, Value)> f) {
  BlockBuilder &k = e.k;
  View to = e.view(dst);
  SmallVector<View> from;
  for (Value source : sources)
    from.push_back(e.view(source));
  e.forCells(to.width, [&](Value row, Value column) {
    Value offset = k.mul(column, 4);
    SmallVector<Value> values;
    for (const View &v : from)
      values.push_back(k.load(k.f32(), k.at(e.rowOf(v, row), offset)));
    k.store(f(values, column), k.at(e.rowOf(to, row), offset));
  });
}

void emitOp(PhaseEmitter &e, step::AddOp op) {
  mapCells(e, op.getDst(), {op.getLhs(), op.getRhs()},
           [&](ArrayRef<Value> x, Value) { return e.k.fadd(x[0], x[1]); });
}

void emitOp(PhaseEmitter &e, step::MulOp op) {
  mapCells(e, op.getDst(), {op.getLhs(), op.getRhs()},
           [&](ArrayRef<Value> x, Value) { return e.k.fmul(x[0], x[1]); });
}

void emitOp(PhaseEmitter &e, step::GeluOp op) {
  mapCells(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Value) { return emitGelu(e.k, x[0]); });
}

void emitOp(PhaseEmitter &e, step::CopyOp op) {
  mapCells(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Value) { return x[0]; });
}

void emitOp(PhaseEmitter &e, step::ScaleOp op) {
  Value factor = e.k.cf(e.k.f32(), op.getFactor().convertToDouble());
  mapCells(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Value) { return e.k.fmul(x[0], factor); });
}

void emitOp(PhaseEmitter &e, step::ScaleByOp op) {
  BlockBuilder &k = e.k;
  WeightView w = e.weight(op.getWeight());
  const bool scalar = w.op.getN() == 1;
  mapCells(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Value column) {
    return k.fmul(x[0], k.load(k.f32(), scalar ? w.base : k.at(w.base, k.mul(column, 4))));
  });
}

void emitOp(PhaseEmitter &e, step::SoftcapOp op) {
  Value cap = e.k.cf(e.k.f32(), op.getCap().convertToDouble());
  mapCells(e, op.getDst(), {op.getSrc()},
           [&](ArrayRef<Value> x, Value) { return e.k.fmul(cap, emitTanh(e.k, e.k.fdiv(x[0], cap))); });
}

/// Of i32 as of f32: nothing is done to the bits.
void emitOp(PhaseEmitter &e, step::PublishOp op) {
  e.k.ifThen(e.firstTask, [&] {
    mapCells(e, op.getDst(), {op.getSrc()}, [&](ArrayRef<Value> x, Value) { return x[0]; });
  });
}

void emitOp(PhaseEmitter &e, step::TakeRowOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  e.forCells(to.width, [&](Value row, Value column) {
    Value offset = k.mul(column, 4);
    Value x = k.load(k.f32(), k.at(e.rowOf(from, k.add(e.rowBase, row)), offset));
    k.store(x, k.at(e.rowOf(to, row), offset));
  });
}

} // namespace gemmac::cuda
