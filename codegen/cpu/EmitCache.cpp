// step.cache_write: heads of K and V into their slots. Layouts: docs/architecture.md, caches.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// Writes one head of a row, `in`, into `slot` of KV head `head`.
class HeadWriter {
public:
  HeadWriter(KernelBuilder &k, CacheView cache, Value in, Value head, Value slot)
      : k(k), cache(cache), in(in), head(head), slot(slot), layout(cache.op), dim(layout.dim),
        slots(layout.slots) {}

  void write(step::Which which);

private:
  KernelBuilder &k;
  CacheView cache;
  Value in, head, slot;
  CacheLayout layout;
  int64_t dim, slots;

  Value input(Value d) { return k.load(k.f32(), k.at(in, k.mul(d, 4))); }
  /// The slot's block of 16 keys.
  Value keyBlock() {
    Value block = k.add(k.mul(head, slots / kLanes), k.div(slot, kLanes));
    return k.at(cache.k, k.mul(block, layout.keyBlockBytes()));
  }
  Value lane() { return k.rem(slot, kLanes); }
  Value values() { return k.at(cache.v, k.mul(head, layout.headBytes())); }

  void keyF32();
  void valueF32();
  void keyBF16();
  void valueBF16();
  void groupQ8(Value g, step::Which which);
};

void HeadWriter::keyF32() {
  Value to = k.at(keyBlock(), k.mul(lane(), 4));
  k.loop(0, dim, 1, [&](Value d) { k.store(input(d), k.at(to, k.mul(d, kLanes * 4))); });
}

void HeadWriter::valueF32() {
  Value to = k.at(values(), k.mul(slot, dim * 4));
  k.forLanes(dim, [&](Lanes lanes) { k.storeLanes(k.loadLanes(in, lanes), to, lanes); });
}

// bf16 is written one by one: the other half of each pair belongs to another input (K) or another row (V),
// which another worker may be writing.
void HeadWriter::keyBF16() {
  Value to = k.at(keyBlock(), k.mul(lane(), 4));
  k.loop(0, dim, 1, [&](Value d) {
    k.store(k.toBF16(input(d)), k.at(to, k.add(k.mul(k.div(d, 2), kLanes * 4), k.mul(k.rem(d, 2), 2))));
  });
}

void HeadWriter::valueBF16() {
  Value to = k.at(values(), k.add(k.mul(k.div(slot, 2), dim * 4), k.mul(k.rem(slot, 2), 2)));
  // Tiles multiply rows that nobody sees by zero, so that V must be finite. What made it infinite, or no
  // number, did so to the row's own result as well, and to K.
  constexpr double kLargest = 3.3895313892515355e38;
  k.loop(0, dim, 1, [&](Value d) {
    Value x = k.fmax(input(d), k.cf(k.f32(), -kLargest));
    Value finite =
        k.select(k.fcmp(arith::CmpFPredicate::OLT, x, k.cf(k.f32(), kLargest)), x, k.cf(k.f32(), kLargest));
    k.store(k.toBF16(finite), k.at(to, k.mul(d, 4)));
  });
}

/// 32 inputs -> int8 and an f16 scale, as quantizeQ8() of dialect/gemma/Quantize.h; a scale that does not fit
/// f16 saturates. An input that is not finite makes the scale NaN: whoever sees the position must not go on
/// with a made-up number.
void HeadWriter::groupQ8(Value g, step::Which which) {
  constexpr double kLargestF16 = 65504;
  Value zero = k.cf(k.f32(), 0), first = k.mul(g, kScaleGroup);
  Value x[2] = {k.loadLanes(in, {first, Value()}), k.loadLanes(in, {k.add(first, kLanes), Value()})};
  Value wanted = k.fdiv(k.largest(k.fmax(k.fabs(x[0]), k.fabs(x[1]))), k.cf(k.f32(), 127));
  Value fits = k.fcmp(arith::CmpFPredicate::OLT, wanted, k.cf(k.f32(), kLargestF16));
  Value finite = k.sum(k.fadd(k.fsub(x[0], x[0]), k.fsub(x[1], x[1]))); // 0, or NaN
  Value half = k.truncf(k.fadd(k.select(fits, wanted, k.cf(k.f32(), kLargestF16)), finite), k.f16());
  Value scale = k.extf(half, k.f32());
  Value some = k.fcmp(arith::CmpFPredicate::OGT, scale, zero);
  Value inverse = k.splat(k.select(some, k.fdiv(k.cf(k.f32(), 1), scale), zero));
  const bool isKey = which == step::Which::K;
  Value base = isKey ? keyBlock() : values();
  for (int64_t i = 0; i < 2; ++i) {
    Value y = k.fmax(k.fmul(x[i], inverse), k.vf(-127));
    y = k.select(k.fcmp(arith::CmpFPredicate::OLT, y, k.vf(127)), y, k.vf(127));
    // Rounds by adding 1.5 * 2^23, which leaves the integer in the low bits.
    Value q = k.trunc(k.bitcast(k.fadd(y, k.vf(12582912.0)), k.vec(k.i32())), k.vec(k.i8()));
    if (!isKey) {
      k.store(q, k.at(base, k.add(k.add(k.mul(slot, dim), first), i * kLanes)));
      continue;
    }
    Value words = k.bitcast(q, k.vec(k.i32(), 4));
    for (int64_t word = 0; word < 4; ++word) {
      Value at = k.add(k.mul(first, kLanes), (i * 4 + word) * kLanes * 4);
      k.store(k.extract(words, word), k.at(base, k.add(at, k.mul(lane(), 4))));
    }
  }
  Value number = isKey ? k.add(k.mul(g, kLanes), lane()) : k.add(k.mul(slot, dim / kScaleGroup), g);
  k.store(half, k.at(base, k.add(k.mul(number, 2), isKey ? layout.keyScales() : layout.valueScales())));
}

void HeadWriter::write(step::Which which) {
  const bool isKey = which == step::Which::K;
  switch (cache.op.getType()) {
  case step::KvType::F32:
    return isKey ? keyF32() : valueF32();
  case step::KvType::BF16:
    return isKey ? keyBF16() : valueBF16();
  case step::KvType::Q8:
    return k.loop(0, dim / kScaleGroup, 1, [&](Value g) { groupQ8(g, which); });
  }
}

} // namespace

void emitOp(PhaseEmitter &e, step::CacheWriteOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View from = e.view(op.getSrc());
  int64_t dim = cache.op.getHeadDim(), heads = from.width / dim;
  Value firstHead = k.add(k.mul(e.column, op.getHeadStride()), op.getHead());
  e.forRows([&](Value row) {
    Value in = e.rowOf(from, row), slot = k.rem(e.positionOf(row), cache.op.getSlots());
    k.loop(0, heads, 1, [&](Value h) {
      HeadWriter(k, cache, k.at(in, k.mul(h, dim * 4)), k.add(firstHead, h), slot).write(op.getWhich());
    });
  });
}

} // namespace gemmac::cpu
