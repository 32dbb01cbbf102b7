// Attention of many rows on AMX tiles, gemma4.md (19): a task is 32 rows of one query head. Scores of all
// keys that some row sees, in blocks of 32; softmax row by row, exact, with one largest score for each row;
// then the sum over V, 32 columns at a time. Q and the weights of V are rounded to bf16; sums are f32. A bf16
// cache is made of tiles; blocks of a q8 cache become such beside (CacheTiles). Slots of V that a block
// touches and no row sees must hold finite numbers, since their weight is zero: the arena starts as zeros
// (runtime/Abi.h), and step.cache_write writes nothing else, or, in q8, what CacheTiles makes finite.
#include "codegen/cpu/CacheTiles.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/Layout.h"
#include "dialect/step/Verify.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

namespace {

constexpr int64_t kKeys = kTileK; ///< of a block

/// Private memory of a task.
struct AttentionScratch {
  int64_t keys, dim;
  bool unpacks; ///< keys and values

  AttentionScratch(step::ProgramOp program, step::AttentionOp op, step::CacheOp cache)
      : dim(cache.getHeadDim()), unpacks(cache.getType() == step::KvType::Q8) {
    const auto context = static_cast<int64_t>(program.getContext()),
               window = static_cast<int64_t>(op.getWindow());
    keys = roundUp(context, kKeys);
    if (window > 0) // the oldest that the first row sees may be the last of a block
      keys = std::min(keys, roundUp(window + kTileRowGroup - 1 + kKeys - 1, kKeys));
  }
  // Rows of scores are not a power of two apart, so that tiles do not crowd one set of the cache.
  int64_t scoreLd() const { return keys * 4 + 64; }
  int64_t scores() const { return kTileRowGroup * dim * 2; }
  int64_t weights() const { return scores() + roundUp(kTileRowGroup * scoreLd(), kAlign); }
  int64_t sums() const { return weights() + kTileRowGroup * keys * 2; }
  int64_t unpacked() const { return roundUp(sums() + kTileRowGroup * 4, kAlign); }
  int64_t bytes() const { return unpacked() + (unpacks ? kKeys * dim * 2 : 0); } // of a block
};

class TileAttention {
public:
  TileAttention(PhaseEmitter &e, step::AttentionOp op, Value group, Value head);
  void run() {
    packQueries();
    multiplyKeys();
    k.loop(0, kTileRowGroup, 1, [&](Value i) { softmax(i); });
    k.loop(0, dim / kKeys, 1, [&](Value d) { multiplyValues(d); });
    finish();
  }

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  AmxTiles tiles;
  CacheView cache;
  CacheLayout layout;
  CacheTiles unpacker; ///< of q8
  AttentionScratch plan;
  View to, from;
  int64_t dim, slots, window;
  double scale;
  Value head, firstRow, lastRow;
  Value firstBlock, blocks; ///< of keys
  Value keys, values;       ///< of the KV head
  Value scratch, unpacked;

  Value lineOf(Value tile, Value i) { // row i of a pair of tiles
    return k.at(tile, k.mul(i, kTileBytes / kTileRows));
  }
  Value clamped(Value i) { return k.mins(k.add(firstRow, i), lastRow); }
  Value slotOf(Value block) { return k.rem(k.mul(k.add(firstBlock, block), kKeys), k.c(slots)); }
  Value out(Value row) { return k.at(e.rowOf(to, row), k.mul(head, dim * 4)); }
  void packQueries();
  void multiplyKeys();
  void softmax(Value i);
  void multiplyValues(Value d);
  void finish();
};

TileAttention::TileAttention(PhaseEmitter &e, step::AttentionOp op, Value group, Value head)
    : e(e), k(e.k), tiles(k), cache(e.cache(op.getCache())), layout(cache.op), unpacker(k, layout),
      plan(op->getParentOfType<step::ProgramOp>(), op, cache.op), to(e.view(op.getDst())),
      from(e.view(op.getQ())), dim(plan.dim), slots(cache.op.getSlots()), window(op.getWindow()),
      scale(op.getScale().convertToDouble()), head(head), scratch(e.extraScratch()),
      unpacked(k.at(scratch, plan.unpacked())) {
  firstRow = k.mul(group, kTileRowGroup);
  lastRow = k.mins(k.add(firstRow, kTileRowGroup - 1), k.add(e.liveRows, -1));
  Value first = k.c(0);
  if (window > 0)
    first = k.maxs(k.add(e.positionOf(firstRow), 1 - window), k.c(0));
  firstBlock = k.div(first, kKeys);
  blocks = k.sub(k.add(k.div(e.positionOf(lastRow), kKeys), 1), firstBlock);
  const auto heads = static_cast<int64_t>(op.getHeads()), kvHeads = static_cast<int64_t>(cache.op.getHeads());
  Value offset = k.mul(k.div(head, heads / kvHeads), layout.headBytes());
  keys = k.at(cache.k, offset);
  values = k.at(cache.v, offset);
}

/// Rows behind the last live one repeat it.
void TileAttention::packQueries() {
  k.loop(0, kTileRowGroup, 1, [&](Value i) {
    Value row = k.at(e.rowOf(from, clamped(i)), k.mul(head, dim * 4));
    k.loop(0, dim / kTileK, 1, [&](Value t) {
      Value at = k.at(row, k.mul(t, kTileK * 4));
      Value low = k.load(k.vec(k.f32()), at), high = k.load(k.vec(k.f32()), k.at(at, 64));
      k.store(tiles.narrow(low, high), lineOf(k.at(scratch, k.mul(t, 2 * kTileBytes)), i), 64);
    });
  });
}

void TileAttention::multiplyKeys() {
  Value line = k.c(64), ld = k.c(plan.scoreLd());
  k.loop(k.c(0), blocks, 1, [&](Value block) {
    Value key = k.at(keys, k.mul(k.div(slotOf(block), kTileRows), layout.keyBlockBytes()));
    if (plan.unpacks)
      k.loop(0, dim / kTileK, 1,
             [&](Value t) { unpacker.keys(key, t, k.at(unpacked, k.mul(t, 2 * kTileBytes))); });
    auto tileOf = [&](int64_t t, int64_t p) { // of 16 keys
      return tiles.load(plan.unpacks ? k.at(unpacked, (2 * t + p) * kTileBytes)
                                     : k.at(key, p * layout.keyBlockBytes() + t * kTileBytes),
                        line);
    };
    SmallVector<Value> sums;
    for (int i = 0; i < 4; ++i)
      sums.push_back(tiles.zero());
    for (int64_t t = 0; t < dim / kTileK; ++t) {
      Value w[] = {tileOf(t, 0), tileOf(t, 1)};
      for (int64_t half = 0; half < 2; ++half) {
        Value q = tiles.load(k.at(scratch, (2 * t + half) * kTileBytes), line);
        for (int64_t p = 0; p < 2; ++p)
          sums[half * 2 + p] = tiles.multiply(sums[half * 2 + p], q, w[p]);
      }
    }
    Value score = k.at(scratch, k.add(k.mul(block, kKeys * 4), plan.scores()));
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t p = 0; p < 2; ++p)
        tiles.store(sums[half * 2 + p], k.at(score, half * kTileRows * plan.scoreLd() + p * 64), ld);
    if (plan.unpacks)
      unpacker.spoilScores(values, slotOf(block), score, plan.scoreLd());
  });
}

void TileAttention::softmax(Value i) {
  const double lowest = -std::numeric_limits<double>::infinity();
  Value position = e.positionOf(clamped(i)), base = k.mul(firstBlock, kKeys);
  Value first = window > 0 ? k.maxs(k.add(position, 1 - window), k.c(0)) : k.c(0);
  Value row = k.at(scratch, k.add(k.mul(i, plan.scoreLd()), plan.scores()));
  auto score = [&](Value v) { return k.at(row, k.mul(v, 64)); };
  Value begin = k.div(k.sub(k.maxs(first, base), base), kLanes);
  Value end = k.add(k.div(k.sub(position, base), kLanes), 1);
  auto hide = [&](Value v) { k.store(k.vf(lowest), score(v), 64); };
  k.loop(k.c(0), begin, 1, hide);
  k.loop(end, k.mul(blocks, kKeys / kLanes), 1, hide);
  auto narrow = [&](Value x) { return k.splat(k.trunc(x, k.i32())); };
  Value top = k.loop(begin, end, 1, ValueRange{k.vf(lowest)}, [&](Value v, ValueRange now) {
    Value j = k.add(narrow(k.add(base, k.mul(v, kLanes))), k.iota32());
    Value visible = k.le(j, narrow(position));
    if (window > 0)
      visible = k.andi(visible, k.ge(j, narrow(first)));
    Value s = k.load(k.vec(k.f32()), score(v), 64);
    if (scale != 1.0)
      s = k.fmul(s, k.vf(scale));
    s = k.select(visible, s, k.vf(lowest));
    k.store(s, score(v), 64);
    return SmallVector<Value>{k.fmax(s, now[0])};
  })[0];
  Value largest = k.splat(k.largest(top));
  Value total = k.loop(k.c(0), blocks, 1, ValueRange{k.vf(0)}, [&](Value block, ValueRange now) {
    auto weight = [&](int64_t half) {
      Value s = k.load(k.vec(k.f32()), k.at(score(k.mul(block, 2)), half * 64), 64);
      return emitExp(k, k.fsub(s, largest));
    };
    Value low = weight(0), high = weight(1);
    Value tile = k.at(scratch, k.add(k.mul(block, 2 * kTileBytes), plan.weights()));
    k.store(tiles.narrow(low, high), lineOf(tile, i), 64);
    return SmallVector<Value>{k.fadd(now[0], k.fadd(low, high))};
  })[0];
  k.store(k.fdiv(k.cf(k.f32(), 1), k.sum(total)), k.at(scratch, k.add(k.mul(i, 4), plan.sums())));
}

/// Columns [32 d, 32 d + 32) of the result, not yet divided.
void TileAttention::multiplyValues(Value d) {
  Value line = k.c(64), toLd = k.c(to.ld);
  SmallVector<Value> sums;
  for (int i = 0; i < 4; ++i)
    sums.push_back(tiles.zero());
  sums = k.loop(k.c(0), blocks, 1, sums, [&](Value block, ValueRange now) {
    SmallVector<Value> next(now);
    Value value = unpacked, next16 = k.c(kTileBytes), ld = line; // columns, and where the 16 behind them lie
    if (plan.unpacks) {
      unpacker.values(values, slotOf(block), d, unpacked);
    } else {
      value = k.at(values, k.add(k.mul(k.div(slotOf(block), 2), dim * 4), k.mul(d, kTileK * 4)));
      next16 = k.c(64);
      ld = k.c(dim * 4);
    }
    Value w[] = {tiles.load(value, ld), tiles.load(k.at(value, next16), ld)};
    Value weight = k.at(scratch, k.add(k.mul(block, 2 * kTileBytes), plan.weights()));
    for (int64_t half = 0; half < 2; ++half) {
      Value p = tiles.load(k.at(weight, half * kTileBytes), line);
      for (int64_t column = 0; column < 2; ++column)
        next[half * 2 + column] = tiles.multiply(next[half * 2 + column], p, w[column]);
    }
    return next;
  });
  Value result = k.at(out(firstRow), k.mul(d, kTileK * 4));
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t column = 0; column < 2; ++column)
      tiles.store(sums[half * 2 + column], k.at(result, half * kTileRows * to.ld + column * 64), toLd);
}

void TileAttention::finish() {
  k.loop(firstRow, k.add(lastRow, 1), 1, [&](Value row) {
    Value sum = k.at(scratch, k.add(k.mul(k.sub(row, firstRow), 4), plan.sums()));
    Value inverse = k.splat(k.load(k.f32(), sum));
    k.forLanes(dim, [&](Lanes lanes) {
      k.storeLanes(k.fmul(k.loadLanes(out(row), lanes), inverse), out(row), lanes);
    });
  });
}

} // namespace

bool usesTiles(step::ProgramOp program) {
  bool found = false;
  program.walk([&](step::MatmulOp op) { found |= op.getFormat() == step::Act::BF16T; });
  return found;
}

step::AttentionOp tileAttention(step::PhaseOp phase, const SymbolTable &symbols) {
  auto entry = cast<step::EntryOp>(phase->getParentOp());
  step::AttentionOp attention = onlyAttention(phase);
  if (!attention || entry.getRows() % kTileRowGroup != 0)
    return {};
  auto cache = symbols.lookup<step::CacheOp>(attention.getCache());
  bool whole = phase.getRows() == step::Rows::All &&
               step::rowsOf(attention.getDst()) == static_cast<int64_t>(entry.getRows());
  return whole && cache.getType() != step::KvType::F32 && cache.getHeadDim() % kTileK == 0 &&
                 cache.getSlots() % kKeys == 0
             ? attention
             : step::AttentionOp();
}

int64_t tileAttentionScratch(step::PhaseOp phase, const SymbolTable &symbols) {
  step::AttentionOp op = tileAttention(phase, symbols);
  if (!op)
    return 0;
  auto cache = symbols.lookup<step::CacheOp>(op.getCache());
  return AttentionScratch(op->getParentOfType<step::ProgramOp>(), op, cache).bytes();
}

void emitTileAttention(PhaseEmitter &e, step::AttentionOp op, Value group, Value head) {
  TileAttention(e, op, group, head).run();
}

} // namespace gemmac::cpu
