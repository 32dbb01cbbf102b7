// A checkpoint in one GGUF file.
#pragma once

#include "frontend/Checkpoint.h"

namespace gemmac {

/// True for a path that ends in .gguf, or a file that begins like one.
bool isGguf(llvm::StringRef path);
/// Everything loadCheckpoint() gives for a directory, from the file's metadata and tensors.
llvm::Expected<Checkpoint> loadGgufCheckpoint(llvm::StringRef path, llvm::StringRef chatTemplate = "");

} // namespace gemmac
