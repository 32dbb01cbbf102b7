// See HeadView.h; the layouts of caches are in docs/architecture.md.
#include "codegen/cuda/HeadView.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

HeadView::HeadView(PhaseEmitter &e, StringRef name, Value kvHead, int64_t window)
    : e(e), k(e.k), cache(e.cache(name)), layout(cache.op), type(layout.type), dim(layout.dim),
      slots(layout.slots), window(window) {
  keys = k.at(cache.k, k.mul(kvHead, layout.headBytes()));
  values = k.at(cache.v, k.mul(kvHead, layout.headBytes()));
}

void HeadView::see(Value row) {
  position = e.positionOf(row);
  first = window > 0 ? k.maxs(k.add(position, 1 - window), k.c(0)) : k.c(0);
  firstBlock = k.div(first, kLanes);
  endBlock = k.add(k.div(position, kLanes), 1);
}

/// The lane's sums for positions 4 (l % 4) .. + 3 of a block of keys, over lines l / 4, l / 4 + 8, ..
Value HeadView::dots(Value q, Value base) {
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
  return sums;
}

/// The same of q8: lines of four inputs, and a scale for each 32.
Value HeadView::dotsQ8(Value q, Value base) {
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
  return sums;
}

void HeadView::scores(Value q, Value block, double scale, Value out) {
  Value base = k.at(keys, k.mul(k.rem(block, slots / kLanes), layout.keyBlockBytes()));
  Value sums = type == step::KvType::Q8 ? dotsQ8(q, base) : dots(q, base);
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
      k.store(k.select(seen, mine[i], k.cf(k.f32(), -std::numeric_limits<double>::infinity())),
              k.at(out, k.mul(inBlock, 4)));
    }
  });
}

/// V[d] of the position in `slot`.
Value HeadView::value(Value slot, Value d) {
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
      return SmallVector<Value>{k.fma(weight, value(k.rem(j, slots), d), now[0])};
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

SmallVector<Value> HeadView::addBlock(Value block, Value d, ArrayRef<Value> weights, ValueRange sums) {
  SmallVector<Value> result(sums);
  Value slot = k.mul(k.rem(block, slots / kLanes), kLanes);
  const int64_t atOnce = 4;
  for (int64_t j = 0; j < kLanes; j += atOnce) {
    SmallVector<Value> v;
    if (type == step::KvType::BF16) // pairs of positions
      for (int64_t i = 0; i < atOnce; i += 2) {
        Value pairs = k.mul(k.add(k.mul(k.div(k.add(slot, j + i), 2), dim), d), 4);
        Value both = k.load(k.i32(), k.at(values, pairs));
        v.append({k.lowerBF16(both), k.upperBF16(both)});
      }
    else
      for (int64_t i = 0; i < atOnce; ++i)
        v.push_back(value(k.add(slot, j + i), d));
    for (auto [i, sum] : llvm::enumerate(result)) {
      Value four = k.load(k.vec(k.f32(), atOnce), k.at(weights[i], j * 4), 16);
      for (int64_t p = 0; p < atOnce; ++p)
        sum = k.fma(k.extract(four, p), v[p], sum);
    }
  }
  return result;
}

} // namespace gemmac::cuda
