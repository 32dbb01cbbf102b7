// tokenizer.model: SentencePiece's order of merges with ties, pieces that are taken out of the text first,
// and one message for each setting and each damage that would change the ids.
#include "TokenizerTest.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

#include <cmath>
#include <limits>
#include <random>

using namespace gemmac;
using namespace gemmac::test;

namespace {

using Ids = std::vector<int32_t>;
const std::string under = "\xE2\x96\x81";

template <typename Change> std::string problemWith(Change change, int64_t vocab = 300) {
  SpmModel model;
  model.pieces = spmPieces({{"a", -9, 1}, {"b", -9, 1}, {"ab", -1, 1}});
  change(model);
  std::string text = message(loadModel(model.bytes(), vocab));
  size_t name = text.find("tokenizer.model: ");
  return name == std::string::npos ? text : text.substr(name + 17);
}

/// Ids of `text`; piece 260 is the first of `more`.
Ids encode(const std::vector<SpmPiece> &more, const std::string &text) {
  SpmModel model;
  model.pieces = spmPieces(more);
  auto data = loadModel(model.bytes());
  if (!data) {
    ADD_FAILURE() << llvm::toString(data.takeError());
    return {};
  }
  std::string blob = tokenizerBlob(*data);
  EXPECT_EQ(checkTokenizerBlob(blob.data(), blob.size()), nullptr);
  return rt::Tokenizer(blob).encode(text);
}

} // namespace

TEST(TokenizerModel, ReadsPiecesAndIds) {
  SpmModel model;
  model.pieces = spmPieces({{"a", -9, 1}, {"b", -9, 1}, {"ab", -1, 1}, {"<turn>", 0, 4}, {"<x>", 0, 3}});
  auto data = loadModel(model.bytes());
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  ASSERT_EQ(data->pieces.size(), 300u); // padded to the model's vocabulary
  EXPECT_EQ(data->pieces[262], "ab");
  EXPECT_EQ(data->pieces[299], "");
  EXPECT_EQ(data->special, (Ids{0, 1, 2, 3, 263, 264}));
  EXPECT_TRUE(data->spacesFirst);
  EXPECT_EQ(data->byteIds[255], 259);
  EXPECT_EQ(data->bos, 2);
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->unk, 3);
  EXPECT_EQ(data->pad, 0);
  ASSERT_EQ(data->merges.size(), 1u);
  EXPECT_EQ(data->merges[0].result, 262);
}

TEST(TokenizerModel, HighestScoreFirstThenLeftmost) {
  // Each: a 260, b 261, c 262, then the pairs.
  const std::vector<SpmPiece> letters = {{"a", -90, 1}, {"b", -91, 1}, {"c", -92, 1}};
  auto with = [&](std::vector<SpmPiece> pairs) {
    std::vector<SpmPiece> all = letters;
    all.insert(all.end(), pairs.begin(), pairs.end());
    return all;
  };
  EXPECT_EQ(encode(with({{"ab", -2, 1}, {"bc", -1, 1}}), "abc"), (Ids{260, 264}));
  EXPECT_EQ(encode(with({{"ab", -1, 1}, {"bc", -1, 1}}), "abc"), (Ids{263, 262})) << "a tie: the leftmost";
  EXPECT_EQ(encode(with({{"bc", -1, 1}, {"ab", -1, 1}}), "abc"), (Ids{264, 262})) << "whatever the ids";
  EXPECT_EQ(encode(with({{"aa", -1, 1}}), "aaaaa"), (Ids{263, 263, 260}));
  // Both (a, aa) and (aa, a) make aaa: one score, so the leftmost wins, here a + aa.
  EXPECT_EQ(encode(with({{"ba", -1, 1}, {"aa", -2, 1}, {"aaa", -3, 1}}), "aaaaa"), (Ids{264, 265}));
  EXPECT_EQ(encode(with({{"ab", 1, 1}, {"abc", 3, 1}, {"bc", 2, 1}}), "abcab"), (Ids{264, 263}))
      << "scores may be positive";
}

TEST(TokenizerModel, UserDefinedPiecesAreTakenOutFirst) {
  const std::vector<SpmPiece> pieces = {{"a", -9, 1},          {"b", -9, 1},         {under, -9, 1},
                                        {"ab", -1, 1},         {"ba", 0, 4},         {"baa", 0, 4},
                                        {under + under, 0, 4}, {"a" + under, -2, 1}, {"\xE4\xB8\xAD", 0, 4}};
  EXPECT_EQ(encode(pieces, "ba"), (Ids{264}));
  EXPECT_EQ(encode(pieces, "abaab"), (Ids{260, 265, 261})) << "the longest, before any merge";
  EXPECT_EQ(encode(pieces, "a  a"), (Ids{260, 266, 260})) << "spaces are U+2581 by then";
  EXPECT_EQ(encode(pieces, "a" + under + " a"), (Ids{260, 266, 260}));
  EXPECT_EQ(encode(pieces, "a   "), (Ids{260, 266, 262}));
  EXPECT_EQ(encode(pieces, "a a"), (Ids{267, 260}));
  EXPECT_EQ(encode(pieces, "\xE4\xB8\xAD\xE4"), (Ids{268, 4 + 0xE4}));
  EXPECT_EQ(encode(pieces, "<bos>a<unk>"), (Ids{2, 260, 3}));
  EXPECT_EQ(encode(pieces, "\xC3\xA9"), (Ids{4 + 0xC3, 4 + 0xA9}));
}

TEST(TokenizerModel, RefusesOtherKinds) {
  EXPECT_EQ(problemWith([](SpmModel &m) { m.modelType = 1; }),
            "trainer_spec.model_type: found UNIGRAM, expected BPE, the tokenizer of the Gemma models");
  EXPECT_TRUE(
      contains(problemWith([](SpmModel &m) { m.modelType = 77; }), "model_type: found 77, expected BPE"));
  EXPECT_TRUE(contains(problemWith([](SpmModel &m) { m.byteFallback = 0; }),
                       "trainer_spec.byte_fallback: found false, expected true"));
  EXPECT_EQ(
      problemWith([](SpmModel &m) { m.dummyPrefix = 1; }),
      "normalizer_spec.add_dummy_prefix: found true, expected false: no space is put in front of a text");
  EXPECT_TRUE(contains(problemWith([](SpmModel &m) { m.extraSpaces = 1; }),
                       "normalizer_spec.remove_extra_whitespaces: found true"));
  EXPECT_TRUE(contains(problemWith([](SpmModel &m) { m.escape = 0; }),
                       "normalizer_spec.escape_whitespaces: found false"));
  EXPECT_EQ(
      problemWith([](SpmModel &m) { m.map = "abc"; }),
      "normalizer_spec.precompiled_charsmap: found 3 bytes (normaliser \"nmt_nfkc\"), expected none: the "
      "identity, as the Gemma models have it");
  EXPECT_TRUE(contains(problemWith([](SpmModel &m) { m.bos = "<s>"; }), "pieces: no <s> piece"));
}

TEST(TokenizerModel, RefusesBadPieces) {
  auto piece = [](SpmPiece bad) { return problemWith([&](SpmModel &m) { m.pieces.push_back(bad); }); };
  EXPECT_EQ(piece({"", 0, 1}), "pieces[263].piece: an empty piece");
  EXPECT_EQ(piece({"ab", 0, 1}), "pieces[263].piece: duplicate piece \"ab\", which is id 262 already");
  EXPECT_TRUE(contains(piece({"c", 0, 7}), "pieces[263].type: found 7, expected 1 (normal), "));
  EXPECT_TRUE(contains(piece({"c", 0, 0}), "pieces[263].type: found 0, "));
  EXPECT_EQ(piece({"c", NAN, 1}), "pieces[263].score: found NaN, expected a finite number");
  EXPECT_TRUE(contains(piece({"c", -std::numeric_limits<float>::infinity(), 1}), "score: found an infinity"));
  EXPECT_EQ(piece({"\xFF", 0, 1}), "pieces[263].piece: found \"\\xFF\", expected valid UTF-8");
  EXPECT_EQ(piece({std::string(600, 'a'), 0, 1}), "pieces[263].piece: found 600 bytes, expected at most 512");
  EXPECT_EQ(piece({"ac", 0, 1}),
            "pieces[263]: \"ac\" holds the character \"c\", expected it as a piece of its own");
  EXPECT_EQ(piece({"aab", 0, 5}),
            "pieces[263]: the unused piece \"aab\" can be made by merging \"a\" and \"ab\", "
            "expected unused pieces that cannot");
  EXPECT_EQ(piece({"<unused0>", 0, 5}), "");
  EXPECT_EQ(
      problemWith([](SpmModel &m) { m.pieces.erase(m.pieces.begin() + 4 + 0x41); }),
      "pieces: byte token <0x41> is missing, expected all 256 because trainer_spec.byte_fallback is true");
  EXPECT_EQ(problemWith([](SpmModel &m) { m.pieces[4].type = 1; }),
            "pieces[4].type: found 1 of \"<0x00>\", expected 6 (byte)");
  EXPECT_EQ(problemWith([](SpmModel &) {}, 262),
            "pieces: found 263, expected at most 262 (vocab_size of config.json)");
}

TEST(TokenizerModel, RefusesWhatIsNoModel) {
  EXPECT_TRUE(contains(message(loadModel("")), "tokenizer.model: pieces: missing"));
  EXPECT_TRUE(contains(message(loadModel("x")), "is cut off or no SentencePiece model"));
  EXPECT_TRUE(contains(message(loadModel("{\"model\": {}}")), "no SentencePiece model"));
  EXPECT_TRUE(contains(message(loadModel(Wire().text(1, "\xFF\xFF").bytes)), "cannot be read"));
  EXPECT_TRUE(contains(message(loadTokenizerModel("/nonexistent/tokenizer.model", 300)), "no such file"));
  EXPECT_TRUE(contains(message(loadTokenizerModel("/dev", 300)), "not a regular file"));
  std::string groups(100000, '\x0B'); // opened, never closed
  EXPECT_TRUE(contains(message(loadModel(groups)), "cannot be read"));
}

/// Every prefix and random damage: a message or a tokenizer, never a crash.
TEST(TokenizerModel, DamageIsSurvived) {
  SpmModel model;
  model.pieces = spmPieces({{"a", -9, 1}, {"b", -9, 1}, {"ab", -1, 1}, {"ba", 0, 4}});
  const std::string whole = model.bytes();
  size_t refused = 0;
  for (size_t length = 0; length < whole.size(); length += 7)
    refused += !message(loadModel(whole.substr(0, length))).empty();
  EXPECT_GT(refused, whole.size() / 7 - 3);
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 3; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    auto data = loadModel(damaged);
    if (!data) {
      llvm::consumeError(data.takeError());
      continue;
    }
    std::string blob = tokenizerBlob(*data);
    ASSERT_EQ(checkTokenizerBlob(blob.data(), blob.size()), nullptr);
    rt::Tokenizer(blob).encode("ab <bos>ba\xFF");
  }
}
