// step.cache_write: heads of K and V into their slots. Layouts: docs/architecture.md, caches.
#include "codegen/cuda/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cuda {

namespace {

/// Writes heads of rows of `from` into the cache.
class CacheWriter {
public:
  CacheWriter(PhaseEmitter &e, step::CacheWriteOp op)
      : e(e), k(e.k), op(op), cache(e.cache(op.getCache())), from(e.view(op.getSrc())),
        isKey(op.getWhich() == step::Which::K), layout(cache.op), type(layout.type), dim(layout.dim),
        slots(layout.slots) {}

  void write();

private:
  PhaseEmitter &e;
  BlockBuilder &k;
  step::CacheWriteOp op;
  CacheView cache;
  View from;
  bool isKey;
  CacheLayout layout;
  step::KvType type;
  int64_t dim, slots;

  Value slotOf(Value row) { return k.rem(e.positionOf(row), slots); }
  /// The KV head's part of the cache, for K the block of 16 keys that `slot` is in.
  Value headBase(Value head, Value slot);
  void cell(Value row, Value column);
  void group(Value row, Value index);
};

Value CacheWriter::headBase(Value head, Value slot) {
  Value kvHead = k.add(k.add(k.mul(e.column, op.getHeadStride()), op.getHead()), head);
  if (!isKey)
    return k.at(cache.v, k.mul(kvHead, layout.headBytes()));
  Value block = k.add(k.mul(kvHead, slots / kLanes), k.div(slot, kLanes));
  return k.at(cache.k, k.mul(block, layout.keyBlockBytes()));
}

/// One f32 or bf16.
void CacheWriter::cell(Value row, Value column) {
  Value d = k.rem(column, dim), slot = slotOf(row), base = headBase(k.div(column, dim), slot);
  Value x = k.load(k.f32(), k.at(e.rowOf(from, row), k.mul(column, 4)));
  if (type == step::KvType::F32) {
    Value at = isKey ? k.add(k.mul(d, kLanes), k.rem(slot, kLanes)) : k.add(k.mul(slot, dim), d);
    return k.store(x, k.at(base, k.mul(at, 4)));
  }
  // Pairs: of inputs in K, of positions in V.
  if (isKey) {
    Value at =
        k.add(k.mul(k.div(d, 2), kLanes * 4), k.add(k.mul(k.rem(slot, kLanes), 4), k.mul(k.rem(d, 2), 2)));
    return k.store(k.toBF16(x), k.at(base, at));
  }
  // Tensor cores multiply rows that nobody sees by zero, so that V must be finite. What made it infinite, or
  // no number, did so to the row's own result as well, and to K.
  Value largest = k.cf(k.f32(), 3.3895313892515355e38);
  x = k.fmax(x, k.cf(k.f32(), -3.3895313892515355e38));
  x = k.select(k.fcmp(arith::CmpFPredicate::OLT, x, largest), x, largest);
  Value at = k.add(k.mul(k.div(slot, 2), dim * 4), k.add(k.mul(d, 4), k.mul(k.rem(slot, 2), 2)));
  k.store(k.toBF16(x), k.at(base, at));
}

/// q8: 32 inputs, one for each lane -> int8 and an f16 scale, as quantizeQ8() of dialect/gemma/Quantize.h; a
/// scale that does not fit f16 saturates. An input that is not finite makes the scale NaN: whoever sees the
/// position must not go on with a made-up number.
void CacheWriter::group(Value row, Value index) {
  constexpr double kLargestF16 = 65504;
  Value zero = k.cf(k.f32(), 0), groups = k.c(dim / kScaleGroup);
  Value head = k.div(index, groups), g = k.rem(index, groups), slot = slotOf(row),
        base = headBase(head, slot);
  Value d = k.add(k.mul(g, kScaleGroup), k.lane());
  Value x = k.load(k.f32(), k.at(e.rowOf(from, row), k.mul(k.add(k.mul(head, dim), d), 4)));
  Value wanted = k.fdiv(k.warpMax(k.fabs(x)), k.cf(k.f32(), 127));
  Value fits = k.fcmp(arith::CmpFPredicate::OLT, wanted, k.cf(k.f32(), kLargestF16));
  Value finite = k.warpSum(k.fsub(x, x)); // 0, or NaN
  Value half = k.truncf(k.fadd(k.select(fits, wanted, k.cf(k.f32(), kLargestF16)), finite), k.f16());
  Value scale = k.extf(half, k.f32());
  Value some = k.fcmp(arith::CmpFPredicate::OGT, scale, zero);
  Value y = k.fmul(x, k.select(some, k.fdiv(k.cf(k.f32(), 1), scale), zero));
  y = k.fmax(y, k.cf(k.f32(), -127));
  y = k.select(k.fcmp(arith::CmpFPredicate::OLT, y, k.cf(k.f32(), 127)), y, k.cf(k.f32(), 127));
  // Rounds by adding 1.5 * 2^23, which leaves the integer in the low bits.
  Value q = k.trunc(k.bitcast(k.fadd(y, k.cf(k.f32(), 12582912.0)), k.i32()), k.i8());
  Value lane = k.rem(slot, kLanes);
  Value at = isKey ? k.add(k.mul(k.div(d, 4), kLanes * 4), k.add(k.mul(lane, 4), k.rem(d, 4)))
                   : k.add(k.mul(slot, dim), d);
  k.store(q, k.at(base, at));
  Value number = isKey ? k.add(k.mul(g, kLanes), lane) : k.add(k.mul(slot, dim / kScaleGroup), g);
  k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
    const int64_t scales = isKey ? layout.keyScales() : layout.valueScales();
    k.store(half, k.at(base, k.add(k.mul(number, 2), scales)));
  });
}

void CacheWriter::write() {
  if (type == step::KvType::Q8)
    e.forWarpItems(from.width / kScaleGroup, [&](Value row, Value index) { group(row, index); });
  else
    e.forCells(from.width, [&](Value row, Value column) { cell(row, column); });
}

} // namespace

void emitOp(PhaseEmitter &e, step::CacheWriteOp op) { CacheWriter(e, op).write(); }

} // namespace gemmac::cuda
