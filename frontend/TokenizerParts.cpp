// See TokenizerParts.h. Work on scores is bounded by the bytes of the vocabulary times the length of a piece,
// and the number of merges by a fixed limit.
#include "frontend/TokenizerParts.h"

#include "llvm/ADT/SmallString.h"

#include <algorithm>
#include <numeric>

using namespace gemmac;

void gemmac::findByteTokens(const PieceIndex &index, std::array<int32_t, 256> &byteIds, InputCheck &check,
                            llvm::StringRef field, llvm::StringRef why) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    char piece[8];
    snprintf(piece, sizeof piece, "<0x%02X>", byte);
    byteIds[byte] = index.find(piece);
    if (byteIds[byte] < 0)
      return check.fail(field, llvm::Twine("byte token ") + piece + " is missing, expected all 256 " + why);
  }
}

MergeList::MergeList(const PieceIndex &index, InputCheck &check, llvm::StringRef field, size_t count)
    : index(index), check(check), field(field.str()), replaced(count) {
  merges.reserve(count);
  ranks.reserve(static_cast<unsigned>(count));
}

bool MergeList::add(llvm::StringRef left, llvm::StringRef right) {
  llvm::SmallString<128> whole(left);
  whole += right;
  TokenizerData::Merge merge = {index.find(left), index.find(right), index.find(whole)};
  for (auto [id, piece] : {std::pair(merge.left, left), {merge.right, right}, {merge.result, whole.str()}})
    if (id < 0) {
      check.fail(field + "[" + std::to_string(merges.size()) + "]", "merge of \"" + left + "\" and \"" +
                                                                        right + "\": \"" + piece +
                                                                        "\" is not in the vocabulary");
      return false;
    }
  auto [at, added] = ranks.try_emplace({merge.left, merge.right}, static_cast<uint32_t>(merges.size()));
  if (!added) {
    replaced[at->second] = true;
    at->second = static_cast<uint32_t>(merges.size());
  }
  merges.push_back(merge);
  return true;
}

std::vector<TokenizerData::Merge> MergeList::take() {
  size_t kept = 0;
  for (size_t i = 0; i < merges.size(); ++i)
    if (!replaced[i])
      merges[kept++] = merges[i];
  merges.resize(kept);
  return std::move(merges);
}

namespace {

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }
bool isCharacter(llvm::StringRef piece) {
  return !piece.empty() && std::all_of(piece.begin() + 1, piece.end(), continues);
}

/// Calls use(left, right) for every cut of `piece` between two of its characters.
template <typename Use> void forEachSplit(llvm::StringRef piece, Use use) {
  for (size_t cut = 1; cut < piece.size(); ++cut)
    if (!continues(piece[cut]))
      use(piece.take_front(cut), piece.drop_front(cut));
}

std::string quoted(llvm::StringRef piece) { return ("\"" + piece + "\"").str(); }
std::string element(llvm::StringRef field, size_t i) { return (field + "[" + llvm::Twine(i) + "]").str(); }

bool tooMany(size_t merges, InputCheck &check, llvm::StringRef field) {
  if (merges <= maxScoredMerges)
    return false;
  check.fail(field, "the scores imply more than " + llvm::Twine(maxScoredMerges) +
                        " merges, expected a vocabulary of words and their parts");
  return true;
}

/// Collects SentencePiece's merges in any order.
class ScoreMerger {
public:
  ScoreMerger(const ScoredPieces &from, TokenizerData &data, InputCheck &check, llvm::StringRef field)
      : from(from), data(data), check(check), field(field) {}

  void collect() {
    for (size_t id = 0; id < from.pieces.size() && !check.failed(); ++id)
      if (isSymbol(id))
        collectSplits(id);
  }
  void sort();

private:
  bool isSymbol(size_t id) const {
    auto type = static_cast<PieceType>(from.types[id]);
    return type == PieceType::Normal || type == PieceType::Unused;
  }
  void collectSplits(size_t id);

  const ScoredPieces &from;
  TokenizerData &data;
  InputCheck &check;
  llvm::StringRef field;
};

void ScoreMerger::collectSplits(size_t id) {
  forEachSplit(from.pieces[id], [&](llvm::StringRef left, llvm::StringRef right) {
    int32_t parts[2] = {from.index.find(left), from.index.find(right)};
    // A character outside of the vocabulary is a symbol too, until bytes take its place at the end.
    const llvm::StringRef texts[2] = {left, right};
    llvm::StringRef unknown;
    for (int i = 0; i < 2; ++i) {
      if (parts[i] < 0 && isCharacter(texts[i]))
        unknown = texts[i];
      else if (parts[i] < 0 || !isSymbol(static_cast<size_t>(parts[i])))
        return;
    }
    if (!unknown.empty())
      return check.fail(element(field, id), quoted(from.pieces[id]) + " holds the character " +
                                                quoted(unknown) + ", expected it as a piece of its own");
    if (static_cast<PieceType>(from.types[id]) == PieceType::Unused)
      return check.fail(element(field, id), "the unused piece " + quoted(from.pieces[id]) +
                                                " can be made by merging " + quoted(left) + " and " +
                                                quoted(right) + ", expected unused pieces that cannot");
    data.merges.push_back({parts[0], parts[1], static_cast<int32_t>(id)});
  });
  tooMany(data.merges.size(), check, field);
}

void ScoreMerger::sort() {
  auto score = [&](const TokenizerData::Merge &m) { return from.scores[static_cast<size_t>(m.result)]; };
  std::sort(data.merges.begin(), data.merges.end(), [&](const auto &a, const auto &b) {
    return score(a) != score(b) ? score(a) > score(b)
                                : std::pair(a.result, a.left) < std::pair(b.result, b.left);
  });
  int32_t rank = -1;
  for (size_t i = 0; i < data.merges.size(); ++i) {
    if (i == 0 || score(data.merges[i]) != score(data.merges[i - 1]))
      ++rank;
    data.ranks.push_back(rank);
  }
}

} // namespace

void gemmac::mergesByScore(const ScoredPieces &from, TokenizerData &data, InputCheck &check,
                           llvm::StringRef field) {
  ScoreMerger merger(from, data, check, field);
  merger.collect();
  if (!check.failed())
    merger.sort();
}

void gemmac::mergesAsConverted(const ScoredPieces &from, TokenizerData &data, InputCheck &check,
                               llvm::StringRef field) {
  std::vector<int32_t> order;
  for (size_t id = 0; id < from.pieces.size(); ++id) {
    auto type = static_cast<PieceType>(from.types[id]);
    if (type == PieceType::Normal || type == PieceType::UserDefined)
      order.push_back(static_cast<int32_t>(id));
  }
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    float x = from.scores[static_cast<size_t>(a)], y = from.scores[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<int32_t> ranks(from.pieces.size(), -1);
  for (size_t i = 0; i < order.size(); ++i)
    ranks[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
  auto rank = [&](int32_t id) { return ranks[static_cast<size_t>(id)]; };
  for (int32_t id : order) {
    size_t first = data.merges.size();
    forEachSplit(from.pieces[static_cast<size_t>(id)], [&](llvm::StringRef left, llvm::StringRef right) {
      int32_t l = from.index.find(left), r = from.index.find(right);
      if (l >= 0 && r >= 0 && rank(l) >= 0 && rank(r) >= 0)
        data.merges.push_back({l, r, id});
    });
    std::sort(data.merges.begin() + static_cast<ptrdiff_t>(first), data.merges.end(),
              [&](const auto &a, const auto &b) {
                return std::pair(rank(a.left), rank(a.right)) < std::pair(rank(b.left), rank(b.right));
              });
    if (tooMany(data.merges.size(), check, field))
      return;
  }
}
