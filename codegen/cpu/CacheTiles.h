// Blocks of 32 positions of a q8 cache as tiles of bf16, in the order in which a bf16 cache has them: what
// attention on a matrix unit reads. Codes times their scales are rounded to bf16, as those of weights are.
#pragma once

#include "codegen/cpu/AmxTiles.h"
#include "dialect/step/Layout.h"

namespace gemmac::cpu {

class CacheTiles {
public:
  using Value = mlir::Value;

  CacheTiles(KernelBuilder &k, CacheLayout layout)
      : k(k), tiles(k), layout(layout), groups(layout.dim / kScaleGroup) {}

  /// Inputs [32 t, 32 t + 32) of the 32 keys of two blocks, the first of which is at `key` -> two tiles at
  /// `to`, 16 keys each.
  void keys(Value key, Value t, Value to);
  /// Columns [32 d, 32 d + 32) of the 32 positions from `slot` on, of the KV head at `values` -> two tiles at
  /// `to`, 16 columns each. They are finite: the matrix unit multiplies positions that a row does not see by
  /// zero.
  void values(Value values, Value slot, Value d, Value to);
  /// Adds NaN to the scores of those of these positions that have a value which is no number, so that rows
  /// which see it do not go on with a made-up one: f32 of 32 rows, `ld` bytes apart, at `scores`.
  void spoilScores(Value values, Value slot, Value scores, int64_t ld);

private:
  KernelBuilder &k;
  AmxTiles tiles;
  CacheLayout layout;
  int64_t groups; ///< of inputs that share a scale

  Value valueScales(Value values, Value slot) {
    return k.at(values, k.add(k.mul(slot, groups * 2), layout.valueScales()));
  }
};

} // namespace gemmac::cpu
