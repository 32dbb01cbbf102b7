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

/// gemma4.md section 6: BPE with byte fallback over the whole text between special tokens.
struct TokenizerData {
  std::vector<std::string> pieces; ///< by id; UTF-8; spaces are U+2581 as stored
  struct Merge {
    int32_t left, right, result;
  };
  std::vector<Merge> merges;          ///< by rank, lowest first
  std::vector<int32_t> special;       ///< ids matched literally in text before anything else
  std::array<int32_t, 256> byteIds{}; ///< id of <0xHH>, -1 where there is none
  int32_t bos = -1, eos = -1, unk = -1, pad = -1;
};

class GgufFile;
/// The tokenizer in a GGUF file's metadata, checked alike.
llvm::Expected<TokenizerData> loadTokenizerGguf(const GgufFile &gguf, int64_t vocab);

/// Reads and checks tokenizer.json; `vocab` is the model's vocabulary size, which every id must respect.
llvm::Expected<TokenizerData> loadTokenizerJson(llvm::StringRef path, int64_t vocab);

} // namespace gemmac
