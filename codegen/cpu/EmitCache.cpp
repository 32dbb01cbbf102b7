// step.cache_write: heads of K and V into their slots. Layouts: docs/architecture.md, caches.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

/// One head of a row into its slot: a column of a block of 16 keys, or a row of values. bf16 is written one
/// by one: the other half of each pair belongs to another input (K) or another row (V), which another worker
/// may be writing.
static void writeHead(KernelBuilder &k, CacheView cache, step::Which which, Value in, Value head,
                      Value slot) {
  int64_t dim = cache.op.getHeadDim(), slots = cache.op.getSlots(),
          element = elementBytes(cache.op.getType());
  bool narrow = element == 2;
  if (which == step::Which::K) {
    Value block = k.add(k.mul(head, slots / kLanes), k.div(slot, kLanes));
    Value to = k.at(cache.k, k.add(k.mul(block, dim * kLanes * element), k.mul(k.rem(slot, kLanes), 4)));
    k.loop(0, dim, 1, [&](Value d) {
      Value x = k.load(k.f32(), k.at(in, k.mul(d, 4)));
      if (narrow)
        k.store(k.toBF16(x), k.at(to, k.add(k.mul(k.div(d, 2), kLanes * 4), k.mul(k.rem(d, 2), 2))));
      else
        k.store(x, k.at(to, k.mul(d, kLanes * 4)));
    });
    return;
  }
  Value base = k.at(cache.v, k.mul(head, slots * dim * element));
  if (narrow) {
    Value to = k.at(base, k.add(k.mul(k.div(slot, 2), dim * 4), k.mul(k.rem(slot, 2), 2)));
    // Tiles multiply rows that nobody sees by zero, so that V must be finite. What made it infinite, or no
    // number, did so to the row's own result as well, and to K.
    constexpr double kLargest = 3.3895313892515355e38;
    k.loop(0, dim, 1, [&](Value d) {
      Value x = k.fmax(k.load(k.f32(), k.at(in, k.mul(d, 4))), k.cf(k.f32(), -kLargest));
      Value finite =
          k.select(k.fcmp(arith::CmpFPredicate::OLT, x, k.cf(k.f32(), kLargest)), x, k.cf(k.f32(), kLargest));
      k.store(k.toBF16(finite), k.at(to, k.mul(d, 4)));
    });
    return;
  }
  Value to = k.at(base, k.mul(slot, dim * 4));
  k.forLanes(dim, [&](Lanes lanes) { k.storeLanes(k.loadLanes(in, lanes), to, lanes); });
}

void emitOp(PhaseEmitter &e, step::CacheWriteOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View from = e.view(op.getSrc());
  int64_t dim = cache.op.getHeadDim(), heads = from.width / dim;
  Value firstHead = k.add(k.mul(e.column, op.getHeadStride()), op.getHead());
  e.forRows([&](Value row) {
    Value in = e.rowOf(from, row), slot = k.rem(e.positionOf(row), cache.op.getSlots());
    k.loop(0, heads, 1, [&](Value h) {
      writeHead(k, cache, op.getWhich(), k.at(in, k.mul(h, dim * 4)), k.add(firstHead, h), slot);
    });
  });
}

} // namespace gemmac::cpu
