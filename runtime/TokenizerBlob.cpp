// Writer and checker of TokenizerBlob.h. The writer runs in the compiler, the checker on both sides; it
// touches every table, so the executable calls it for `verify` only and bounds-checks what it reads
// otherwise.
#include "runtime/TokenizerBlob.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace gemmac {

namespace {

constexpr char kMagic[8] = {'G', 'M', 'T', 'O', 'K', '2', 0, 0};

uint64_t tableSize(uint64_t entries) {
  uint64_t size = 16;
  while (size < 2 * entries)
    size *= 2;
  return size;
}

/// Appends raw bytes at a multiple of 8; returns where.
template <class T> uint64_t appendTable(std::string &out, const std::vector<T> &table) {
  out.resize((out.size() + 7) / 8 * 8);
  const uint64_t at = out.size();
  out.append(reinterpret_cast<const char *>(table.data()), table.size() * sizeof(T));
  return at;
}

std::vector<uint32_t> hashPieces(const TokenizerBlobInput &in) {
  std::vector<uint32_t> table(tableSize(in.pieces.size()));
  for (size_t id = 0; id < in.pieces.size(); ++id) {
    const std::string &piece = in.pieces[id];
    uint64_t slot = hashBytes(piece.data(), piece.size()) & (table.size() - 1);
    bool known = false;
    for (; table[slot] && !known; slot = (slot + 1) & (table.size() - 1))
      known = in.pieces[table[slot] - 1] == piece; // the lowest id of equal pieces stays
    if (!known)
      table[slot] = static_cast<uint32_t>(id + 1);
  }
  return table;
}

std::vector<MergeEntry> hashMerges(const TokenizerBlobInput &in) {
  std::vector<MergeEntry> table(tableSize(in.merges.size()), MergeEntry{-1, -1, -1, -1});
  for (size_t i = 0; i < in.merges.size(); ++i) {
    const auto &[left, right, result] = in.merges[i];
    const int32_t rank = in.ranks.empty() ? static_cast<int32_t>(i) : in.ranks[i];
    uint64_t slot = hashPair(left, right) & (table.size() - 1);
    while (table[slot].left >= 0 && (table[slot].left != left || table[slot].right != right))
      slot = (slot + 1) & (table.size() - 1);
    table[slot] = {left, right, rank, result}; // of equal pairs the last counts, as in HF's
  }
  return table;
}

bool inside(const TokenizerBlobHeader &h, uint64_t offset, uint64_t count, uint64_t width) {
  return offset % 8 == 0 && offset >= sizeof h && offset <= h.bytes && count <= (h.bytes - offset) / width;
}

template <class T> T load(const char *base, uint64_t offset, uint64_t index) {
  T v;
  std::memcpy(&v, base + offset + index * sizeof(T), sizeof v);
  return v;
}

const char *checkPieces(const TokenizerBlobHeader &h, const char *base) {
  const uint64_t room = h.bytes - h.pieceBytes;
  uint32_t previous = 0;
  for (uint64_t i = 0; i <= h.vocab; ++i) {
    const uint32_t offset = load<uint32_t>(base, h.pieceOffsets, i);
    if (offset < previous || offset > room)
      return "tokenizer: piece offsets do not ascend within the data";
    previous = offset;
  }
  uint64_t empty = 0;
  for (uint64_t i = 0; i < h.pieceHashSize; ++i) {
    const uint32_t v = load<uint32_t>(base, h.pieceHash, i);
    if (v > h.vocab)
      return "tokenizer: a hashed piece is beyond the vocabulary";
    empty += v == 0;
  }
  return empty ? nullptr : "tokenizer: the piece table is full";
}

const char *checkMerges(const TokenizerBlobHeader &h, const char *base) {
  const auto id = [&](int32_t v) { return v >= 0 && static_cast<uint32_t>(v) < h.vocab; };
  uint64_t empty = 0;
  for (uint64_t i = 0; i < h.mergeHashSize; ++i) {
    const MergeEntry e = load<MergeEntry>(base, h.mergeHash, i);
    empty += e.left < 0;
    if (e.left >= 0 && (!id(e.left) || !id(e.right) || !id(e.result) || e.rank < 0 ||
                        static_cast<uint32_t>(e.rank) >= h.merges))
      return "tokenizer: a merge is beyond the vocabulary";
  }
  return empty ? nullptr : "tokenizer: the merge table is full";
}

const char *checkIds(const TokenizerBlobHeader &h, const char *base) {
  const auto id = [&](int32_t v) { return v >= -1 && v < static_cast<int64_t>(h.vocab); };
  std::string_view previous;
  for (uint64_t i = 0; i < h.specials; ++i) {
    const uint32_t v = load<uint32_t>(base, h.specialIds, i);
    if (v >= h.vocab)
      return "tokenizer: a special token is beyond the vocabulary";
    const uint32_t begin = load<uint32_t>(base, h.pieceOffsets, v);
    const std::string_view piece(base + h.pieceBytes + begin,
                                 load<uint32_t>(base, h.pieceOffsets, v + 1ull) - begin);
    if (piece <= previous) // also refuses an empty one
      return "tokenizer: special tokens do not ascend";
    previous = piece;
  }
  for (uint64_t i = 0; i < 256; ++i)
    if (!id(load<int32_t>(base, h.byteIds, i)))
      return "tokenizer: a byte token is beyond the vocabulary";
  return id(h.bos) && id(h.eos) && id(h.unk) && id(h.pad)
             ? nullptr
             : "tokenizer: bos, eos, unk or pad is beyond the vocabulary";
}

} // namespace

std::string writeTokenizerBlob(const TokenizerBlobInput &in) {
  std::vector<uint32_t> offsets{0};
  std::string bytes;
  for (const std::string &piece : in.pieces) {
    bytes += piece;
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
  }
  std::vector<uint32_t> special(in.special.begin(), in.special.end());
  std::sort(special.begin(), special.end(),
            [&](uint32_t a, uint32_t b) { return in.pieces[a] < in.pieces[b]; });
  const std::vector<uint32_t> pieces = hashPieces(in);
  const std::vector<MergeEntry> merges = hashMerges(in);

  TokenizerBlobHeader h = {};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.vocab = static_cast<uint32_t>(in.pieces.size());
  h.merges = static_cast<uint32_t>(in.merges.size());
  h.specials = static_cast<uint32_t>(special.size());
  h.flags = in.spacesFirst ? kTokenizerSpacesFirst : 0;
  h.bos = in.bos, h.eos = in.eos, h.unk = in.unk, h.pad = in.pad;
  h.pieceHashSize = pieces.size();
  h.mergeHashSize = merges.size();
  std::string out(sizeof h, 0);
  h.mergeHash = appendTable(out, merges);
  h.pieceHash = appendTable(out, pieces);
  h.pieceOffsets = appendTable(out, offsets);
  h.specialIds = appendTable(out, special);
  h.byteIds = appendTable(out, std::vector<int32_t>(in.byteIds.begin(), in.byteIds.end()));
  h.pieceBytes = appendTable(out, std::vector<char>(bytes.begin(), bytes.end()));
  out.resize((out.size() + 7) / 8 * 8);
  h.bytes = out.size();
  std::memcpy(out.data(), &h, sizeof h);
  return out;
}

const char *checkTokenizerHeader(const void *data, uint64_t bytes) {
  TokenizerBlobHeader h;
  if (bytes < sizeof h)
    return "tokenizer: shorter than its header";
  std::memcpy(&h, data, sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0)
    return "tokenizer: wrong magic";
  if (h.bytes != bytes)
    return "tokenizer: its size is not that of its section";
  if (h.flags & ~kTokenizerSpacesFirst)
    return "tokenizer: of an unknown kind";
  const auto power = [](uint64_t n) { return n && !(n & (n - 1)); };
  if (!power(h.pieceHashSize) || !power(h.mergeHashSize))
    return "tokenizer: a table's size is not a power of two";
  if (!inside(h, h.pieceOffsets, h.vocab + 1ull, 4) || !inside(h, h.pieceBytes, 0, 1) ||
      !inside(h, h.pieceHash, h.pieceHashSize, 4) ||
      !inside(h, h.mergeHash, h.mergeHashSize, sizeof(MergeEntry)) ||
      !inside(h, h.specialIds, h.specials, 4) || !inside(h, h.byteIds, 256, 4))
    return "tokenizer: a table lies beyond its end";
  return nullptr;
}

const char *checkTokenizerBlob(const void *data, uint64_t bytes) {
  if (const char *wrong = checkTokenizerHeader(data, bytes))
    return wrong;
  const char *base = static_cast<const char *>(data);
  TokenizerBlobHeader h;
  std::memcpy(&h, base, sizeof h);
  if (const char *wrong = checkPieces(h, base))
    return wrong;
  if (const char *wrong = checkMerges(h, base))
    return wrong;
  return checkIds(h, base);
}

} // namespace gemmac
