// SentencePiece's algorithm as its authors describe it, written plainly (every step looks at every pair),
// against the table of merges and the queue that stand in for it: random vocabularies with many ties and
// user-defined pieces.
#include "TokenizerTest.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

#include <random>

using namespace gemmac;
using namespace gemmac::test;

namespace {

using Ids = std::vector<int32_t>;
const std::string under = "\xE2\x96\x81";

class Reference {
public:
  explicit Reference(const std::vector<SpmPiece> &pieces) : pieces(pieces) {}

  Ids encode(const std::string &text) const {
    std::vector<Symbol> symbols = split(text);
    for (size_t best; (best = bestPair(symbols)) != none;) {
      symbols[best].text += symbols[best + 1].text;
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
    Ids ids;
    for (const Symbol &symbol : symbols) {
      int32_t id = find(symbol.text);
      if (id >= 0)
        ids.push_back(id);
      else
        for (char byte : symbol.text)
          ids.push_back(4 + static_cast<unsigned char>(byte));
    }
    return ids;
  }

private:
  struct Symbol {
    std::string text;
    bool frozen;
  };
  static constexpr size_t none = static_cast<size_t>(-1);

  int32_t find(const std::string &text) const {
    for (size_t id = 0; id < pieces.size(); ++id)
      if (pieces[id].text == text)
        return static_cast<int32_t>(id);
    return -1;
  }

  /// The longest user-defined piece at each place, else one character.
  std::vector<Symbol> split(const std::string &text) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size();) {
      Symbol symbol = {"", true};
      for (const SpmPiece &piece : pieces)
        if (piece.type == 4 && piece.text.size() > symbol.text.size() &&
            text.compare(at, piece.text.size(), piece.text) == 0)
          symbol.text = piece.text;
      if (symbol.text.empty()) {
        size_t end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
          ++end;
        symbol = {text.substr(at, end - at), false};
      }
      at += symbol.text.size();
      symbols.push_back(symbol);
    }
    return symbols;
  }

  size_t bestPair(const std::vector<Symbol> &symbols) const {
    size_t best = none;
    float score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      if (symbols[i].frozen || symbols[i + 1].frozen)
        continue;
      int32_t id = find(symbols[i].text + symbols[i + 1].text);
      if (id < 0 || (best != none && pieces[static_cast<size_t>(id)].score <= score))
        continue;
      best = i;
      score = pieces[static_cast<size_t>(id)].score;
    }
    return best;
  }

  const std::vector<SpmPiece> &pieces;
};

} // namespace

TEST(TokenizerReference, RandomModelsEqualThePlainAlgorithm) {
  const std::vector<std::string> letters = {"a", "b", under, "\xE4\xB8\xAD", "\n"};
  std::mt19937 random(1);
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  size_t compared = 0;
  for (int round = 0; round < 200; ++round) {
    size_t used = 2 + below(letters.size() - 1), scores = std::vector<size_t>{1, 3, 1000}[below(3)];
    auto score = [&] { return -static_cast<float>(below(scores)); };
    std::vector<SpmPiece> more;
    for (size_t i = 0; i < used; ++i)
      more.push_back({letters[i], -2000, below(8) ? 1 : 4});
    for (size_t i = 0; i < 30; ++i) {
      std::string word;
      for (size_t n = 2 + below(4); n > 0; --n)
        word += letters[below(used)];
      bool known = false;
      for (const SpmPiece &piece : more)
        known |= piece.text == word;
      if (!known)
        more.push_back({word, score(), below(6) ? 1 : 4});
    }
    SpmModel model;
    model.pieces = spmPieces(more);
    auto data = loadModel(model.bytes());
    ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
    std::string blob = tokenizerBlob(*data);
    const rt::Tokenizer tokenizer(blob);
    const Reference reference(model.pieces);
    for (int i = 0; i < 40; ++i, ++compared) {
      std::string text;
      for (size_t n = 1 + below(30); n > 0; --n)
        text += below(20) ? letters[below(used)] : "\xC3\xA9";
      ASSERT_EQ(tokenizer.encode(text), reference.encode(text)) << "round " << round << ": " << text;
    }
  }
  EXPECT_EQ(compared, 8000u);
}
