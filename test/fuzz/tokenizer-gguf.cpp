// The tokenizer in a GGUF file's metadata, of both kinds, and the reader of that metadata.
#include "FuzzFile.h"
#include "FuzzTokenizer.h"
#include "frontend/GgufFile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const gemmac::fuzz::FuzzFile file(data, size);
  auto gguf = gemmac::GgufFile::open(file.path);
  if (gemmac::fuzz::refused(gguf))
    return 0;
  // As many rows as tokens, so that the input alone decides how far the reader gets.
  const gemmac::GgufValue *tokens = (*gguf)->find("tokenizer.ggml.tokens");
  const int64_t vocab = tokens ? static_cast<int64_t>(std::min<uint64_t>(tokens->count, 65536)) : 300;
  gemmac::fuzz::useTokenizer(gemmac::loadTokenizerGguf(**gguf, vocab),
                             {reinterpret_cast<const char *>(data), size});
  return 0;
}
