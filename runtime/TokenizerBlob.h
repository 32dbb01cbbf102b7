// The tokenizer as it lies in an executable: little-endian, position independent, used in place (mapped, no
// start-up work). Written by TokenizerBlob.cpp's writer in the compiler, read by Tokenizer.cpp. Section
// offsets count from the blob's start; everything is 8-byte aligned.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gemmac {

/// Flag: spaces become U+2581 before special tokens are looked for (SentencePiece), not after (HF).
constexpr uint32_t kTokenizerSpacesFirst = 1;

struct TokenizerBlobHeader {
  char magic[8];                           ///< "GMTOK2\0\0"
  uint64_t bytes;                          ///< of the whole blob
  uint32_t vocab, merges, specials, flags; ///< flags: 0 or kTokenizerSpacesFirst
  int32_t bos, eos, unk, pad;
  uint64_t pieceOffsets; ///< u32[vocab + 1] into pieceBytes
  uint64_t pieceBytes;
  uint64_t pieceHash;     ///< u32[pieceHashSize], id + 1 or 0, open addressing, linear probing
  uint64_t pieceHashSize; ///< a power of two
  uint64_t mergeHash;     ///< MergeEntry[mergeHashSize], keyed by (left, right)
  uint64_t mergeHashSize; ///< a power of two
  uint64_t specialIds;    ///< u32[specials], in the order of the pieces' bytes
  uint64_t byteIds;       ///< i32[256]
};

struct MergeEntry {
  int32_t left, right; ///< left < 0: empty
  int32_t rank, result;
};

/// What the writer needs; the frontend's TokenizerData converts to it field by field.
struct TokenizerBlobInput {
  std::vector<std::string> pieces;
  std::vector<std::array<int32_t, 3>> merges; ///< left, right, result; by rank
  std::vector<int32_t> ranks;                 ///< of the merges, where some are equal; empty: their positions
  std::vector<int32_t> special;
  std::array<int32_t, 256> byteIds;
  int32_t bos, eos, unk, pad;
  bool spacesFirst = false;
};

/// Serialises `in`. Deterministic.
std::string writeTokenizerBlob(const TokenizerBlobInput &in);
/// Null if the header is right and every table lies within `bytes`: constant time, for the start of an
/// executable.
const char *checkTokenizerHeader(const void *data, uint64_t bytes);
/// Null if `data` is a whole, consistent blob (every offset and id in range), else what is wrong with it.
const char *checkTokenizerBlob(const void *data, uint64_t bytes);

/// Hashes shared by writer and reader.
inline uint64_t hashBytes(const char *p, size_t n) {
  uint64_t h = 0x9E3779B97F4A7C15ull ^ n;
  for (size_t i = 0; i < n; ++i)
    h = (h ^ static_cast<unsigned char>(p[i])) * 0x100000001B3ull;
  return h ^ (h >> 29);
}
inline uint64_t hashPair(int32_t a, int32_t b) {
  uint64_t h = (static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b)) *
               0x9E3779B97F4A7C15ull;
  return h ^ (h >> 32);
}

} // namespace gemmac
