// Files and tokenizers for tests: a payload as codegen/Emit writes it, the tokenizer of test/Inputs,
// temporary folders.
#pragma once

#include "runtime/TokenizerBlob.h"

#include <string>
#include <vector>

namespace gemmac::test {

/// tokenizer.json -> what the writer takes; throws on a broken file.
TokenizerBlobInput readTokenizerJson(const std::string &path);
/// The blob of test/Inputs/tokenizer, made once.
const std::string &smallBlob();

/// [elf][pad to 2 MiB][weights][tokenizer][template, if any][index][footer]
std::string makePayload(const std::string &elf, const std::string &weights, const std::string &tokenizer,
                        const std::string &chatTemplate = "");

/// A folder that goes away with the object.
struct TempDir {
  TempDir();
  ~TempDir();
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  std::string path;
};
void writeFile(const std::string &path, const std::string &data);
std::string slurp(const std::string &path);

} // namespace gemmac::test
