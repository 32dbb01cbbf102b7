// See HeadGroup.h.
#include "codegen/cpu/HeadGroup.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

HeadGroup::HeadGroup(PhaseEmitter &e, CacheView cache, Value kvHead, int64_t window)
    : e(e), k(e.k), layout(cache.op), type(layout.type), dim(layout.dim), slots(layout.slots),
      window(window) {
  Value offset = k.mul(kvHead, layout.headBytes());
  keys = k.at(cache.k, offset);
  values = k.at(cache.v, offset);
}

void HeadGroup::see(Value row) {
  position = e.positionOf(row);
  first = k.c(0);
  if (window > 0)
    first = k.maxs(k.add(position, 1 - window), k.c(0));
  firstBlock = k.div(first, kLanes);
  endBlock = k.add(k.div(position, kLanes), 1);
  begin = first;
  end = k.add(position, 1);
}

void HeadGroup::restrictTo(Value firstOfBlocks, Value endOfBlocks) {
  firstBlock = firstOfBlocks;
  endBlock = endOfBlocks;
  begin = k.maxs(first, k.mul(firstBlock, kLanes));
  end = k.mins(k.add(position, 1), k.mul(endBlock, kLanes));
}

/// Input d + offset of the 16 keys of a block; pairs are loaded for both of their inputs.
Value HeadGroup::key(Value blockBase, Value d, int64_t offset) {
  if (type == step::KvType::F32)
    return k.load(k.vec(k.f32()), k.at(blockBase, k.mul(k.add(d, offset), kLanes * 4)), 64);
  Value pairs = k.load(k.vec(k.i32()), k.at(blockBase, k.mul(k.add(d, offset / 2 * 2), kLanes * 2)), 64);
  return offset % 2 == 0 ? k.lowerBF16(pairs) : k.upperBF16(pairs);
}

/// q . k of each head for the 16 keys of a block of floats. Four sums over head_dim for each head, so that
/// four multiply-adds are in flight.
HeadGroup::Values HeadGroup::dots(ArrayRef<Value> q, Value base) {
  const int64_t chains = dim % 4 == 0 ? 4 : dim % 2 == 0 ? 2 : 1, heads = static_cast<int64_t>(q.size());
  Values start(heads * chains, k.vf(0));
  auto total = k.loop(k.c(0), k.c(dim), chains, start, [&](Value d, ValueRange now) {
    Values next(now);
    for (int64_t i = 0; i < chains; ++i) {
      Value input = key(base, d, i);
      for (int64_t h = 0; h < heads; ++h) {
        Value one = k.splat(k.load(k.f32(), k.at(q[h], k.mul(k.add(d, i), 4))));
        next[h * chains + i] = k.fma(one, input, now[h * chains + i]);
      }
    }
    return next;
  });
  Values result;
  for (int64_t h = 0; h < heads; ++h) {
    Value s = total[h * chains];
    if (chains == 2)
      s = k.fadd(total[h * 2], total[h * 2 + 1]);
    if (chains == 4)
      s = k.fadd(k.fadd(total[h * 4], total[h * 4 + 1]), k.fadd(total[h * 4 + 2], total[h * 4 + 3]));
    result.push_back(s);
  }
  return result;
}

/// The same of q8: 32 inputs, four sums, and their scale.
HeadGroup::Values HeadGroup::dotsQ8(ArrayRef<Value> q, Value base) {
  constexpr int64_t kWord = 4; // inputs of a key that lie side by side
  const size_t heads = q.size();
  return k.loop(k.c(0), k.c(dim / kScaleGroup), 1, Values(heads, k.vf(0)), [&](Value g, ValueRange now) {
    Values sums(heads * kWord, k.vf(0)), next;
    for (int64_t word = 0; word < kScaleGroup / kWord; ++word) {
      Value at = k.add(k.mul(g, kScaleGroup * kLanes), word * kWord * kLanes);
      Value four = k.load(k.vec(k.i32()), k.at(base, at), 32); // a block is a multiple of 17 * 32 bytes
      for (int64_t i = 0; i < kWord; ++i) {
        Value input = k.sitofp(k.sar(k.shl(four, 24 - 8 * i), 24), k.vec(k.f32()));
        for (size_t h = 0; h < heads; ++h) {
          Value one = k.load(k.f32(), k.at(q[h], k.add(k.mul(g, kScaleGroup * 4), (word * kWord + i) * 4)));
          sums[h * kWord + i] = k.fma(k.splat(one), input, sums[h * kWord + i]);
        }
      }
    }
    Value scales = k.load(k.vec(k.f16()), k.at(base, k.add(k.mul(g, kLanes * 2), layout.keyScales())), 32);
    Value scale = k.extf(scales, k.vec(k.f32()));
    for (size_t h = 0; h < heads; ++h) {
      Value *s = &sums[h * kWord];
      next.push_back(k.fma(k.fadd(k.fadd(s[0], s[1]), k.fadd(s[2], s[3])), scale, now[h]));
    }
    return next;
  });
}

HeadGroup::Values HeadGroup::scores(ArrayRef<Value> q, Value block, double scale) {
  Value base = k.at(keys, k.mul(k.rem(block, slots / kLanes), layout.keyBlockBytes()));
  Values total = type == step::KvType::Q8 ? dotsQ8(q, base) : dots(q, base);
  auto narrow = [&](Value x) { return k.splat(k.trunc(x, k.i32())); };
  Value j = k.add(narrow(k.mul(block, kLanes)), k.iota32());
  Value visible = k.le(j, narrow(position));
  if (window > 0)
    visible = k.andi(visible, k.ge(j, narrow(first)));
  Values result;
  for (Value s : total) {
    if (scale != 1.0)
      s = k.fmul(s, k.vf(scale));
    result.push_back(k.select(visible, s, k.vf(-std::numeric_limits<double>::infinity())));
  }
  return result;
}

/// 16 columns of V[j].
Value HeadGroup::valueRow(Value j, Lanes l) {
  Value slot = k.rem(j, slots);
  switch (type) {
  case step::KvType::F32:
    return k.loadLanes(k.at(values, k.mul(slot, dim * 4)), l);
  case step::KvType::BF16: {
    Value up = k.splat(k.trunc(k.mul(k.rem(j, 2), 16), k.i32()));
    return k.lowerBF16(k.shr(valuePairs(j, l), up));
  }
  case step::KvType::Q8: {
    Value codes = k.load(k.vec(k.i8()), k.at(values, k.add(k.mul(slot, dim), l.first)));
    Value group = k.add(k.mul(slot, dim / kScaleGroup), k.div(l.first, kScaleGroup));
    Value scale = k.load(k.f16(), k.at(values, k.add(k.mul(group, 2), layout.valueScales())));
    Value numbers = k.sitofp(k.sext(codes, k.vec(k.i32())), k.vec(k.f32()));
    return k.fmul(numbers, k.splat(k.extf(scale, k.f32())));
  }
  }
  llvm_unreachable("all kinds of caches are handled");
}

/// acc[h][lanes] + weights[h][j] V[j]
HeadGroup::Values HeadGroup::addRow(ArrayRef<Lanes> lanes, ArrayRef<Value> weights, Value firstWeight,
                                    Value j, ValueRange acc) {
  Values one;
  for (Value w : weights)
    one.push_back(weightOf(w, firstWeight, j));
  Values next(acc);
  for (auto [i, l] : llvm::enumerate(lanes)) {
    Value x = valueRow(j, l);
    for (size_t h = 0; h < weights.size(); ++h)
      next[h * lanes.size() + i] = k.fma(one[h], x, acc[h * lanes.size() + i]);
  }
  return next;
}

/// The same for j (even) and then j + 1, which lie side by side where elements are bf16.
HeadGroup::Values HeadGroup::addPair(ArrayRef<Lanes> lanes, ArrayRef<Value> weights, Value firstWeight,
                                     Value j, ValueRange acc) {
  Values even, odd;
  for (Value w : weights) {
    even.push_back(weightOf(w, firstWeight, j));
    odd.push_back(weightOf(w, firstWeight, k.add(j, 1)));
  }
  Values next(acc);
  for (auto [i, l] : llvm::enumerate(lanes)) {
    Value pairs = valuePairs(j, l), low = k.lowerBF16(pairs), high = k.upperBF16(pairs);
    // The same columns of the next block, 8 pairs on; what it may miss on a ring costs nothing.
    LLVM::Prefetch::create(k.builder(), k.location(),
                           k.at(pairAt(j), k.add(k.mul(l.first, 4), kLanes / 2 * dim * 4)),
                           /*rw=*/0, /*hint=*/3, /*cache=*/1);
    for (size_t h = 0; h < weights.size(); ++h) {
      Value &sum = next[h * lanes.size() + i];
      sum = k.fma(odd[h], high, k.fma(even[h], low, sum));
    }
  }
  return next;
}

/// Adds positions [low, high), of one block, to the sums in `outs`: in twos where they are pairs, for as many
/// columns at a time as the registers hold sums of. The block's rows stay in the first cache meanwhile.
void HeadGroup::addBlock(ArrayRef<Value> outs, ArrayRef<Value> weights, Value firstWeight, Value low,
                         Value high, bool pairs) {
  const int64_t heads = static_cast<int64_t>(outs.size());
  const int64_t atOnce = std::max<int64_t>(1, (k.cpu().avx512 ? 16 : 4) / heads);
  const int64_t vectors = (dim + kLanes - 1) / kLanes;
  for (int64_t from = 0; from < vectors; from += atOnce) {
    SmallVector<Lanes> lanes;
    for (int64_t v = from; v < std::min(vectors, from + atOnce); ++v)
      lanes.push_back({k.c(v * kLanes), (v + 1) * kLanes > dim ? k.firstLanes(dim % kLanes) : Value()});
    Values sums;
    for (Value out : outs)
      for (Lanes l : lanes)
        sums.push_back(k.loadLanes(out, l));
    sums = k.loop(low, high, pairs ? 2 : 1, sums, [&](Value j, ValueRange now) {
      return pairs ? addPair(lanes, weights, firstWeight, j, now)
                   : addRow(lanes, weights, firstWeight, j, now);
    });
    for (int64_t h = 0; h < heads; ++h)
      for (auto [i, l] : llvm::enumerate(lanes))
        k.storeLanes(sums[h * lanes.size() + i], outs[h], l);
  }
}

void HeadGroup::accumulate(HeadRows outs, HeadRows weights, Value firstWeight, Value heads, int64_t atOnce) {
  k.loop(k.c(0), heads, 1, [&](Value h) {
    k.forLanes(dim, [&](Lanes lanes) { k.storeLanes(k.vf(0), outs.at(k, h), lanes); });
  });
  // Blocks that are seen whole; what shares a pair with an invisible row is read alone: it may hold anything.
  Value whole = k.mins(k.mul(k.div(k.add(begin, kLanes - 1), kLanes), kLanes), end);
  Value wholeEnd = k.maxs(k.mul(k.div(end, kLanes), kLanes), whole);
  auto rows = [&](Value low, Value high, bool pairs) {
    k.loop(k.c(0), heads, atOnce, [&](Value h) {
      addBlock(outs.from(k, h, atOnce), weights.from(k, h, atOnce), firstWeight, low, high, pairs);
    });
  };
  rows(begin, whole, false);
  k.loop(whole, wholeEnd, kLanes,
         [&](Value low) { rows(low, k.add(low, kLanes), type == step::KvType::BF16); });
  rows(wholeEnd, end, false);
}

} // namespace gemmac::cpu
