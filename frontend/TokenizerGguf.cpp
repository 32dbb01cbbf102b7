// The tokenizer in a GGUF file's metadata (gemma4.md 3.3 and 10): "gemma4" lists its merges, "llama" (Gemma
// 3) has scores, of which the merges are rebuilt as transformers' converter does, so that a GGUF file encodes
// as the checkpoint it was made of. Keys that are absent have llama.cpp's defaults.
#include "frontend/GgufFile.h"
#include "frontend/TokenizerParts.h"

#include "llvm/Support/ConvertUTF.h"

#include <cmath>

using namespace gemmac;

namespace {

class GgufReader {
public:
  GgufReader(const GgufFile &file, int64_t vocab) : check(file.path()), keys(file, check), vocab(vocab) {}
  llvm::Expected<TokenizerData> read();

private:
  void readSettings();
  void readTokens();
  void readToken(size_t id);
  void readTypes();
  void readMerges();
  void readScores();
  void readIds();
  void chooseSpecials();
  int32_t namedId(llvm::StringRef key, llvm::StringRef piece, int32_t absent);

  static std::string key(llvm::StringRef name) { return ("tokenizer.ggml." + name).str(); }

  InputCheck check;
  GgufMetadata keys;
  int64_t vocab;
  bool byScore = false;
  TokenizerData data;
  PieceIndex index;
  std::vector<llvm::StringRef> tokens;
  std::vector<uint8_t> types;
};

void GgufReader::readSettings() {
  llvm::StringRef model = keys.string(key("model"));
  if (check.failed())
    return;
  byScore = model == "llama";
  if (!byScore && model != "gemma4")
    return check.fail(key("model"),
                      "found \"" + model +
                          "\", expected \"gemma4\" or \"llama\", the tokenizers of the Gemma models");
  // llama.cpp looks at the prefix of SentencePiece vocabularies only, and there assumes it where nothing is
  // said.
  bool prefix = keys.booleanOr(key("add_space_prefix"), byScore);
  if (prefix && byScore)
    check.fail(key("add_space_prefix"),
               llvm::Twine(keys.has(key("add_space_prefix")) ? "found true" : "missing, which means true") +
                   ", expected false: no space is put in front of a text");
  keys.booleanOr(key("add_bos_token"), true); // <bos> is put in front of every text whatever this says
  if (keys.booleanOr(key("add_eos_token"), false))
    check.fail(key("add_eos_token"), "found true, expected false: a prompt does not end with <eos>");
  if (keys.booleanOr(key("remove_extra_whitespaces"), false))
    check.fail(key("remove_extra_whitespaces"), "found true, expected false: every space of a text counts");
  if (keys.has(key("precompiled_charsmap")))
    check.fail(key("precompiled_charsmap"), "found a normaliser map, expected none: the identity");
}

void GgufReader::readToken(size_t id) {
  llvm::StringRef token = tokens[id];
  std::string place = key("tokens") + "[" + std::to_string(id) + "]";
  if (token.empty())
    return check.fail(place, "an empty piece");
  if (byScore && token.size() > maxScoredPieceBytes)
    return check.fail(place, "found a piece of " + llvm::Twine(token.size()) + " bytes, expected at most " +
                                 llvm::Twine(maxScoredPieceBytes));
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(token.begin());
  if (!llvm::isLegalUTF8String(&begin, reinterpret_cast<const llvm::UTF8 *>(token.end())))
    return check.fail(place, "found \"" + token + "\", expected valid UTF-8");
  if (int32_t other = index.insert(token, static_cast<int32_t>(id)); other >= 0)
    check.fail(place, "duplicate piece \"" + token + "\", which is id " + llvm::Twine(other) + " already");
}

void GgufReader::readTokens() {
  tokens = keys.stringArray(key("tokens"));
  if (check.failed())
    return;
  if (static_cast<int64_t>(tokens.size()) != vocab)
    return check.fail(key("tokens"), "found " + llvm::Twine(tokens.size()) + " tokens, expected " +
                                         llvm::Twine(vocab) + ", the rows of token_embd.weight");
  index.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size() && !check.failed(); ++id)
    readToken(id);
  if (check.failed())
    return;
  data.pieces.reserve(tokens.size());
  for (llvm::StringRef token : tokens)
    data.pieces.push_back(token.str());
  findByteTokens(index, data.byteIds, check, key("tokens"),
                 "because characters outside of the vocabulary are written in bytes");
}

/// One type for each token; 0 is "undefined" and means normal, as does the absence of the whole list.
void GgufReader::readTypes() {
  types.assign(tokens.size(), static_cast<uint8_t>(PieceType::Normal));
  if (!keys.has(key("token_type")))
    return;
  std::vector<int64_t> found = keys.integerArray(key("token_type"), 0, 6);
  if (check.failed())
    return;
  if (found.size() != tokens.size())
    return check.fail(key("token_type"), "found " + llvm::Twine(found.size()) + " types, expected " +
                                             llvm::Twine(tokens.size()) + ", one for each token");
  for (size_t id = 0; id < types.size(); ++id)
    if (found[id] != 0)
      types[id] = static_cast<uint8_t>(found[id]);
}

/// "left right"; a piece may begin with a space, but holds none otherwise.
void GgufReader::readMerges() {
  if (byScore)
    return readScores();
  std::vector<llvm::StringRef> list = keys.stringArray(key("merges"));
  if (check.failed())
    return;
  MergeList merges(index, check, key("merges"), list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    size_t cut = list[i].find(' ', 1);
    if (cut == llvm::StringRef::npos || cut + 1 == list[i].size())
      return check.fail(key("merges") + "[" + std::to_string(i) + "]",
                        "found \"" + list[i] + "\", expected two pieces with a space between them");
    if (!merges.add(list[i].take_front(cut), list[i].drop_front(cut + 1)))
      return;
  }
  data.merges = merges.take();
}

void GgufReader::readScores() {
  std::vector<float> scores = keys.floatArray(key("scores"));
  if (check.failed())
    return;
  if (scores.size() != tokens.size())
    return check.fail(key("scores"), "found " + llvm::Twine(scores.size()) + " scores, expected " +
                                         llvm::Twine(tokens.size()) + ", one for each token");
  for (size_t id = 0; id < scores.size(); ++id)
    if (!std::isfinite(scores[id]))
      return check.fail(key("scores") + "[" + std::to_string(id) + "]",
                        llvm::Twine(std::isnan(scores[id]) ? "found NaN" : "found an infinity") +
                            ", expected a finite number");
  mergesAsConverted({tokens, types, scores, index}, data, check, key("tokens"));
}

/// The id under `name`; where that is absent the one that the Gemma models' piece has, else llama.cpp's
/// default.
int32_t GgufReader::namedId(llvm::StringRef name, llvm::StringRef piece, int32_t absent) {
  if (keys.has(key(name)))
    return static_cast<int32_t>(keys.integer(key(name), 0, vocab - 1));
  int32_t id = index.find(piece);
  return id >= 0 ? id : byScore && absent < vocab ? absent : -1;
}

void GgufReader::readIds() {
  data.bos = namedId("bos_token_id", "<bos>", 1);
  data.eos = namedId("eos_token_id", "<eos>", 2);
  data.unk = namedId("unknown_token_id", "<unk>", 0);
  data.pad = namedId("padding_token_id", "<pad>", -1);
  if (data.bos < 0)
    check.fail(key("bos_token_id"),
               "missing, and no token is <bos>; every text of these models begins with it");
}

/// Control tokens, and of the user-defined ones the marks of the chat format. The others (runs of white
/// space, HTML) are left to the merges, as in the checkpoint that the converter writes.
void GgufReader::chooseSpecials() {
  bool typed = keys.has(key("token_type"));
  for (size_t id = 0; id < tokens.size(); ++id) {
    auto type = static_cast<PieceType>(types[id]);
    llvm::StringRef token = tokens[id];
    bool mark = token.starts_with("<|") || token.ends_with("|>");
    // Without types the marks are told by their look, which ordinary pieces of two characters share.
    bool looks = mark && token.starts_with("<") && token.ends_with(">") && token.size() > 3;
    if (type == PieceType::Control || (type == PieceType::UserDefined && mark) || (!typed && looks))
      data.special.push_back(static_cast<int32_t>(id));
  }
  for (int32_t id : {data.bos, data.eos, data.pad, data.unk})
    if (!typed && id >= 0 && std::find(data.special.begin(), data.special.end(), id) == data.special.end())
      data.special.push_back(id);
}

llvm::Expected<TokenizerData> GgufReader::read() {
  using Step = void (GgufReader::*)();
  data.byteIds.fill(-1);
  for (Step step : {&GgufReader::readSettings, &GgufReader::readTokens, &GgufReader::readTypes,
                    &GgufReader::readMerges, &GgufReader::readIds, &GgufReader::chooseSpecials}) {
    (this->*step)();
    if (check.failed())
      return check.take();
  }
  return std::move(data);
}

} // namespace

llvm::Expected<TokenizerData> gemmac::loadTokenizerGguf(const GgufFile &file, int64_t vocab) {
  return GgufReader(file, vocab).read();
}
