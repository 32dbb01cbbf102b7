// Sizes of packed weights, packed activations and caches: the one place that knows them. The verifiers, the
// memory plan, the weight packer, the emitters and the interpreter all ask here, so that what one writes is
// what the other reads. Bytes, unless said otherwise. Shapes come from checked IR (step.weight's verifier
// bounds them), so that 64-bit sums cannot overflow here.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "dialect/step/Step.h"

#include <cstdint>

namespace gemmac {

constexpr int64_t kAlign = 64;       ///< alignment of every offset
constexpr int64_t kPanelRows = 16;   ///< rows of the weight (lanes) in a panel
constexpr int64_t kSuperblockK = 64; ///< inputs in a superblock
constexpr int64_t kScaleGroup = 32;  ///< elements that share a scale

constexpr int64_t roundUp(int64_t x, int64_t to) { return (x + to - 1) / to * to; }
constexpr int64_t paddedK(int64_t k) { return roundUp(k, kSuperblockK); }

using step::isPanelFormat;
using step::isRowsFormat;

/// How a panel format holds small integers. Element = scale * (code - bias), or scale * code + minimum. A
/// superblock is the codes' low four bits (or all eight), then their higher bits, then the scales.
struct PanelCodes {
  enum class Scales : uint8_t {
    F16,    ///< [2][16] f16, one for each 32 inputs and row
    F16Min, ///< the same, then [2][16] f16 minima, added
    K,      ///< [16] f16 d, [16] f16 dmin, [2][16] u8 s, [2][16] u8 m: scale d * s, minimum -(dmin * m)
    K6,     ///< [16] f16 d, [4][16] i8 s, one for each 16 inputs, and 32 bytes of padding: scale d * s
  };
  int64_t bits; ///< 4, 5, 6 or 8
  int64_t bias; ///< 8, 16, 32, 0; 8 bits: signed, no bias
  Scales scales;

  bool minimum() const { return scales == Scales::F16Min || scales == Scales::K; }
  /// Inputs that share a scale.
  int64_t group() const { return scales == Scales::K6 ? 16 : 32; }
  int64_t highOffset() const { return bits == 8 ? 1024 : 512; }
  int64_t scaleOffset() const { return bits * 128; }
  int64_t scaleBytes() const { return scales == Scales::F16 ? 64 : 128; }
};
/// Null for formats without codes.
const PanelCodes *panelCodes(step::Format format);

/// The panels and the rows that hold a block format's values exactly. `blocks` is not None.
struct BlockFormats {
  step::Format panels, rows;
};
BlockFormats blockFormats(gemma::Blocks blocks);

/// One superblock: 16 rows x 64 inputs, with its scales. 0 for formats without panels.
int64_t superblockBytes(step::Format format);
/// One panel: 16 rows x paddedK(k) inputs.
int64_t panelBytes(step::Format format, int64_t k);
/// From one row to the next of a rows_* table.
int64_t rowStrideBytes(step::Format format, int64_t k);
/// rows_q4_0 ..: GGUF's blocks as stored. Elements and bytes of a block; {0, 0} for other formats.
struct RowBlocks {
  int64_t elements, bytes;
};
RowBlocks rowBlocks(step::Format format);
/// rows_q8: where the row's f16 scales start (its int8 values come first, k padded to a multiple of 32).
constexpr int64_t rowsQ8ScaleOffset(int64_t k) { return roundUp(k, kScaleGroup); }
/// One matrix of a weight: n padded rows of k inputs; a multiple of 64.
int64_t matrixBytes(step::Format format, int64_t n, int64_t k);
/// The whole of a step.weight, all experts included.
int64_t packedBytes(step::WeightOp weight);
/// What one column task of a panel weight streams: tile rows of k inputs.
int64_t taskBytes(step::WeightOp weight);
/// How the packed weights of two programs differ ("weight 3 is .. and .."), or "" where one packing serves
/// both: the same formats, tiles and offsets in the same order.
std::string weightDifference(step::ProgramOp one, step::ProgramOp other);
/// What reading one row of `table` touches (embedding look-up).
int64_t gatherBytes(step::WeightOp table);

/// One packed activation vector of k inputs: f32 and bf16: paddedK(k) f32; i8: paddedK(k) int8, then
/// paddedK(k)/32 f32 scales, then paddedK(k)/32 i32 sums; rounded up to 64; bf16t: paddedK(k) bf16.
int64_t actRowBytes(step::Act act, int64_t k);
/// The same in elements of the activation's buffer (f32, or i8 bytes): its columns for one vector.
int64_t actColumns(step::Act act, int64_t k);
/// i8: byte offsets in a packed vector of the scales and the sums.
constexpr int64_t actScaleOffset(int64_t k) { return paddedK(k); }
constexpr int64_t actSumOffset(int64_t k) { return paddedK(k) + paddedK(k) / kScaleGroup * 4; }

/// How the operand of an expert_matmul lies in memory: bf16t rows as bf16 ones, since the phase itself
/// gathers the rows of an expert into tiles.
constexpr step::Act expertAct(step::Act format) {
  return format == step::Act::BF16T ? step::Act::BF16 : format;
}

/// Held as bytes: i8 and bf16t.
constexpr bool isByteAct(step::Act act) { return act == step::Act::I8 || act == step::Act::BF16T; }

// bf16t: tiles of 16 rows x 32 k, a row's 32 bf16 in 64 bytes. Blocks of 256 k (the last one may be shorter)
// follow each other; in a block, groups of 32 rows; in a group, pairs of tiles (the upper 16 rows, the lower
// 16) for each 32 k. So the inner loop of a product reads one block of k of all rows as one stream.
constexpr int64_t kTileRows = 16, kTileK = 32, kTileBytes = 1024;
constexpr int64_t kTileRowGroup = 32; ///< rows of a buffer are a multiple of it
constexpr int64_t kTileBlockK = 256;
/// Byte offset, in a buffer of `rows` rows of k inputs, of the 64 bytes that hold inputs [first, first + 32)
/// of `row`. `first` is a multiple of 32.
int64_t actTileOffset(int64_t rows, int64_t k, int64_t row, int64_t first);

/// What one position takes in one half of a cache, for one head.
int64_t cacheRowBytes(step::KvType type, int64_t headDim);
/// One KV head of a cache, in either half.
struct CacheLayout {
  explicit CacheLayout(step::CacheOp cache);
  step::KvType type;
  int64_t dim, slots;

  int64_t headBytes() const { return slots * cacheRowBytes(type, dim); } ///< from one KV head to the next
  int64_t keyBlockBytes() const { return kPanelRows * cacheRowBytes(type, dim); } ///< K: 16 slots
  /// q8: where the scales begin, in a block of K and in a head of V.
  int64_t keyScales() const { return kPanelRows * dim; }
  int64_t valueScales() const { return slots * dim; }
};
/// K (or V: they are equal) of a cache: batch x heads of CacheLayout::headBytes(), rounded up to 64.
int64_t cacheHalfBytes(step::CacheOp cache, int64_t batch);
/// A buffer: rows x columns elements, rounded up to 64.
int64_t bufferBytes(mlir::MemRefType type);

} // namespace gemmac
