// The frontend's tokenizer as the section of an executable: field by field into what runtime/TokenizerBlob.h
// writes.
#pragma once

#include "frontend/Tokenizer.h"
#include "runtime/TokenizerBlob.h"

namespace gemmac {

inline std::string tokenizerBlob(const TokenizerData &data) {
  TokenizerBlobInput input;
  input.pieces = data.pieces;
  input.merges.reserve(data.merges.size());
  for (const TokenizerData::Merge &merge : data.merges)
    input.merges.push_back({merge.left, merge.right, merge.result});
  input.ranks = data.ranks;
  input.special = data.special;
  input.spacesFirst = data.spacesFirst;
  input.byteIds = data.byteIds;
  input.bos = data.bos;
  input.eos = data.eos;
  input.unk = data.unk;
  input.pad = data.pad;
  return writeTokenizerBlob(input);
}

} // namespace gemmac
