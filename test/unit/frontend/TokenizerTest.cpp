// tokenizer.json: what it becomes, both spellings of merges, and one message for each thing that would change
// the ids.
#include "frontend/Tokenizer.h"

#include "TestFiles.h"

#include <chrono>

using namespace gemmac;
using namespace gemmac::test;

static llvm::Expected<TokenizerData> load(const Json &json, int64_t vocab = 272) {
  TempDirectory directory;
  return loadTokenizerJson(directory.write("tokenizer.json", json.dump()), vocab);
}
template <typename Change> static std::string problemWith(Change change) {
  Json json = microTokenizer();
  change(json);
  std::string text = message(load(json));
  size_t name = text.find("tokenizer.json: ");
  return name == std::string::npos ? text : text.substr(name + 16);
}

TEST(Tokenizer, ReadsPiecesMergesAndSpecials) {
  auto data = load(microTokenizer(), 300);
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  ASSERT_EQ(data->pieces.size(), 300u); // padded to the model's vocabulary
  EXPECT_EQ(data->pieces[268], "hello");
  EXPECT_EQ(data->pieces[264], "\xE2\x96\x81");
  EXPECT_EQ(data->pieces[299], "");
  ASSERT_EQ(data->merges.size(), 4u);
  EXPECT_EQ(data->merges[0].left, 260);
  EXPECT_EQ(data->merges[0].right, 261);
  EXPECT_EQ(data->merges[0].result, 265);
  EXPECT_EQ(data->merges[3].result, 268);
  EXPECT_EQ(data->special, (std::vector<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(data->byteIds[0], 4);
  EXPECT_EQ(data->byteIds[255], 259);
  EXPECT_EQ(data->bos, 2);
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->unk, 3);
  EXPECT_EQ(data->pad, 0);
}

TEST(Tokenizer, ReadsMergesAsText) {
  Json json = microTokenizer();
  json["model"]["merges"] = {"h e", "l l", "he ll", "hell o"};
  auto data = load(json);
  ASSERT_TRUE(static_cast<bool>(data));
  EXPECT_EQ(data->merges[3].left, 267);
  for (const char *bad : {"h", "h  e", "h e l", " e", "h "}) {
    json["model"]["merges"] = {bad};
    EXPECT_TRUE(contains(message(load(json)), "model.merges[0]: found ")) << bad;
  }
}

TEST(Tokenizer, ARepeatedMergeHasItsLastRank) {
  Json json = microTokenizer();
  json["model"]["merges"].push_back({"h", "e"});
  auto data = load(json);
  ASSERT_TRUE(static_cast<bool>(data));
  ASSERT_EQ(data->merges.size(), 4u);
  EXPECT_EQ(data->merges[0].left, 262);
  EXPECT_EQ(data->merges[3].result, 265);
}

TEST(Tokenizer, AddedTokensMayExtendTheVocabulary) {
  Json json = microTokenizer();
  json["added_tokens"].push_back({{"id", 280}, {"content", "<|video|>"}, {"special", false}});
  auto data = load(json, 300);
  ASSERT_TRUE(static_cast<bool>(data));
  EXPECT_EQ(data->pieces[280], "<|video|>");
  EXPECT_EQ(data->special, (std::vector<int32_t>{0, 1, 2, 3, 280}));
  EXPECT_TRUE(contains(message(load(json, 272)), "id 280, expected ids from 0 to 271"));
  json["added_tokens"].back()["id"] = 5;
  EXPECT_TRUE(
      contains(message(load(json, 300)), "added_tokens[4].id: duplicate id 5, which \"<0x01>\" has already"));
}

TEST(Tokenizer, TextOnlyGemma3HasNoRowForTheImageToken) {
  Json json = microTokenizer();
  json["added_tokens"].push_back({{"id", 272}, {"content", "<image_soft_token>"}, {"special", true}});
  auto data = load(json);
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->special.size(), 4u);
}

TEST(Tokenizer, RefusesBadVocabularies) {
  auto vocab = [](const char *piece, Json id) {
    return problemWith([&](Json &json) { json["model"]["vocab"][piece] = id; });
  };
  EXPECT_EQ(vocab("he", 5), "model.vocab.he: duplicate id 5, which \"<0x01>\" has already");
  EXPECT_EQ(vocab("he", 272),
            "model.vocab.he: id 272, expected ids from 0 to 271 (vocab_size of config.json)");
  EXPECT_TRUE(contains(vocab("he", -1), "model.vocab.he: id -1, expected ids"));
  EXPECT_EQ(vocab("he", 1.5), "model.vocab.he: found 1.5, expected an id");
  EXPECT_EQ(vocab("", 271), "model.vocab: an empty piece");
  EXPECT_EQ(problemWith([](Json &json) { json["model"]["vocab"] = Json::array(); }),
            "model.vocab: found an array of 0, expected an object");
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["vocab"].erase("<0x7F>"); }),
                       "byte token <0x7F> is missing"));
  EXPECT_TRUE(contains(problemWith([](Json &json) {
                         json["model"]["vocab"].erase("<bos>");
                         json["added_tokens"].erase(2);
                       }),
                       "no <bos> token"));
}

TEST(Tokenizer, RefusesBadMerges) {
  auto merge = [](Json bad) {
    return problemWith([&](Json &json) { json["model"]["merges"].push_back(bad); });
  };
  EXPECT_EQ(merge({"x", "q"}), "model.merges[4]: merge of \"x\" and \"q\": \"q\" is not in the vocabulary");
  EXPECT_EQ(merge({"x", "y"}), "model.merges[4]: merge of \"x\" and \"y\": \"xy\" is not in the vocabulary");
  EXPECT_EQ(merge({"h", "e", "l"}), "model.merges[4]: found an array of 3, expected a pair of pieces");
  EXPECT_EQ(merge({"h", 1}), "model.merges[4]: found an array of 2, expected a pair of pieces");
  EXPECT_EQ(merge(nullptr), "model.merges[4]: found null, expected a pair of pieces");
  EXPECT_TRUE(
      contains(problemWith([](Json &json) { json["model"].erase("merges"); }), "model.merges: missing"));
}

TEST(Tokenizer, RefusesOtherKinds) {
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["type"] = "WordPiece"; }),
                       "model.type: found \"WordPiece\", expected \"BPE\""));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["byte_fallback"] = false; }),
                       "model.byte_fallback: found false"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["ignore_merges"] = true; }),
                       "model.ignore_merges"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["dropout"] = 0.1; }), "model.dropout"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["model"]["end_of_word_suffix"] = "</w>"; }),
                       "model.end_of_word_suffix"));
  EXPECT_TRUE(
      contains(problemWith([](Json &json) { json["normalizer"] = nullptr; }), "normalizer: found null"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["normalizer"]["type"] = "NFKC"; }),
                       "normalizer.type: found \"NFKC\""));
  EXPECT_TRUE(
      contains(problemWith([](Json &json) { json["normalizer"]["content"] = "_"; }), "normalizer.content"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["pre_tokenizer"]["type"] = "ByteLevel"; }),
                       "pre_tokenizer.type: found \"ByteLevel\""));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["added_tokens"][0]["lstrip"] = true; }),
                       "added_tokens[0].lstrip: found true"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["added_tokens"][0]["id"] = 9; }),
                       "added_tokens[0].id: found 9, expected 0, which \"<pad>\" has in model.vocab"));
  EXPECT_TRUE(contains(problemWith([](Json &json) { json["added_tokens"] = 3; }), "added_tokens: found 3"));
}

TEST(Tokenizer, ReadsANormalizerInASequenceAndNoPreTokenizer) {
  Json json = microTokenizer();
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {json["normalizer"]}}};
  json["pre_tokenizer"] = nullptr;
  EXPECT_EQ(message(load(json)), "");
  json["normalizer"]["normalizers"].push_back({{"type", "NFC"}});
  EXPECT_TRUE(contains(message(load(json)), "normalizer.normalizers: found an array of 2"));
}

/// The released size: 262,144 pieces and 514,906 merges have to load in well under 1.5 s.
TEST(Tokenizer, LoadsAFullVocabularyQuickly) {
  const int vocab = 262144;
  Json json = microTokenizer();
  std::string text = json.dump(), pieces, merges;
  std::vector<std::string> names;
  for (int i = 0; i < vocab - 272; ++i) { // "A0".."Z9" pairs: every prefix of a name is a name
    std::string name;
    for (int rest = i + 1; rest > 0; rest = (rest - 1) / 26)
      name.insert(name.begin(), static_cast<char>('A' + (rest - 1) % 26));
    pieces += ",\"" + name + "\":" + std::to_string(272 + i);
    names.push_back(std::move(name));
  }
  int count = 0;
  for (size_t cut = 1; cut <= 4 && count < 514906; ++cut)
    for (size_t i = 0; i < names.size() && count < 514906; ++i)
      if (names[i].size() > cut) {
        merges += ",[\"" + names[i].substr(0, cut) + "\",\"" + names[i].substr(cut) + "\"]";
        ++count;
      }
  text.insert(text.find("},\"merges\":"), pieces);
  text.insert(text.rfind("]]") + 1, merges);
  TempDirectory directory;
  std::string path = directory.write("tokenizer.json", text);
  auto start = std::chrono::steady_clock::now();
  auto data = loadTokenizerJson(path, vocab);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->merges.size(), static_cast<size_t>(4 + count));
  EXPECT_EQ(count, 514906);
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 60.0); // 0.8 s on a busy machine; leaves room for sanitizers, not for quadratic work
}
