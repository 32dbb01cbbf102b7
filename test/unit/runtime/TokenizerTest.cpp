// Tokenizer against HF's answers (test/Inputs/tokenizer/cases.json; all of the goldens where they are), the
// blob's checker against damage, and the streaming decoder.
#include "runtime/Tokenizer.h"
#include "TestPayload.h"
#include "runtime/Failure.h"
#include "runtime/Utf8.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <filesystem>
#include <random>

namespace gemmac::rt {
namespace {

using nlohmann::json;
using test::smallBlob;
using Ids = std::vector<int32_t>;

std::string stream(const Tokenizer &t, const Ids &ids) {
  StreamDecoder decoder(t);
  std::string text;
  for (int32_t id : ids) {
    const std::string piece = decoder.feed(id);
    EXPECT_TRUE(validUtf8(piece));
    text += piece;
  }
  return text + decoder.finish();
}

void holdAgainst(const std::string &path, size_t least) {
  const Tokenizer t(smallBlob());
  const json cases = json::parse(test::slurp(path))["cases"];
  ASSERT_GE(cases.size(), least);
  for (const json &c : cases) {
    const Ids ids = c["ids"];
    EXPECT_EQ(t.encode(c["text"].get<std::string>()), ids) << c["text"];
    EXPECT_EQ(t.decode(ids), c["decoded"].get<std::string>()) << c["text"];
    EXPECT_EQ(stream(t, ids), c["decoded"].get<std::string>()) << c["text"];
  }
}

TEST(Tokenizer, equalsHuggingFace) { holdAgainst(GEMMAC_TEST_INPUTS "/tokenizer/cases.json", 50); }

TEST(Tokenizer, equalsHuggingFaceOnAllGoldens) {
  const std::string path = GEMMAC_SHARED "/goldens/tokenizer/small.json";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "the full set of goldens is not here";
  holdAgainst(path, 327);
}

TEST(Tokenizer, blobIsWholeAndDeterministic) {
  EXPECT_EQ(checkTokenizerBlob(smallBlob().data(), smallBlob().size()), nullptr);
  EXPECT_EQ(writeTokenizerBlob(test::readTokenizerJson(GEMMAC_TEST_INPUTS "/tokenizer/tokenizer.json")),
            smallBlob());
}

TEST(Tokenizer, invalidUtf8BecomesByteTokens) {
  const Tokenizer t(smallBlob());
  EXPECT_EQ(t.encode("a\xFF"), (Ids{1926, 238 + 0xFF}));
  EXPECT_EQ(t.encode("\xE2\x82"), (Ids{238 + 0xE2, 238 + 0x82}));
  EXPECT_EQ(t.encode("\xED\xA0\x80"), (Ids{238 + 0xED, 238 + 0xA0, 238 + 0x80}))
      << "a surrogate is no character";
}

TEST(Tokenizer, decodesBrokenBytesAsReplacements) {
  const Tokenizer t(smallBlob());
  const std::string two = "\xEF\xBF\xBD\xEF\xBF\xBD";
  EXPECT_EQ(t.decode(Ids{238 + 0xE2, 238 + 0x82, 1926}), two + "a");
  EXPECT_EQ(stream(t, {238 + 0xE2, 238 + 0x82, 1926}), two + "a");
  EXPECT_EQ(t.decode(Ids{238 + 'x', 238 + 0xFF}), two)
      << "as HF: one for each byte of a run that is broken anywhere";
  EXPECT_EQ(stream(t, {238 + 'x', 238 + 0xFF}), "x\xEF\xBF\xBD") << "a stream has shown the x by then";
}

TEST(Tokenizer, streamHoldsBackUnfinishedCharacters) {
  const Tokenizer t(smallBlob());
  StreamDecoder d(t);
  EXPECT_EQ(d.feed(238 + 0xF0), "");
  EXPECT_EQ(d.feed(238 + 0x9F), "");
  EXPECT_EQ(d.feed(238 + 0x98), "");
  EXPECT_EQ(d.feed(238 + 0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(d.feed(238 + 0xC3), "");
  EXPECT_EQ(d.finish(), "\xEF\xBF\xBD");
}

TEST(Tokenizer, idsBeyondTheVocabularyAreEmpty) {
  const Tokenizer t(smallBlob());
  EXPECT_EQ(t.decode(Ids{-1, 2048, INT32_MAX}), "");
}

/// Longest special token first, and merges by rank then position, on a vocabulary made for it.
TEST(Tokenizer, longestSpecialLowestRankLeftmost) {
  TokenizerBlobInput in;
  in.byteIds.fill(-1);
  in.pieces = {"a", "b", "ab", "aa", "aab", "<s>", "<s>>", ">", "?"};
  in.merges = {{0, 0, 3}, {0, 1, 2}, {3, 1, 4}};
  in.special = {5, 6};
  in.bos = in.eos = in.pad = -1, in.unk = 8;
  const std::string blob = writeTokenizerBlob(in);
  ASSERT_EQ(checkTokenizerBlob(blob.data(), blob.size()), nullptr);
  const Tokenizer t(blob);
  EXPECT_EQ(t.encode("<s>>>"), (Ids{6, 7}));
  EXPECT_EQ(t.encode("a<s>b"), (Ids{0, 5, 1}));
  EXPECT_EQ(t.encode("aab"), (Ids{4}));
  EXPECT_EQ(t.encode("aaab"), (Ids{3, 2})) << "the leftmost pair merges first, the stale one is dropped";
  EXPECT_EQ(t.encode("axyb"), (Ids{0, 8, 1})) << "without byte tokens: unk, neighbours fused";
}

TEST(Tokenizer, longTextIsNotQuadratic) {
  const Tokenizer t(smallBlob());
  const std::string text(400000, ' ');
  const Ids ids = t.encode(text);
  EXPECT_EQ(t.decode(ids), text);
  EXPECT_EQ(t.encode(std::string(100000, '<')).size(), 100000u);
}

TEST(Tokenizer, damagedHeadersAreRefused) {
  for (size_t byte = 0; byte < sizeof(TokenizerBlobHeader); ++byte)
    for (const int flip : {1, 0x80, 0xFF}) {
      std::string blob = smallBlob();
      blob[byte] = static_cast<char>(blob[byte] ^ flip);
      if (checkTokenizerBlob(blob.data(), blob.size()))
        continue;
      const Tokenizer t(blob); // whatever passes the check must be safe to use
      t.decode(t.encode("The LORD <bos> \xF0\x9F\x98\x80"));
    }
  EXPECT_NE(checkTokenizerBlob(smallBlob().data(), smallBlob().size() - 8), nullptr);
  EXPECT_NE(checkTokenizerBlob(smallBlob().data(), 10), nullptr);
  EXPECT_THROW(Tokenizer(std::span<const char>(smallBlob().data(), 100)), Failure);
}

/// At start only the header is checked: random damage of the tables must not crash either.
TEST(Tokenizer, damagedTablesDoNotCrash) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::string blob = smallBlob();
    for (int i = 0; i < 2000; ++i)
      blob[sizeof(TokenizerBlobHeader) + random() % (blob.size() - sizeof(TokenizerBlobHeader))] =
          static_cast<char>(random());
    const Tokenizer t(blob);
    t.decode(t.encode("In the beginning <bos> God created \xE4\xB8\xAD <|turn>user\n\n\n    x"));
  }
}

} // namespace
} // namespace gemmac::rt
