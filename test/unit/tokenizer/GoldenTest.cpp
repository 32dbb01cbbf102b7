// Every stored answer of the references - HF tokenizers, SentencePiece - from each of the formats:
// tokenizer.json, tokenizer.model, and the full vocabularies in GGUF files where those have been fetched.
#include "TokenizerTest.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

#include <filesystem>

using namespace gemmac;
using namespace gemmac::test;

namespace {

using Ids = std::vector<int32_t>;

const std::string goldens = GEMMAC_SHARED "/goldens";
const std::string models = GEMMAC_MODELS;

/// `path`: a file of the goldens, or its part in test/Inputs.
void holdAgainst(llvm::Expected<TokenizerData> data, const std::string &path, size_t count) {
  ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
  std::string blob = tokenizerBlob(*data);
  ASSERT_EQ(checkTokenizerBlob(blob.data(), blob.size()), nullptr);
  const rt::Tokenizer tokenizer(blob);
  const Json cases = Json::parse(std::ifstream(path))["cases"];
  ASSERT_EQ(cases.size(), count);
  for (const Json &c : cases) {
    const Ids ids = c["ids"];
    EXPECT_EQ(tokenizer.encode(c["text"].get<std::string>()), ids) << c["text"];
    EXPECT_EQ(tokenizer.decode(ids), c["decoded"].get<std::string>()) << c["text"];
  }
}

std::string stored(const std::string &name) { return goldens + "/tokenizer/" + name + ".json"; }
const std::string spm = GEMMAC_TEST_INPUTS "/goldens/gemma3-tiny/tokenizer.model";
bool absent(const std::string &path) { return !std::filesystem::exists(path); }

} // namespace

TEST(TokenizerGolden, JsonEqualsHuggingFace) {
  if (absent(goldens))
    GTEST_SKIP() << "the full set of goldens is not here";
  holdAgainst(loadTokenizerJson(goldens + "/tokenizer/tokenizer.json", 2048), stored("small"), 327);
}

TEST(TokenizerGolden, ModelEqualsSentencePieceOnAPart) {
  holdAgainst(loadTokenizerModel(spm, 2048), GEMMAC_TEST_INPUTS "/tokenizer/spm_cases.json", 50);
}

TEST(TokenizerGolden, ModelEqualsSentencePiece) {
  if (absent(goldens))
    GTEST_SKIP() << "the full set of goldens is not here";
  holdAgainst(loadTokenizerModel(spm, 2048), stored("small_spm"), 276);
}

TEST(TokenizerGolden, Gemma4VocabularyInGguf) {
  const std::string path = models + "/ggml-vocab-gemma-4.gguf";
  if (absent(goldens) || absent(path))
    GTEST_SKIP() << "no " << path
                 << " (goldens/chat/fetch_published_templates.py gets it; set GEMMAC_MODELS)";
  holdAgainst(loadGguf(path, 262144), stored("gemma4"), 327);
}

TEST(TokenizerGolden, Gemma3VocabularyInGguf) {
  const std::string path = models + "/gemma3-270m.gguf";
  if (absent(goldens) || absent(path))
    GTEST_SKIP() << "no " << path << " (models/fetch_gemma3_270m.py gets it; set GEMMAC_MODELS)";
  holdAgainst(loadGguf(path, 262144), stored("gemma3"), 327);
}
