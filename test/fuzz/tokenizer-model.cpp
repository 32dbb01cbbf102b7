// tokenizer.model: the protobuf message, its settings and the merges that its scores imply.
#include "FuzzFile.h"
#include "FuzzTokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const gemmac::fuzz::FuzzFile file(data, size);
  gemmac::fuzz::useTokenizer(gemmac::loadTokenizerModel(file.path, 300),
                             {reinterpret_cast<const char *>(data), size});
  return 0;
}
