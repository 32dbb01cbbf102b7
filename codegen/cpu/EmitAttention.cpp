// Attention of one row and one query head, gemma4.md (19): whole (step.attention) or in three phases (qk,
// softmax, pv), and the writing of the cache. Keys are read 16 at a time, which is how they lie; a ring cache
// (slots < context) is read in the order of positions, so that a result never depends on where the ring
// happens to be. bf16 lies in pairs, of inputs (K) and of positions (V), as matrix units read it.
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
  Value position, first, firstBlock, endBlock;

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  CacheView cache;
  int64_t dim, slots, window, element;
  Value keys, values;

  Value key(Value blockBase, Value d, int64_t offset);
  /// acc + weights[j] V[j] for the lanes of each vector.
  using Sums = SmallVector<Value>;
  Sums addRow(ArrayRef<Lanes> lanes, Value weights, Value firstWeight, Value j, ValueRange acc);
  /// The same for j (even) and then j + 1, which lie side by side where elements are bf16.
  Sums addPair(ArrayRef<Lanes> lanes, Value weights, Value firstWeight, Value j, ValueRange acc);
  Value weightOf(Value weights, Value firstWeight, Value j) {
    return k.splat(k.load(k.f32(), k.at(weights, k.mul(k.sub(j, firstWeight), 4))));
  }
  /// The pairs of 16 columns in a pair of rows of V: even row in the lower halves of the lanes.
  Value valuePairs(Value j, Lanes l) {
    Value pair = k.at(values, k.mul(k.div(k.rem(j, slots), 2), dim * 4));
    return k.bitcast(k.loadLanes(pair, l), k.vec(k.i32()));
  }
  Value lower(Value pairs) { return k.bitcast(k.shl(pairs, 16), k.vec(k.f32())); }
  Value upper(Value pairs) { return k.bitcast(k.andi(pairs, -0x10000), k.vec(k.f32())); }
};

/// Input d + offset of the 16 keys of a block; d + offset is even or its pair was loaded just before.
Value Head::key(Value blockBase, Value d, int64_t offset) {
  if (element == 4)
    return k.load(k.vec(k.f32()), k.at(blockBase, k.mul(k.add(d, offset), kLanes * 4)), 64);
  Value pairs = k.load(k.vec(k.i32()), k.at(blockBase, k.mul(k.add(d, offset / 2 * 2), kLanes * 2)), 64);
  return offset % 2 == 0 ? lower(pairs) : upper(pairs);
}

/// scale * q . k for the 16 positions of `block`; minus infinity where not visible. Four sums over head_dim,
/// so that four multiply-adds are in flight.
Value Head::scores(Value q, Value block, double scale) {
  Value slotBlock = k.rem(block, slots / kLanes);
  Value base = k.at(keys, k.mul(slotBlock, dim * kLanes * element));
  int64_t sums = dim % 4 == 0 ? 4 : dim % 2 == 0 ? 2 : 1;
  SmallVector<Value> start(sums, k.vf(0));
  auto total = k.loop(k.c(0), k.c(dim), sums, start, [&](Value d, ValueRange now) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < sums; ++i) {
      Value one = k.splat(k.load(k.f32(), k.at(q, k.mul(k.add(d, i), 4))));
      next.push_back(k.fma(one, key(base, d, i), now[i]));
    }
    return next;
  });
  Value s = total[0];
  if (sums == 2)
    s = k.fadd(total[0], total[1]);
  if (sums == 4)
    s = k.fadd(k.fadd(total[0], total[1]), k.fadd(total[2], total[3]));
  if (scale != 1.0)
    s = k.fmul(s, k.vf(scale));
  auto narrow = [&](Value x) { return k.splat(k.trunc(x, k.i32())); };
  Value j = k.add(narrow(k.mul(block, kLanes)), k.iota32());
  Value visible = k.le(j, narrow(position));
  if (window > 0)
    visible = k.andi(visible, k.ge(j, narrow(first)));
  return k.select(visible, s, k.vf(-std::numeric_limits<double>::infinity()));
}

Head::Sums Head::addRow(ArrayRef<Lanes> lanes, Value weights, Value firstWeight, Value j, ValueRange acc) {
  Value weight = weightOf(weights, firstWeight, j);
  Sums next;
  for (auto [i, l] : llvm::enumerate(lanes)) {
    Value x;
    if (element == 4) {
      x = k.loadLanes(k.at(values, k.mul(k.rem(j, slots), dim * 4)), l);
    } else {
      Value up = k.splat(k.trunc(k.mul(k.rem(j, 2), 16), k.i32()));
      x = lower(k.shr(valuePairs(j, l), up));
    }
    next.push_back(k.fma(weight, x, acc[i]));
  }
  return next;
}

Head::Sums Head::addPair(ArrayRef<Lanes> lanes, Value weights, Value firstWeight, Value j, ValueRange acc) {
  Value even = weightOf(weights, firstWeight, j), odd = weightOf(weights, firstWeight, k.add(j, 1));
  Sums next;
  for (auto [i, l] : llvm::enumerate(lanes)) {
    Value pairs = valuePairs(j, l);
    next.push_back(k.fma(odd, upper(pairs), k.fma(even, lower(pairs), acc[i])));
  }
  return next;
}

/// out = sum over visible positions j of weights[j - firstWeight] * V[j], divided by `divisor` (may be null).
void Head::accumulate(Value out, Value weights, Value firstWeight, Value divisor) {
  int64_t atOnce = k.cpu().avx512 ? 16 : 4, vectors = (dim + kLanes - 1) / kLanes;
  for (int64_t begin = 0; begin < vectors; begin += atOnce) {
    SmallVector<Lanes> lanes;
    for (int64_t v = begin; v < std::min(vectors, begin + atOnce); ++v)
      lanes.push_back({k.c(v * kLanes), (v + 1) * kLanes > dim ? k.firstLanes(dim % kLanes) : Value()});
    SmallVector<Value> start(lanes.size(), k.vf(0));
    auto rows = [&](Value from, Value to, ValueRange acc) {
      return k.loop(from, to, 1, acc,
                    [&](Value j, ValueRange now) { return addRow(lanes, weights, firstWeight, j, now); });
    };
    Value end = k.add(position, 1);
    Sums total = start;
    if (element == 4) {
      total = rows(first, end, total);
    } else { // what shares a pair with an invisible row is read alone: it may hold anything
      Value pairs = k.mul(k.div(k.add(first, 1), 2), 2), pairsEnd = k.mul(k.div(end, 2), 2);
      total = rows(first, pairs, total);
      total = k.loop(pairs, pairsEnd, 2, total, [&](Value j, ValueRange now) {
        return addPair(lanes, weights, firstWeight, j, now);
      });
      total = rows(k.maxs(pairsEnd, pairs), end, total);
    }
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
  Value scratch = e.extraScratch();
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

/// One head of a row into its slot: a column of a block of 16 keys, or a row of values. bf16 is written one by
/// one: the other half of each pair belongs to another input (K) or another row (V), which another worker may
/// be writing.
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
    k.loop(0, dim, 1, [&](Value d) {
      k.store(k.toBF16(k.load(k.f32(), k.at(in, k.mul(d, 4)))), k.at(to, k.mul(d, 4)));
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
