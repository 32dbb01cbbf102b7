// Superblocks of the panel formats from values and from imported blocks. Layouts: docs/architecture.md.
#pragma once

#include "dialect/step/Step.h"
#include "frontend/TensorSource.h"

#include <cstdint>
#include <vector>

namespace gemmac {

/// Lays inputs k0 .. k0+63 of 16 rows of f32 (`rows`: [16][kp], kp a multiple of 64) into the superblock at
/// `out`: f32p16, bf16p16, f16p16, and q8p16 and q4p16 with the rounding of dialect/gemma/Quantize.h.
/// Returns the sum of the squares of what rounding to 8 or 4 bits changed.
double packSuperblock(step::Format format, const float *rows, int64_t kp, int64_t k0, char *out);

/// One row of an imported tensor taken apart into codes and scales, so that panels can hold its very numbers.
class BlockRow {
public:
  /// `k` elements of `type` at `bytes`; a null `bytes` is a row of zeros (padding).
  BlockRow(DType type, const uint8_t *bytes, int64_t k);
  /// False if a scale is NaN or infinite.
  bool finite() const { return isFinite; }
  /// Puts the row into lane `lane` (0..15) of every superblock of the panel at `panel`, which is zero before.
  void pack(step::Format format, int64_t lane, char *panel) const;

private:
  struct Group {
    uint16_t d = 0, min = 0;
    int8_t factor = 0;
    uint8_t minFactor = 0;
  };
  std::vector<uint8_t> codes; ///< padded with the code of zero to a multiple of 64
  std::vector<Group> groups;  ///< by blockShape(type).group elements
  int64_t group;
  bool isFinite = true;
};

} // namespace gemmac
