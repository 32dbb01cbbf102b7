// Encoding stays close to linear on texts that give one queue of merges for all of it, and vocabularies of
// the released size load at once. Compared with itself at an eighth of the size, so that no machine is too
// slow for it.
#include "TokenizerTest.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

#include <chrono>

using namespace gemmac;
using namespace gemmac::test;

namespace {

double seconds(const std::function<void()> &work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// a, b, .. and every power of two of a's, "ab" chains that overlap, and marks that share long beginnings.
std::string hardBlob() {
  SpmModel model;
  std::vector<SpmPiece> more = {{"a", -100, 1}, {"b", -101, 1}, {"\xE2\x96\x81", -102, 1}, {"<", -103, 1}};
  for (size_t n = 2; n <= 256; n *= 2)
    more.push_back({std::string(n, 'a'), -static_cast<float>(n), 1});
  more.push_back({"ab", -3, 1});
  more.push_back({"ba", -3, 1});
  for (size_t n = 2; n <= 31; ++n) {
    std::string spaces;
    for (size_t i = 0; i < n; ++i)
      spaces += "\xE2\x96\x81";
    more.push_back({spaces, 0, 4});
    more.push_back({std::string(n, '<') + ">", 0, 4});
  }
  model.pieces = spmPieces(more);
  auto data = loadModel(model.bytes(), 400);
  if (!data) {
    ADD_FAILURE() << llvm::toString(data.takeError());
    return "";
  }
  return tokenizerBlob(*data);
}

std::string repeated(const std::string &unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes)
    text += unit;
  return text;
}

} // namespace

TEST(TokenizerSpeed, AMegabyteWithoutSpacesIsNotQuadratic) {
  const std::string blob = hardBlob();
  ASSERT_FALSE(blob.empty());
  const rt::Tokenizer tokenizer(blob);
  for (const char *unit : {"a", "ab", "aab", "<", "< ", " ", "\xE4\xB8\xAD", "\xE2\x96\xA0", "\xFF"}) {
    const std::string small = repeated(unit, 128 << 10), large = repeated(unit, 1 << 20);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("b" + large)).size() > large.size() / 2, true);
    tokenizer.encode(small);
    double one = seconds([&] { tokenizer.encode(small); }), eight = seconds([&] { tokenizer.encode(large); });
    // Linear is 8, quadratic 64; the floor keeps noise of short runs out.
    EXPECT_LT(eight, 30 * std::max(one, 0.02)) << "of '" << unit << "': " << one << " s, " << eight << " s";
  }
}

/// 262,144 pieces: words of growing length, each made of two earlier ones in several ways, as in the
/// published ones.
TEST(TokenizerSpeed, LoadsAFullVocabularyQuickly) {
  SpmModel model;
  std::vector<SpmPiece> more;
  for (int i = 0; static_cast<int>(model.pieces.size()) + i < 262144; ++i) {
    std::string name;
    for (int rest = i + 1; rest > 0; rest = (rest - 1) / 26)
      name.insert(name.begin(), static_cast<char>('A' + (rest - 1) % 26));
    more.push_back({name, -static_cast<float>(i), 1});
  }
  const std::string bytes = (model.pieces = spmPieces(more), model.bytes());
  const GgufWriter gguf = ggufTokenizer("llama", more);
  TempDirectory directory;
  const std::string spm = directory.write("tokenizer.model", bytes),
                    path = directory.write("x.gguf", gguf.bytes());
  size_t merges = 0;
  double fromModel = seconds([&] {
    auto data = loadTokenizerModel(spm, 262144);
    ASSERT_TRUE(static_cast<bool>(data)) << llvm::toString(data.takeError());
    merges = data->merges.size();
  });
  EXPECT_GT(merges, 514906u);
  double fromGguf = seconds([&] { EXPECT_EQ(message(loadGguf(path, 262144)), ""); });
  RecordProperty("model_seconds", std::to_string(fromModel));
  RecordProperty("gguf_seconds", std::to_string(fromGguf));
  EXPECT_LT(fromModel, 60.0); // 0.3 s without sanitizers and load
  EXPECT_LT(fromGguf, 60.0);
}
