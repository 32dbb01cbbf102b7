// What one row of a sequence sees of one KV head: scores against keys, sums over values. Shared by the files
// EmitAttention*.cpp; private to codegen/cuda.
#pragma once

#include "codegen/cuda/PhaseEmitter.h"
#include "dialect/step/Layout.h"

namespace gemmac::cuda {

class HeadView {
public:
  /// Of the head `kvHead` of cache `name`; `window` 0: none.
  HeadView(PhaseEmitter &e, llvm::StringRef name, Value kvHead, int64_t window);

  /// The row from now on.
  void see(Value row);

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
  /// Column d of sums[i] + the sum over the 16 positions j of `block` of weights[i][j] V[j], for each i: by a
  /// thread. weights[i]: 16 f32; 0 where a position is not seen, whose values are stale, but numbers.
  llvm::SmallVector<Value> addBlock(Value block, Value d, llvm::ArrayRef<Value> weights,
                                    mlir::ValueRange sums);

private:
  Value dots(Value q, Value base);
  Value dotsQ8(Value q, Value base);
  Value value(Value slot, Value d);
};

} // namespace gemmac::cuda
