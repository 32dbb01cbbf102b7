// What the readers of tokenizers (JSON, SentencePiece, GGUF) have in common: the index of pieces, merges with
// their ranks, byte tokens. Everything wrong goes into the caller's InputCheck under the name of the field it
// came from.
#pragma once

#include "frontend/Json.h"
#include "frontend/Tokenizer.h"

#include "llvm/ADT/DenseMap.h"

namespace gemmac {

/// Types of pieces: SentencePiece's numbers, which GGUF shares.
enum class PieceType : uint8_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

/// The longest piece of the published vocabularies has 93 bytes. Every split of a piece may be a merge, so
/// that a longer one costs quadratically.
constexpr size_t maxScoredPieceBytes = 512;
/// Four times what the published vocabulary has, for the merges that scores imply.
constexpr size_t maxScoredMerges = size_t{4} << 20;

/// Ids by piece. The pieces' bytes belong to the caller and outlive the index.
class PieceIndex {
public:
  void reserve(size_t pieces) { ids.reserve(static_cast<unsigned>(pieces)); }
  int32_t find(llvm::StringRef piece) const {
    auto at = ids.find(piece);
    return at == ids.end() ? -1 : at->second;
  }
  /// The id that has the piece already, or -1 after adding it.
  int32_t insert(llvm::StringRef piece, int32_t id) {
    auto [at, added] = ids.try_emplace(piece, id);
    return added ? -1 : at->second;
  }

private:
  llvm::DenseMap<llvm::StringRef, int32_t> ids;
};

/// Looks up the 256 pieces <0xHH>; reports the first one that is missing.
void findByteTokens(const PieceIndex &index, std::array<int32_t, 256> &byteIds, InputCheck &check,
                    llvm::StringRef field, llvm::StringRef why);

/// An explicit list of merges, by rank. A pair that comes twice has its last rank, as in the reference's
/// table.
class MergeList {
public:
  MergeList(const PieceIndex &index, InputCheck &check, llvm::StringRef field, size_t count);
  /// Adds the next merge; false (and reported) if a piece or the result is not in the vocabulary.
  bool add(llvm::StringRef left, llvm::StringRef right);
  std::vector<TokenizerData::Merge> take();

private:
  const PieceIndex &index;
  InputCheck &check;
  std::string field;
  std::vector<TokenizerData::Merge> merges;
  llvm::DenseMap<std::pair<int32_t, int32_t>, uint32_t> ranks;
  std::vector<bool> replaced;
};

/// A vocabulary whose merges follow from scores.
struct ScoredPieces {
  llvm::ArrayRef<llvm::StringRef> pieces;
  llvm::ArrayRef<uint8_t> types; ///< PieceType
  llvm::ArrayRef<float> scores;
  const PieceIndex &index;
};

/// SentencePiece's own order: of all neighbours that together are a piece the ones with the highest score
/// merge, the leftmost first. User-defined pieces are never made by merging.
void mergesByScore(const ScoredPieces &from, TokenizerData &data, InputCheck &check, llvm::StringRef field);
/// The list that transformers' converter makes of the same scores: pieces by (score, id), and of one piece
/// its splits by the order of their parts. Differs from mergesByScore() in ties, and in making user-defined
/// pieces by merging.
void mergesAsConverted(const ScoredPieces &from, TokenizerData &data, InputCheck &check,
                       llvm::StringRef field);

} // namespace gemmac
