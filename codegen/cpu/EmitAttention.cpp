// Attention of one row and one query head, gemma4.md (19): whole (step.attention) or in three phases (qk,
// softmax, pv), and the writing of the cache. Keys are read 16 at a time, which is how they lie; a ring cache
// (slots < context) is read in the order of positions, so that a result never depends on where the ring
// happens to be.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// One query head against one KV head of a cache.
class Head {
public:
  Head(PhaseEmitter &e, CacheView cache, int64_t heads, int64_t window)
      : e(e), k(e.k), cache(cache), dim(cache.op.getHeadDim()), slots(cache.op.getSlots()), window(window),
        element(elementBytes(cache.op.getType())) {
    Value kvHead = k.div(e.column, heads / cache.op.getHeads());
    Value offset = k.mul(kvHead, slots * dim * element);
    keys = k.at(cache.k, offset);
    values = k.at(cache.v, offset);
  }

  /// Sets what the row sees: positions [first, position], blocks of 16 positions [firstBlock, endBlock).
  void see(Value row) {
    position = e.positionOf(row);
    first = k.c(0);
    if (window > 0)
      first = k.maxs(k.add(position, 1 - window), k.c(0));
    firstBlock = k.div(first, kLanes);
    endBlock = k.add(k.div(position, kLanes), 1);
  }

  Value scores(Value q, Value block, double scale);
  void accumulate(Value out, Value weights, Value firstWeight, Value divisor);
  Value loadCache(Value from, Lanes lanes);

  Value position, first, firstBlock, endBlock;

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  CacheView cache;
  int64_t dim, slots, window, element;
  Value keys, values;
};

/// 16 f32 from element lanes.first of a row of the cache; a masked tail is read element by element.
Value Head::loadCache(Value from, Lanes lanes) {
  if (element == 4)
    return k.loadLanes(from, lanes);
  Value at = k.at(from, k.mul(lanes.first, 2));
  if (!lanes.mask)
    return k.fromBF16(k.load(k.vec(k.i16()), at));
  Value x = k.cint(k.vec(k.i16()), 0);
  for (int64_t i = 0; i < dim % kLanes; ++i)
    x = LLVM::InsertElementOp::create(k.builder(), k.location(), x.getType(), x,
                                      k.load(k.i16(), k.at(at, i * 2)), k.cint(k.i32(), i));
  return k.fromBF16(x);
}

/// scale * q . k for the 16 positions of `block`; minus infinity where not visible. Four sums over head_dim,
/// so that four multiply-adds are in flight.
Value Head::scores(Value q, Value block, double scale) {
  Value slotBlock = k.rem(block, slots / kLanes);
  Value base = k.at(keys, k.mul(slotBlock, dim * kLanes * element));
  int64_t sums = dim % 4 == 0 ? 4 : 1;
  SmallVector<Value> start(sums, k.vf(0));
  auto total = k.loop(k.c(0), k.c(dim), sums, start, [&](Value d, ValueRange now) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < sums; ++i) {
      Value at = k.at(base, k.mul(k.add(d, i), kLanes * element));
      Value key = element == 4 ? k.load(k.vec(k.f32()), at, 64) : k.fromBF16(k.load(k.vec(k.i16()), at, 32));
      next.push_back(k.fma(k.splat(k.load(k.f32(), k.at(q, k.mul(k.add(d, i), 4)))), key, now[i]));
    }
    return next;
  });
  Value s = sums == 4 ? k.fadd(k.fadd(total[0], total[1]), k.fadd(total[2], total[3])) : total[0];
  if (scale != 1.0)
    s = k.fmul(s, k.vf(scale));
  auto narrow = [&](Value x) { return k.splat(k.trunc(x, k.i32())); };
  Value j = k.add(narrow(k.mul(block, kLanes)), k.iota32());
  Value visible = k.le(j, narrow(position));
  if (window > 0)
    visible = k.andi(visible, k.ge(j, narrow(first)));
  return k.select(visible, s, k.vf(-std::numeric_limits<double>::infinity()));
}

/// out = sum over visible positions j of weights[j - firstWeight] * V[j], divided by `divisor` (may be null).
void Head::accumulate(Value out, Value weights, Value firstWeight, Value divisor) {
  int64_t atOnce = k.cpu().avx512 ? 16 : 4, vectors = (dim + kLanes - 1) / kLanes;
  for (int64_t begin = 0; begin < vectors; begin += atOnce) {
    SmallVector<Lanes> lanes;
    for (int64_t v = begin; v < std::min(vectors, begin + atOnce); ++v)
      lanes.push_back({k.c(v * kLanes), (v + 1) * kLanes > dim ? k.firstLanes(dim % kLanes) : Value()});
    SmallVector<Value> start(lanes.size(), k.vf(0));
    auto total = k.loop(first, k.add(position, 1), 1, start, [&](Value j, ValueRange now) {
      Value weight = k.splat(k.load(k.f32(), k.at(weights, k.mul(k.sub(j, firstWeight), 4))));
      Value row = k.at(values, k.mul(k.rem(j, slots), dim * element));
      SmallVector<Value> next;
      for (auto [i, l] : llvm::enumerate(lanes))
        next.push_back(k.fma(weight, loadCache(row, l), now[i]));
      return next;
    });
    for (auto [i, l] : llvm::enumerate(lanes))
      k.storeLanes(divisor ? k.fdiv(total[i], divisor) : total[i], out, l);
  }
}

} // namespace

/// Address of the task's head in a row of heads of `width` columns each.
static Value headOf(PhaseEmitter &e, const View &v, Value row, int64_t width) {
  return e.k.at(e.rowOf(v, row), e.k.mul(e.column, width * 4));
}

void emitOp(PhaseEmitter &e, step::AttentionOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  Head head(e, cache, op.getHeads(), op.getWindow());
  double scale = op.getScale().convertToDouble();
  Value scratch = e.scoreScratch();
  e.forRows([&](Value row) {
    Value q = headOf(e, from, row, cache.op.getHeadDim()), out = headOf(e, to, row, cache.op.getHeadDim());
    head.see(row);
    auto score = [&](Value block) { return k.at(scratch, k.mul(k.sub(block, head.firstBlock), kLanes * 4)); };
    Value lowest = k.vf(-std::numeric_limits<double>::infinity());
    Value top =
        k.loop(head.firstBlock, head.endBlock, 1, ValueRange{lowest}, [&](Value block, ValueRange now) {
          Value s = head.scores(q, block, scale);
          k.store(s, score(block), 64);
          return SmallVector<Value>{k.fmax(s, now[0])};
        })[0];
    Value largest = k.splat(k.largest(top));
    Value total =
        k.loop(head.firstBlock, head.endBlock, 1, ValueRange{k.vf(0)}, [&](Value block, ValueRange now) {
          Value at = score(block), p = emitExp(k, k.fsub(k.load(k.vec(k.f32()), at, 64), largest));
          k.store(p, at, 64);
          return SmallVector<Value>{k.fadd(now[0], p)};
        })[0];
    head.accumulate(out, scratch, k.mul(head.firstBlock, kLanes), k.splat(k.sum(total)));
  });
}

void emitOp(PhaseEmitter &e, step::QkOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  int64_t positions = to.width / op.getHeads();
  Head head(e, cache, op.getHeads(), op.getWindow());
  double scale = op.getScale().convertToDouble();
  e.forRows([&](Value row) {
    Value q = headOf(e, from, row, cache.op.getHeadDim()), out = headOf(e, to, row, positions);
    head.see(row);
    auto hide = [&](Value block) {
      k.store(k.vf(-std::numeric_limits<double>::infinity()), k.at(out, k.mul(block, kLanes * 4)));
    };
    k.loop(k.c(0), head.firstBlock, 1, hide);
    k.loop(head.firstBlock, head.endBlock, 1,
           [&](Value block) { k.store(head.scores(q, block, scale), k.at(out, k.mul(block, kLanes * 4))); });
    k.loop(head.endBlock, k.c(positions / kLanes), 1, hide);
  });
}

void emitOp(PhaseEmitter &e, step::PvOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getP());
  Head head(e, cache, op.getHeads(), op.getWindow());
  e.forRows([&](Value row) {
    head.see(row);
    head.accumulate(headOf(e, to, row, cache.op.getHeadDim()),
                    headOf(e, from, row, from.width / op.getHeads()), k.c(0), Value());
  });
}

/// One head of a row into its slot: a column of a block of 16 keys, or a row of values.
static void writeHead(KernelBuilder &k, CacheView cache, step::Which which, Value in, Value head,
                      Value slot) {
  int64_t dim = cache.op.getHeadDim(), slots = cache.op.getSlots(),
          element = elementBytes(cache.op.getType());
  bool narrow = element == 2;
  if (which == step::Which::K) {
    Value block = k.add(k.mul(head, slots / kLanes), k.div(slot, kLanes));
    Value to =
        k.at(cache.k, k.add(k.mul(block, dim * kLanes * element), k.mul(k.rem(slot, kLanes), element)));
    k.loop(0, dim, 1, [&](Value d) {
      Value x = k.load(k.f32(), k.at(in, k.mul(d, 4)));
      k.store(narrow ? k.toBF16(x) : x, k.at(to, k.mul(d, kLanes * element)));
    });
    return;
  }
  Value to = k.at(cache.v, k.mul(k.add(k.mul(head, slots), slot), dim * element));
  k.forLanes(dim, [&](Lanes lanes) {
    Value x = k.loadLanes(in, lanes);
    if (!narrow)
      return k.storeLanes(x, to, lanes);
    Value at = k.at(to, k.mul(lanes.first, 2)), rounded = k.toBF16(x);
    if (!lanes.mask)
      return k.store(rounded, at);
    for (int64_t i = 0; i < dim % kLanes; ++i)
      k.store(k.extract(rounded, i), k.at(at, i * 2));
  });
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
