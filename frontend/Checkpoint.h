// A checkpoint as the compiler sees it: configuration, tensors, tokenizer and generation defaults of one
// Hugging Face directory. loadCheckpoint() reads everything but the tensors' contents, and checks all of it.
#pragma once

#include "frontend/ChatTemplate.h"
#include "frontend/Config.h"
#include "frontend/TensorSource.h"
#include "frontend/Tokenizer.h"

#include <memory>

namespace gemmac {

struct Checkpoint {
  std::string path;
  std::string name; ///< last component of the path, for `info` and the module's name
  ModelConfig config;
  GenerationConfig generation;
  TokenizerData tokenizer;
  std::unique_ptr<TensorSource> tensors;
  std::optional<ChatTemplate> chatTemplate;
  std::vector<std::string> notes; ///< for the user, one line each
};

/// `chatTemplate`: a file that is read in the place of the checkpoint's own template; empty: none.
llvm::Expected<Checkpoint> loadCheckpoint(llvm::StringRef path, llvm::StringRef chatTemplate = "");

} // namespace gemmac
