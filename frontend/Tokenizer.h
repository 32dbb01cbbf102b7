// A tokenizer as data, independent of the file format it came from. gemmac writes it into the executable in
// the form of runtime/TokenizerBlob.h; the executable maps that and needs no start-up work.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gemmac {

class GgufFile;

/// gemma4.md section 6: BPE with byte fallback over the whole text between special tokens.
struct TokenizerData {
  std::vector<std::string> pieces; ///< by id; UTF-8; spaces are U+2581 as stored
  struct Merge {
    int32_t left, right, result;
  };
  std::vector<Merge> merges; ///< by rank, lowest first
  std::vector<int32_t>
      ranks; ///< of the merges, where some are equal (then the leftmost goes first); else empty
  std::vector<int32_t> special;       ///< ids matched literally in text before anything else
  bool spacesFirst = false;           ///< spaces become U+2581 before specials are matched, not after
  std::array<int32_t, 256> byteIds{}; ///< id of <0xHH>, -1 where there is none
  int32_t bos = -1, eos = -1, unk = -1, pad = -1;
};

/// Reads and checks tokenizer.json; `vocab` is the model's vocabulary size, which every id must respect.
llvm::Expected<TokenizerData> loadTokenizerJson(llvm::StringRef path, int64_t vocab);
/// The same of tokenizer.model, a SentencePiece model (BPE by scores): encodes as SentencePiece does, and
/// matches control pieces in text besides.
llvm::Expected<TokenizerData> loadTokenizerModel(llvm::StringRef path, int64_t vocab);
/// The same of a GGUF file's metadata: tokenizer.ggml.model "gemma4" (merges) or "llama" (scores). `vocab` is
/// the number of rows of token_embd.weight, to which the list of tokens must be equal.
llvm::Expected<TokenizerData> loadTokenizerGguf(const GgufFile &file, int64_t vocab);

} // namespace gemmac
