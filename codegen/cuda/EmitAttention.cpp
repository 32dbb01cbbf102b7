// Attention of one query head for each row, gemma4.md (19): whole (step.attention) or in three phases (qk,
// softmax, pv). Two passes: all scores, of blocks of 16 positions by warps, then the exact softmax and its
// product with V, of whose positions the threads that have the same column take every n-th.
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

namespace {

double lowest() { return -std::numeric_limits<double>::infinity(); }

/// What one row sees of one KV head.
class HeadView {
public:
  HeadView(PhaseEmitter &e, StringRef name, int64_t heads, int64_t window)
      : e(e), k(e.k), cache(e.cache(name)), layout(cache.op), type(layout.type), dim(layout.dim),
        slots(layout.slots), window(window) {
    Value kvHead = k.div(e.column, heads / static_cast<int64_t>(cache.op.getHeads()));
    keys = k.at(cache.k, k.mul(kvHead, layout.headBytes()));
    values = k.at(cache.v, k.mul(kvHead, layout.headBytes()));
  }

  void see(Value row) {
    position = e.positionOf(row);
    first = window > 0 ? k.maxs(k.add(position, 1 - window), k.c(0)) : k.c(0);
    firstBlock = k.div(first, kLanes);
    endBlock = k.add(k.div(position, kLanes), 1);
  }

  PhaseEmitter &e;
  BlockBuilder &k;
  CacheView cache;
  CacheLayout layout;
  step::KvType type;
  int64_t dim, slots, window;
  Value keys, values;
  Value position, first, firstBlock, endBlock; ///< after see(): blocks of 16 positions

  /// scale * q . k of the 16 positions of `block`, minus infinity where not seen, to out[0, 16): by a warp.
  void scores(Value q, Value block, double scale, Value out);
  /// Sum over positions [first, position] of weight(j) V[j], divided by `divisor` if there is one, to out: by
  /// the block. weights: f32, that of position j at index j - origin.
  void accumulate(Value weights, Value origin, Value divisor, Value out);

private:
  SmallVector<Value> dots(Value q, Value base);
  SmallVector<Value> dotsQ8(Value q, Value base);
  Value value(Value j, Value d);
};

/// The lane's sums for positions 4 (l % 4) .. + 3 of a block of keys, over lines l / 4, l / 4 + 8, ..
SmallVector<Value> HeadView::dots(Value q, Value base) {
  const int64_t perLine = type == step::KvType::F32 ? 1 : 2; // inputs
  Value sums = k.loop(k.div(k.lane(), 4), k.c(dim / perLine), 8, ValueRange{k.cf(k.vec(k.f32(), 4), 0)},
                      [&](Value line, ValueRange now) {
                        Value at = k.add(k.mul(line, 64), k.mul(k.rem(k.lane(), 4), 16));
                        Value words = k.load(k.vec(k.i32(), 4), k.at(base, at), 16), sum = now[0];
                        for (int64_t i = 0; i < perLine; ++i) {
                          Value x = perLine == 1 ? k.bitcast(words, k.vec(k.f32(), 4))
                                    : i == 0     ? k.lowerBF16(words)
                                                 : k.upperBF16(words);
                          Value one = k.load(k.f32(), k.at(q, k.mul(k.add(k.mul(line, perLine), i), 4)));
                          sum = k.fma(x, k.splat(one, 4), sum);
                        }
                        return SmallVector<Value>{sum};
                      })[0];
  return {sums};
}

/// The same of q8: lines of four inputs, and a scale for each 32.
SmallVector<Value> HeadView::dotsQ8(Value q, Value base) {
  Type f32s = k.vec(k.f32(), 4);
  Value quarter = k.rem(k.lane(), 4);
  Value sums =
      k.loop(k.div(k.lane(), 4), k.c(dim / 4), 8, ValueRange{k.cf(f32s, 0)}, [&](Value line, ValueRange now) {
        Value at = k.add(k.mul(line, 64), k.mul(quarter, 16));
        Value words = k.load(k.vec(k.i32(), 4), k.at(base, at), 16), sum = k.cf(f32s, 0);
        for (int64_t i = 0; i < 4; ++i) {
          Value x = k.sitofp(k.sar(i == 3 ? words : k.shl(words, 24 - 8 * i), 24), f32s);
          Value one = k.load(k.f32(), k.at(q, k.mul(k.add(k.mul(line, 4), i), 4)));
          sum = k.fma(x, k.splat(one, 4), sum);
        }
        Value group = k.div(line, kScaleGroup / 4);
        Value from = k.add(k.add(k.mul(group, kLanes * 2), k.mul(quarter, 8)), layout.keyScales());
        Value scales = k.extf(k.load(k.vec(k.f16(), 4), k.at(base, from), 8), f32s);
        return SmallVector<Value>{k.fma(sum, scales, now[0])};
      })[0];
  return {sums};
}

void HeadView::scores(Value q, Value block, double scale, Value out) {
  Value base = k.at(keys, k.mul(k.rem(block, slots / kLanes), layout.keyBlockBytes()));
  Value sums = (type == step::KvType::Q8 ? dotsQ8(q, base) : dots(q, base))[0];
  SmallVector<Value> mine;
  for (int64_t i = 0; i < 4; ++i) {
    Value s = k.extract(sums, i);
    for (int64_t mask = 4; mask < kWarp; mask *= 2)
      s = k.fadd(s, k.shuffleXor(s, mask));
    mine.push_back(scale == 1.0 ? s : k.fmul(s, k.cf(k.f32(), scale)));
  }
  k.ifThen(k.lt(k.lane(), k.c(4)), [&] {
    for (int64_t i = 0; i < 4; ++i) {
      Value inBlock = k.add(k.mul(k.lane(), 4), i), j = k.add(k.mul(block, kLanes), inBlock);
      Value seen = k.andi(k.le(j, position), k.ge(j, first));
      k.store(k.select(seen, mine[i], k.cf(k.f32(), lowest())), k.at(out, k.mul(inBlock, 4)));
    }
  });
}

/// V[j][d].
Value HeadView::value(Value j, Value d) {
  Value slot = k.rem(j, slots);
  switch (type) {
  case step::KvType::F32:
    return k.load(k.f32(), k.at(values, k.mul(k.add(k.mul(slot, dim), d), 4)));
  case step::KvType::BF16: {
    Value at = k.add(k.add(k.mul(k.div(slot, 2), dim * 4), k.mul(d, 4)), k.mul(k.rem(slot, 2), 2));
    return k.fromBF16(k.load(k.i16(), k.at(values, at)));
  }
  case step::KvType::Q8: {
    Value code = k.sext(k.load(k.i8(), k.at(values, k.add(k.mul(slot, dim), d))), k.i32());
    Value group = k.add(k.mul(slot, dim / kScaleGroup), k.div(d, kScaleGroup));
    Value scale = k.load(k.f16(), k.at(values, k.add(k.mul(group, 2), layout.valueScales())));
    return k.fmul(k.sitofp(code, k.f32()), k.extf(scale, k.f32()));
  }
  }
  llvm_unreachable("all kinds of caches are handled");
}

void HeadView::accumulate(Value weights, Value origin, Value divisor, Value out) {
  const int64_t parts = std::max<int64_t>(1, kThreads / dim); // threads that share a column
  Value end = k.add(position, 1);
  auto sum = [&](Value d, Value part) {
    return k.loop(k.add(first, part), end, parts, ValueRange{k.cf(k.f32(), 0)}, [&](Value j, ValueRange now) {
      Value weight = k.load(k.f32(), k.at(weights, k.mul(k.sub(j, origin), 4)));
      return SmallVector<Value>{k.fma(weight, value(j, d), now[0])};
    })[0];
  };
  auto write = [&](Value d, Value x) { k.store(divisor ? k.fdiv(x, divisor) : x, k.at(out, k.mul(d, 4))); };
  if (parts == 1)
    return k.forThreads(k.c(dim), [&](Value d) { write(d, sum(d, k.c(0))); });
  auto partAt = [&](Value cell) { return k.at(k.shared(kReductionBytes), k.mul(cell, 4)); };
  k.forThreads(dim * parts,
               [&](Value cell) { k.store(sum(k.rem(cell, dim), k.div(cell, dim)), partAt(cell)); });
  k.sync();
  k.forThreads(k.c(dim), [&](Value d) {
    Value all = k.load(k.f32(), partAt(d));
    for (int64_t part = 1; part < parts; ++part)
      all = k.fadd(all, k.load(k.f32(), partAt(k.add(d, part * dim))));
    write(d, all);
  });
}

/// Address of the task's head in a row of heads of `width` columns each.
Value headOf(PhaseEmitter &e, const View &v, Value row, int64_t width) {
  return e.k.at(e.rowOf(v, row), e.k.mul(e.column, width * 4));
}

} // namespace

int64_t scoreBytes(step::AttentionOp op) {
  auto program = op->getParentOfType<step::ProgramOp>();
  const int64_t seen = step::visiblePositions(program.getContext(), op.getWindow());
  // A window that starts in the middle of a block is seen in one block more.
  return (roundUp(seen - 1, kLanes) + 2 * kLanes) * 4;
}

void emitOp(PhaseEmitter &e, step::AttentionOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), op.getHeads(), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  Value scores = e.room(scoreBytes(op));
  e.forRows([&](Value row) {
    head.see(row);
    Value q = headOf(e, from, row, head.dim), out = headOf(e, to, row, head.dim);
    Value origin = k.mul(head.firstBlock, kLanes), blocks = k.sub(head.endBlock, head.firstBlock);
    k.forWarps(blocks, [&](Value b) {
      head.scores(q, k.add(head.firstBlock, b), op.getScale().convertToDouble(),
                  k.at(scores, k.mul(b, kLanes * 4)));
    });
    k.sync();
    Value count = k.mul(blocks, kLanes);
    auto each = [&](double start, function_ref<Value(Value, Value)> f) {
      return k.loop(k.thread(), count, kThreads, ValueRange{k.cf(k.f32(), start)},
                    [&](Value i, ValueRange now) {
                      return SmallVector<Value>{f(k.at(scores, k.mul(i, 4)), now[0])};
                    })[0];
    };
    Value top =
        k.blockMax(each(lowest(), [&](Value at, Value now) { return k.fmax(k.load(k.f32(), at), now); }));
    Value total = k.blockSum(each(0, [&](Value at, Value now) {
      Value p = emitExp(k, k.fsub(k.load(k.f32(), at), top));
      k.store(p, at);
      return k.fadd(now, p);
    }));
    head.accumulate(scores, origin, total, out);
    k.sync(); // before the next row's scores
  });
}

void emitOp(PhaseEmitter &e, step::QkOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), op.getHeads(), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  const int64_t positions = to.width / op.getHeads();
  e.forRows([&](Value row) {
    head.see(row);
    Value q = headOf(e, from, row, head.dim), out = headOf(e, to, row, positions);
    k.forWarps(k.c(positions / kLanes), [&](Value block) {
      Value there = k.at(out, k.mul(block, kLanes * 4));
      Value seen = k.andi(k.ge(block, head.firstBlock), k.lt(block, head.endBlock)); // uniform over the warp
      k.ifElse(
          seen, [&] { head.scores(q, block, op.getScale().convertToDouble(), there); },
          [&] {
            k.ifThen(k.lt(k.lane(), k.c(kLanes)),
                     [&] { k.store(k.cf(k.f32(), lowest()), k.at(there, k.mul(k.lane(), 4))); });
          });
    });
  });
}

void emitOp(PhaseEmitter &e, step::PvOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), op.getHeads(), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getP());
  e.forRows([&](Value row) {
    head.see(row);
    head.accumulate(headOf(e, from, row, from.width / op.getHeads()), k.c(0), Value(),
                    headOf(e, to, row, head.dim));
    k.sync();
  });
}

} // namespace gemmac::cuda
