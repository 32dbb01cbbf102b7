// The block formats of GGUF files: what the bytes of a block mean, exactly. A row is a sequence of blocks of
// 32 elements (q4_0 .. q8_0) or of 256 (the K-quants); every element is scale * code + minimum, computed in
// f32 with one rounding. The interpreters and the weight packer both read blocks through this file.
#pragma once

#include "frontend/TensorSource.h"

namespace gemmac {

/// True for Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K.
bool isBlockType(DType type);

/// One block, taken apart: element i = scale[i / group] * (code[i] - bias) - minimum[i / group], where the
/// scale is exactly d * factor of the block's f16 `d` and its small integer factor (1 for 32-element blocks).
struct BlockParts {
  static constexpr int kMost = 256;
  uint8_t codes[kMost]; ///< unsigned; Q8_0: the int8 value + 128
  uint16_t
      d = 0,
      min = 0; ///< f16 bits: scale of scales, and of minima (Q4_1, Q5_1: the minimum itself, which is added)
  int8_t factors[16];    ///< by group
  uint8_t minFactors[8]; ///< by group of 32
};

/// What the parts of a type look like.
struct BlockShape {
  int elements; ///< in a block
  int bytes;    ///< of a block
  int bits;     ///< of a code
  int bias;     ///< taken off a code: 8, 16, 32, 128; 0 where there is a minimum
  int group;    ///< elements that share a scale
  bool minimum; ///< has minima: added as stored (Q4_1, Q5_1), or dmin * factor taken off (Q4_K, Q5_K)
  bool factors; ///< scales are d * factor (K-quants)
};
const BlockShape &blockShape(DType type);

/// Takes the block at `from` (blockShape(type).bytes long) apart.
void unpackBlock(DType type, const uint8_t *from, BlockParts &parts);
/// The block's elements in f32.
void decodeBlock(DType type, const uint8_t *from, float *out);
/// Whether every scale of the block is finite.
bool blockIsFinite(DType type, const uint8_t *from);

} // namespace gemmac
