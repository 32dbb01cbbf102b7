// Query heads that read one KV head of a cache, for one row: scores, and sums over V. What is read of the
// cache serves all of them: where the registers do not hold all their sums, a block of 16 positions is read
// again from the first cache. Sums do not depend on how many heads are computed together. Keys are read 16 at
// a time, which is how they lie; a ring cache (slots < context) is read in the order of positions, so that a
// result never depends on where the ring happens to be. bf16 lies in pairs, of inputs (K) and of positions
// (V), as matrix units read it; q8 in words of four inputs (K) and in rows (V).
#pragma once

#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

namespace gemmac::cpu {

/// What each of several heads has, `bytes` apart.
struct HeadRows {
  Value base;
  int64_t bytes = 0;

  Value at(KernelBuilder &k, Value head) const { return k.at(base, k.mul(head, bytes)); }
  /// Those of heads [first, first + n).
  llvm::SmallVector<Value> from(KernelBuilder &k, Value first, int64_t n) const {
    llvm::SmallVector<Value> rows;
    for (int64_t i = 0; i < n; ++i)
      rows.push_back(at(k, k.add(first, i)));
    return rows;
  }
};

class HeadGroup {
public:
  using Values = llvm::SmallVector<Value>;

  HeadGroup(PhaseEmitter &e, CacheView cache, Value kvHead, int64_t window);

  /// Sets what the row sees: positions [first, position], blocks of 16 positions [firstBlock, endBlock).
  void see(Value row);
  /// Of that only these blocks.
  void restrictTo(Value firstOfBlocks, Value endOfBlocks);

  /// scale * q . k of each head for the 16 positions of `block`; minus infinity where not visible.
  Values scores(llvm::ArrayRef<Value> q, Value block, double scale);
  /// outs[h] = sum over the positions j of weights[h][j - firstWeight] * V[j], for `heads` heads, a multiple
  /// of `atOnce`, whose sums the registers hold together.
  void accumulate(HeadRows outs, HeadRows weights, Value firstWeight, Value heads, int64_t atOnce);

  Value position, first, firstBlock, endBlock;

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  CacheLayout layout;
  step::KvType type;
  int64_t dim, slots, window;
  Value keys, values;
  Value begin, end; ///< positions that accumulate() sums

  Value key(Value blockBase, Value d, int64_t offset);
  Values dots(llvm::ArrayRef<Value> q, Value blockBase);
  Values dotsQ8(llvm::ArrayRef<Value> q, Value blockBase);
  Value valueRow(Value j, Lanes l);
  Values addRow(llvm::ArrayRef<Lanes> lanes, llvm::ArrayRef<Value> weights, Value firstWeight, Value j,
                mlir::ValueRange acc);
  Values addPair(llvm::ArrayRef<Lanes> lanes, llvm::ArrayRef<Value> weights, Value firstWeight, Value j,
                 mlir::ValueRange acc);
  void addBlock(llvm::ArrayRef<Value> outs, llvm::ArrayRef<Value> weights, Value firstWeight, Value low,
                Value high, bool pairs);
  Value weightOf(Value weights, Value firstWeight, Value j) {
    return k.splat(k.load(k.f32(), k.at(weights, k.mul(k.sub(j, firstWeight), 4))));
  }
  Value pairAt(Value j) { return k.at(values, k.mul(k.div(k.rem(j, slots), 2), dim * 4)); }
  /// The pairs of 16 columns in a pair of rows of V: even row in the lower halves of the lanes.
  Value valuePairs(Value j, Lanes l) { return k.bitcast(k.loadLanes(pairAt(j), l), k.vec(k.i32())); }
};

} // namespace gemmac::cpu
