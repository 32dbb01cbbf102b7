// Small tokenizers in each of the formats, as data that a test changes before it is written: a SentencePiece
// model encoded by hand (so that broken ones can be made too) and a GGUF file of metadata alone.
#pragma once

#include "frontend/GgufFile.h"
#include "frontend/Tokenizer.h"

#include "../frontend/TestFiles.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gemmac::test {

/// Protobuf's wire format, as far as needed.
struct Wire {
  std::string bytes;
  Wire &varint(uint64_t value) {
    for (; value > 127; value >>= 7)
      bytes += static_cast<char>(value | 128);
    bytes += static_cast<char>(value);
    return *this;
  }
  Wire &number(unsigned field, uint64_t value) { return varint(field << 3).varint(value); }
  Wire &text(unsigned field, const std::string &value) {
    varint(field << 3 | 2).varint(value.size());
    bytes += value;
    return *this;
  }
  Wire &fixed(unsigned field, float value) {
    varint(field << 3 | 5);
    bytes.append(reinterpret_cast<const char *>(&value), 4);
    return *this;
  }
};

struct SpmPiece {
  std::string text;
  float score;
  int type;
};

/// pad, eos, bos, unk (types control and unknown), the 256 bytes, then what `more` says.
inline std::vector<SpmPiece> spmPieces(std::vector<SpmPiece> more = {}) {
  std::vector<SpmPiece> all = {{"<pad>", 0, 3}, {"<eos>", 0, 3}, {"<bos>", 0, 3}, {"<unk>", 0, 2}};
  for (unsigned byte = 0; byte < 256; ++byte) {
    char piece[8];
    snprintf(piece, sizeof piece, "<0x%02X>", byte);
    all.push_back({piece, 0, 6});
  }
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

struct SpmModel {
  std::vector<SpmPiece> pieces = spmPieces();
  int modelType = 2, byteFallback = 1, dummyPrefix = 0, extraSpaces = 0, escape = 1;
  std::string map, bos = "<bos>";

  std::string bytes() const {
    Wire all;
    for (const SpmPiece &piece : pieces)
      all.text(1, Wire()
                      .text(1, piece.text)
                      .fixed(2, piece.score)
                      .number(3, static_cast<uint64_t>(piece.type))
                      .bytes);
    Wire trainer;
    trainer.number(3, static_cast<uint64_t>(modelType)).number(35, static_cast<uint64_t>(byteFallback));
    trainer.text(46, bos).text(47, "<eos>");
    Wire normalizer;
    normalizer.text(1, map.empty() ? "identity" : "nmt_nfkc").number(3, static_cast<uint64_t>(dummyPrefix));
    normalizer.number(4, static_cast<uint64_t>(extraSpaces)).number(5, static_cast<uint64_t>(escape));
    if (!map.empty())
      normalizer.text(2, map);
    return all.text(2, trainer.bytes).text(3, normalizer.bytes).bytes;
  }
};

inline llvm::Expected<TokenizerData> loadModel(const std::string &bytes, int64_t vocab = 300) {
  TempDirectory directory;
  return loadTokenizerModel(directory.write("tokenizer.model", bytes), vocab);
}

/// A GGUF file, version 3, that holds metadata only.
class GgufWriter {
public:
  GgufWriter &text(const std::string &key, const std::string &value) { return entry(key, 8, string(value)); }
  GgufWriter &u32(const std::string &key, uint32_t value) { return entry(key, 4, raw(value)); }
  GgufWriter &boolean(const std::string &key, bool value) {
    return entry(key, 7, std::string(1, value ? 1 : 0));
  }
  GgufWriter &texts(const std::string &key, const std::vector<std::string> &values) {
    std::string all = raw<uint32_t>(8) + raw<uint64_t>(values.size());
    for (const std::string &value : values)
      all += string(value);
    return entry(key, 9, all);
  }
  template <typename T>
  GgufWriter &numbers(const std::string &key, uint32_t type, const std::vector<T> &values) {
    std::string all = raw(type) + raw<uint64_t>(values.size());
    for (T value : values)
      all += raw(value);
    return entry(key, 9, all);
  }
  GgufWriter &drop(const std::string &key) {
    entries.erase(key);
    return *this;
  }
  std::string bytes() const {
    std::string all = "GGUF" + raw<uint32_t>(3) + raw<uint64_t>(0) + raw<uint64_t>(entries.size());
    for (const auto &[key, value] : entries)
      all += string(key) + value;
    return all + std::string(64 - all.size() % 32, '\0');
  }

private:
  template <typename T> static std::string raw(T value) {
    return {reinterpret_cast<const char *>(&value), sizeof value};
  }
  static std::string string(const std::string &value) { return raw<uint64_t>(value.size()) + value; }
  GgufWriter &entry(const std::string &key, uint32_t type, const std::string &value) {
    entries[key] = raw(type) + value;
    return *this;
  }
  std::map<std::string, std::string> entries;
};

/// The pieces of spmPieces(more) under the keys of a GGUF file; "llama" has scores, "gemma4" gets its merges
/// later.
inline GgufWriter ggufTokenizer(const std::string &model, const std::vector<SpmPiece> &more) {
  GgufWriter gguf;
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (const SpmPiece &piece : spmPieces(more)) {
    tokens.push_back(piece.text);
    scores.push_back(piece.score);
    types.push_back(piece.type);
  }
  gguf.text("general.architecture", "gemma3").text("tokenizer.ggml.model", model);
  gguf.texts("tokenizer.ggml.tokens", tokens).numbers("tokenizer.ggml.token_type", 5, types);
  gguf.boolean("tokenizer.ggml.add_space_prefix", false).u32("tokenizer.ggml.bos_token_id", 2);
  if (model == "llama")
    gguf.numbers("tokenizer.ggml.scores", 6, scores);
  return gguf;
}

inline llvm::Expected<TokenizerData> loadGguf(const std::string &path, int64_t vocab) {
  auto file = GgufFile::open(path);
  if (!file)
    return file.takeError();
  return loadTokenizerGguf(**file, vocab);
}
inline llvm::Expected<TokenizerData> loadGguf(const GgufWriter &gguf, int64_t vocab) {
  TempDirectory directory;
  return loadGguf(directory.write("x.gguf", gguf.bytes()), vocab);
}

} // namespace gemmac::test
