// Text to token ids and back (gemma4.md section 6), from the mapped blob (TokenizerBlob.h) in place. Never
// fails on text: bytes that are not UTF-8 become byte tokens.
#pragma once

#include "runtime/TokenizerBlob.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemmac::rt {

class Tokenizer {
public:
  /// `blob` outlives the tokenizer. Fails with exit 3 if its header is broken.
  explicit Tokenizer(std::span<const char> blob);

  int32_t vocab() const { return static_cast<int32_t>(header_->vocab); }
  int32_t bos() const { return header_->bos; }
  int32_t eos() const { return header_->eos; }
  int32_t unk() const { return header_->unk; }
  int32_t pad() const { return header_->pad; }

  /// Special tokens in the text are recognised; <bos> is not added.
  std::vector<int32_t> encode(std::string_view text) const;
  /// As HF's decoder: special tokens are written out, and a run of byte tokens that is not UTF-8 as a whole
  /// becomes one U+FFFD for each of its bytes.
  std::string decode(std::span<const int32_t> ids) const;

  /// The text of one ordinary token, spaces as spaces; "" beyond the vocabulary.
  std::string text(int32_t id) const;
  /// The byte that a token <0xHH> stands for, else -1.
  int byteOf(int32_t id) const;

private:
  std::string_view piece(int32_t id) const;
  int32_t find(std::string_view piece) const;
  const MergeEntry *findMerge(int32_t left, int32_t right) const;
  std::string_view special(uint32_t index) const;
  int32_t specialAt(std::string_view text) const;
  void encodeOrdinary(std::string_view text, std::vector<int32_t> &ids) const;
  void appendCharacter(std::string_view character, std::vector<int32_t> &ids) const;
  void merge(std::vector<int32_t> &ids, size_t from) const;
  template <class T> const T *table(uint64_t offset) const {
    return reinterpret_cast<const T *>(blob_.data() + offset);
  }

  std::span<const char> blob_;
  const TokenizerBlobHeader *header_;
  std::array<uint32_t, 257> specialFirst_{};       ///< where in specialIds those start that begin with a byte
  std::vector<std::pair<int32_t, uint8_t>> bytes_; ///< (id, byte), by id
};

/// Text of a stream of tokens: holds back a character until all of its bytes are there.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer) : tokenizer_(tokenizer) {}
  /// What can be shown after one more token.
  std::string feed(int32_t id);
  /// The rest: bytes that will not become a character any more.
  std::string finish();

private:
  const Tokenizer &tokenizer_;
  std::string held_;
};

} // namespace gemmac::rt
