// What has to hold for every tokenizer that a reader lets through: its blob passes the checker, and encoding
// and decoding stay within the vocabulary.
#pragma once

#include "Require.h"
#include "codegen/TokenizerSection.h"
#include "runtime/Tokenizer.h"

#include <string_view>

namespace gemmac::fuzz {

/// `text`: any bytes. A refusal must say something.
inline void useTokenizer(llvm::Expected<TokenizerData> data, std::string_view text) {
  if (refused(data))
    return;
  const std::string blob = tokenizerBlob(*data);
  const char *wrong = checkTokenizerBlob(blob.data(), blob.size());
  require(!wrong, wrong);
  const rt::Tokenizer tokenizer(blob);
  std::string all = "hello he<bos>ll  o \n\xE4\xB8\xAD\xFF";
  for (int32_t id : data->special)
    if (all.size() < 4096)
      all += data->pieces[static_cast<size_t>(id)] + "h";
  all += text.substr(0, 4096);
  const std::vector<int32_t> ids = tokenizer.encode(all);
  require(!ids.empty(), "a text without ids");
  for (int32_t id : ids)
    require(id >= 0 && id < tokenizer.vocab() && !data->pieces[static_cast<size_t>(id)].empty(),
            "an id without a piece");
  tokenizer.decode(ids);
}

} // namespace gemmac::fuzz
