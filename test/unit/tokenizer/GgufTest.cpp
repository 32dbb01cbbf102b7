// Tokenizers in GGUF metadata: both kinds, what is matched in text, defaults, and one message for everything
// that is missing, out of range or of another vocabulary.
#include "TokenizerTest.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

using namespace gemmac;
using namespace gemmac::test;

namespace {

using Ids = std::vector<int32_t>;
const std::vector<SpmPiece> words = {{"a", -9, 1},   {"b", -10, 1},  {"ab", -1, 1},
                                     {"aa", -2, 1},  {"aaa", -3, 1}, {"<|t>", -99, 4},
                                     {"  ", -99, 4}, {"ba", -99, 4}, {"<x>", -99, 3}};
constexpr int64_t count = 260 + 9;

GgufWriter scored() { return ggufTokenizer("llama", words); }
GgufWriter merged() {
  return ggufTokenizer("gemma4", words)
      .texts("tokenizer.ggml.merges", {"a b", "a a", "aa a", "b a"})
      .boolean("tokenizer.ggml.add_bos_token", true);
}

std::string problemIn(const GgufWriter &gguf, int64_t vocab = count) {
  std::string text = message(loadGguf(gguf, vocab));
  size_t name = text.find("x.gguf: ");
  return name == std::string::npos ? text : text.substr(name + 8);
}

Ids encode(const GgufWriter &gguf, const std::string &text) {
  auto data = loadGguf(gguf, count);
  if (!data) {
    ADD_FAILURE() << llvm::toString(data.takeError());
    return {};
  }
  std::string blob = tokenizerBlob(*data);
  EXPECT_EQ(checkTokenizerBlob(blob.data(), blob.size()), nullptr);
  return rt::Tokenizer(blob).encode(text);
}

} // namespace

TEST(TokenizerGguf, Merges) {
  EXPECT_EQ(encode(merged(), "aaab"), (Ids{263, 262}));
  EXPECT_EQ(encode(merged(), "aaa"), (Ids{264}));
  EXPECT_EQ(encode(merged(), "ba"), (Ids{267})) << "user-defined, and made by a merge";
  EXPECT_EQ(encode(merged(), "b<|t>a<x>"), (Ids{261, 265, 260, 268}));
  EXPECT_EQ(encode(merged(), "<bos>"), (Ids{2}));
}

TEST(TokenizerGguf, Scores) {
  EXPECT_EQ(encode(scored(), "aaab"), (Ids{263, 262}));
  EXPECT_EQ(encode(scored(), "aaa"), (Ids{264}));
  EXPECT_EQ(encode(scored(), "<|t>ba<x>"), (Ids{265, 267, 268}));
  auto data = loadGguf(scored(), count);
  ASSERT_TRUE(static_cast<bool>(data));
  // ab, aa, then aaa twice: of its splits aa + a comes first, aa having the better score. ba comes last.
  ASSERT_EQ(data->merges.size(), 5u);
  EXPECT_EQ(data->merges[2].left, 263);
  EXPECT_EQ(data->merges[3].left, 260);
  EXPECT_EQ(data->merges[4].result, 267);
  EXPECT_EQ(data->special, (Ids{0, 1, 2, 265, 268}));
  EXPECT_EQ(data->pad, 0);
  EXPECT_EQ(data->eos, 1);
  EXPECT_EQ(data->unk, 3);
}

TEST(TokenizerGguf, Defaults) {
  EXPECT_EQ(problemIn(scored().drop("tokenizer.ggml.add_space_prefix")),
            "tokenizer.ggml.add_space_prefix: missing, which means true, expected false: no space is put in "
            "front of "
            "a text");
  EXPECT_TRUE(contains(problemIn(scored().boolean("tokenizer.ggml.add_space_prefix", true)),
                       "tokenizer.ggml.add_space_prefix: found true"));
  EXPECT_EQ(problemIn(merged().drop("tokenizer.ggml.add_space_prefix")), "");
  EXPECT_EQ(problemIn(merged().boolean("tokenizer.ggml.add_space_prefix", true)), "")
      << "without effect there";
  auto data = loadGguf(merged().drop("tokenizer.ggml.bos_token_id").drop("tokenizer.ggml.token_type"), count);
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  EXPECT_EQ(data->bos, 2);
  EXPECT_EQ(data->special, (Ids{265, 2, 1, 0, 3})) << "without types by their look, and the named ones";
  EXPECT_EQ(problemIn(merged().boolean("tokenizer.ggml.add_bos_token", false)), "");
}

TEST(TokenizerGguf, RefusesAnotherVocabulary) {
  EXPECT_EQ(problemIn(scored(), 300),
            "tokenizer.ggml.tokens: found 269 tokens, expected 300, the rows of token_embd.weight");
  EXPECT_TRUE(contains(problemIn(scored(), 200), "found 269 tokens, expected 200"));
}

TEST(TokenizerGguf, RefusesMissingOrBadKeys) {
  const std::string g = "tokenizer.ggml.";
  EXPECT_TRUE(contains(problemIn(scored().drop(g + "model")), g + "model: missing"));
  EXPECT_EQ(
      problemIn(scored().text(g + "model", "bert")),
      g + "model: found \"bert\", expected \"gemma4\" or \"llama\", the tokenizers of the Gemma models");
  EXPECT_TRUE(contains(problemIn(scored().drop(g + "tokens")), g + "tokens: missing"));
  EXPECT_TRUE(contains(problemIn(scored().drop(g + "scores")), g + "scores: missing"));
  EXPECT_TRUE(contains(problemIn(merged().drop(g + "merges")), g + "merges: missing"));
  EXPECT_TRUE(contains(problemIn(scored().u32(g + "tokens", 1)), g + "tokens: found u32 1"));
  EXPECT_TRUE(contains(problemIn(scored().numbers<int32_t>(g + "token_type", 5, {1})),
                       g + "token_type: found 1 types, expected 269"));
  EXPECT_TRUE(contains(problemIn(scored().numbers<float>(g + "scores", 6, {1})),
                       g + "scores: found 1 scores, expected 269"));
  EXPECT_TRUE(contains(problemIn(scored().numbers(g + "token_type", 5, std::vector<int32_t>(269, 9))),
                       g + "token_type"));
  EXPECT_TRUE(
      contains(problemIn(scored().numbers(g + "scores", 6, std::vector<float>(269, NAN))), g + "scores"));
  EXPECT_TRUE(contains(problemIn(scored().u32(g + "bos_token_id", 269)),
                       g + "bos_token_id: found u32 269, expected"));
  EXPECT_TRUE(
      contains(problemIn(scored().boolean(g + "add_eos_token", true)), g + "add_eos_token: found true"));
  EXPECT_TRUE(
      contains(problemIn(merged().texts(g + "merges", {"ab"})), g + "merges[0]: found \"ab\", expected two"));
  EXPECT_TRUE(contains(problemIn(merged().texts(g + "merges", {"a "})), g + "merges[0]: found \"a \""));
  EXPECT_EQ(problemIn(merged().texts(g + "merges", {"a b", "b b"})),
            g + "merges[1]: merge of \"b\" and \"b\": \"bb\" is not in the vocabulary");
}

TEST(TokenizerGguf, RefusesBadTokens) {
  auto token = [](const std::string &bad) {
    std::vector<SpmPiece> all = words;
    all.back().text = bad;
    return problemIn(ggufTokenizer("llama", all));
  };
  EXPECT_EQ(token("a"), "tokenizer.ggml.tokens[268]: duplicate piece \"a\", which is id 260 already");
  EXPECT_EQ(token(""), "tokenizer.ggml.tokens[268]: an empty piece");
  EXPECT_EQ(token("\xC3"), "tokenizer.ggml.tokens[268]: found \"\\xC3\", expected valid UTF-8");
  EXPECT_TRUE(
      contains(token(std::string(513, 'a')), "tokenizer.ggml.tokens[268]: found a piece of 513 bytes"));
  std::vector<SpmPiece> all = words;
  GgufWriter gguf = ggufTokenizer("llama", all);
  std::vector<std::string> texts;
  for (const SpmPiece &piece : spmPieces(words))
    texts.push_back(piece.text == "<0x7F>" ? "q" : piece.text);
  EXPECT_TRUE(
      contains(problemIn(gguf.texts("tokenizer.ggml.tokens", texts)), "byte token <0x7F> is missing"));
}
