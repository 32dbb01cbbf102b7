// tokenizer.json of the Gemma models (gemma4.md section 6): BPE with byte fallback on text whose spaces
// became U+2581. Everything that would change the ids - another model, normalizer or pre-tokenizer - is
// refused by name.
#include "frontend/TokenizerParts.h"

#include <algorithm>

using namespace gemmac;

namespace {

constexpr llvm::StringLiteral space = "\xE2\x96\x81"; // U+2581
constexpr JsonLimits tokenizerLimits = {256u << 20, 32u << 20, 64};

class TokenizerReader {
public:
  TokenizerReader(const JsonDocument &document, int64_t vocab)
      : check(document.file()), root(document.root(), "", "", check),
        model(JsonValue::makeObject({}), "", "", check), vocab(vocab) {}

  llvm::Expected<TokenizerData> read();

private:
  void readModel();
  void readNormalizer();
  void readPreTokenizer();
  void readVocabulary();
  void readMerges();
  void readAddedTokens();
  void readAddedToken(const JsonValue &entry, const std::string &place);
  void readByteTokens();
  void findNamedTokens();

  void addPiece(llvm::StringRef piece, int64_t id, const llvm::Twine &place);
  bool splitMerge(const JsonValue &merge, llvm::StringRef &left, llvm::StringRef &right) const;
  int32_t idOf(llvm::StringRef piece) const { return ids.find(piece); }

  InputCheck check;
  JsonObject root, model;
  int64_t vocab;
  TokenizerData data;
  PieceIndex ids; ///< of pieces in the document
};

/// The shared tokenizer of the Gemma 3 sizes has one token more than the text-only sizes have rows; they
/// never see it.
bool beyondTextModel(llvm::StringRef piece, int64_t id, int64_t vocab) {
  return piece == "<image_soft_token>" && id == vocab;
}

void TokenizerReader::readModel() {
  if (check.failed())
    return;
  model = root.object("model");
  if (check.failed())
    return;
  if (model.string("type", "\"BPE\"") != "BPE")
    model.mismatch("type", "\"BPE\", the tokenizer of the Gemma models");
  if (!model.booleanOr("byte_fallback", false))
    model.mismatch("byte_fallback", "true: characters outside of the vocabulary become <0xHH> tokens");
  if (model.booleanOr("ignore_merges", false))
    model.mismatch("ignore_merges", "false");
  if (model.numberOr("dropout", 0, {0, 1}) != 0)
    model.mismatch("dropout", "null: encoding must be deterministic");
  for (llvm::StringRef affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.stringOr(affix, "").empty())
      model.mismatch(affix, "null");
}

/// {"type": "Replace", "pattern": {"String": " "}, "content": "U+2581"}, also alone inside of a Sequence.
void TokenizerReader::readNormalizer() {
  JsonObject normalizer = root.object("normalizer");
  if (check.failed())
    return;
  if (normalizer.stringOr("type", "") == "Sequence") {
    llvm::ArrayRef<JsonValue> parts = normalizer.array("normalizers");
    if (parts.size() != 1)
      return normalizer.mismatch("normalizers", "exactly one: Replace of \" \" by U+2581");
    normalizer = JsonObject(parts.front(), "normalizer.normalizers[0]", "normalizer.normalizers[0].", check);
  }
  if (normalizer.string("type", "\"Replace\"") != "Replace")
    return normalizer.mismatch("type", "\"Replace\" (of \" \" by U+2581)");
  JsonObject pattern = normalizer.object("pattern");
  if (pattern.string("String") != " ")
    pattern.mismatch("String", "\" \"");
  if (normalizer.string("content") != space)
    normalizer.mismatch("content", "U+2581, which stands for a space");
}

/// A split at spaces does nothing once the normalizer has replaced them; any other pre-tokenizer would cut
/// words.
void TokenizerReader::readPreTokenizer() {
  if (!root.has("pre_tokenizer"))
    return;
  JsonObject splitter = root.object("pre_tokenizer");
  if (splitter.string("type", "\"Split\"") != "Split")
    return splitter.mismatch("type", "null or \"Split\" at \" \"");
  JsonObject pattern = splitter.object("pattern");
  if (pattern.string("String") != " ")
    pattern.mismatch("String", "\" \"");
}

void TokenizerReader::addPiece(llvm::StringRef piece, int64_t id, const llvm::Twine &place) {
  if (id < 0 || id >= vocab)
    return check.fail(place.str(), "id " + llvm::Twine(id) + ", expected ids from 0 to " +
                                       llvm::Twine(vocab - 1) + " (vocab_size of config.json)");
  std::string &slot = data.pieces[static_cast<size_t>(id)];
  if (!slot.empty())
    return check.fail(place.str(),
                      "duplicate id " + llvm::Twine(id) + ", which \"" + slot + "\" has already");
  slot = piece.str();
  ids.insert(piece, static_cast<int32_t>(id));
}

void TokenizerReader::readVocabulary() {
  JsonObject table = model.object("vocab");
  if (check.failed())
    return;
  llvm::ArrayRef<JsonMember> entries = model.find("vocab")->members();
  data.pieces.resize(static_cast<size_t>(vocab));
  ids.reserve(entries.size());
  for (const JsonMember &entry : entries) {
    std::optional<int64_t> id = entry.value.asInteger();
    if (entry.key.empty())
      check.fail("model.vocab", "an empty piece");
    else if (!id)
      table.mismatch(entry.key, "an id");
    else if (!beyondTextModel(entry.key, *id, vocab))
      addPiece(entry.key, *id, "model.vocab." + entry.key);
    if (check.failed())
      return;
  }
}

/// ["a", "b"], or the older "a b".
bool TokenizerReader::splitMerge(const JsonValue &merge, llvm::StringRef &left,
                                 llvm::StringRef &right) const {
  if (std::optional<llvm::StringRef> text = merge.asString()) {
    std::tie(left, right) = text->split(' ');
    return !left.empty() && !right.empty() && right.find(' ') == llvm::StringRef::npos;
  }
  llvm::ArrayRef<JsonValue> pair = merge.elements();
  if (pair.size() != 2 || !pair[0].asString() || !pair[1].asString())
    return false;
  left = *pair[0].asString();
  right = *pair[1].asString();
  return true;
}

void TokenizerReader::readMerges() {
  llvm::ArrayRef<JsonValue> merges = model.array("merges", "an array of merges");
  if (check.failed())
    return;
  MergeList list(ids, check, "model.merges", merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    llvm::StringRef left, right;
    if (!splitMerge(merges[i], left, right))
      return check.fail("model.merges[" + std::to_string(i) + "]",
                        "found " + merges[i].describe() + ", expected a pair of pieces");
    if (!list.add(left, right))
      return;
  }
  data.merges = list.take();
}

void TokenizerReader::readAddedToken(const JsonValue &entry, const std::string &place) {
  JsonObject token(entry, place, place + ".", check);
  if (check.failed())
    return;
  std::optional<int64_t> id;
  if (const JsonValue *value = token.find("id"))
    id = value->asInteger();
  llvm::StringRef content = token.string("content");
  if (!id)
    return token.mismatch("id", "a token id");
  if (content.empty())
    return token.mismatch("content", "the text of the token");
  if (beyondTextModel(content, *id, vocab))
    return;
  for (llvm::StringRef flag : {"lstrip", "rstrip", "single_word"})
    if (token.booleanOr(flag, false))
      return token.mismatch(flag, "false: special tokens are matched literally");
  if (token.booleanOr("normalized", false) && (content.contains(' ') || content.contains(space)))
    return token.mismatch("normalized", "false for a token with spaces");
  int32_t known = idOf(content);
  if (known < 0)
    addPiece(content, *id, token.at("id"));
  else if (known != *id)
    token.mismatch("id", llvm::Twine(known) + ", which \"" + content + "\" has in model.vocab");
  data.special.push_back(static_cast<int32_t>(*id));
}

void TokenizerReader::readAddedTokens() {
  if (!root.has("added_tokens"))
    return;
  llvm::ArrayRef<JsonValue> tokens = root.array("added_tokens");
  for (size_t i = 0; i < tokens.size() && !check.failed(); ++i)
    readAddedToken(tokens[i], "added_tokens[" + std::to_string(i) + "]");
  std::sort(data.special.begin(), data.special.end());
  data.special.erase(std::unique(data.special.begin(), data.special.end()), data.special.end());
}

void TokenizerReader::readByteTokens() {
  findByteTokens(ids, data.byteIds, check, "model.vocab", "because byte_fallback is true");
}

void TokenizerReader::findNamedTokens() {
  data.bos = idOf("<bos>");
  data.eos = idOf("<eos>");
  data.pad = idOf("<pad>");
  data.unk = idOf(model.stringOr("unk_token", "<unk>"));
  if (data.bos < 0)
    check.fail("model.vocab", "no <bos> token, expected one: every text of these models begins with it");
}

llvm::Expected<TokenizerData> TokenizerReader::read() {
  using Step = void (TokenizerReader::*)();
  data.byteIds.fill(-1);
  for (Step step :
       {&TokenizerReader::readModel, &TokenizerReader::readNormalizer, &TokenizerReader::readPreTokenizer,
        &TokenizerReader::readVocabulary, &TokenizerReader::readMerges, &TokenizerReader::readAddedTokens,
        &TokenizerReader::readByteTokens, &TokenizerReader::findNamedTokens}) {
    (this->*step)();
    if (check.failed())
      return check.take();
  }
  return std::move(data);
}

} // namespace

llvm::Expected<TokenizerData> gemmac::loadTokenizerJson(llvm::StringRef path, int64_t vocab) {
  llvm::Expected<JsonDocument> document = JsonDocument::read(path, tokenizerLimits);
  if (!document)
    return document.takeError();
  return TokenizerReader(*document, vocab).read();
}
