// What gemmac writes as text: a file that appears whole or not at all, or stdout.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace gemmac {

/// The file `path`; fails as OutputFile does, also where `path` is a device, unless `devices`.
llvm::Error writeTextFile(llvm::StringRef path, llvm::StringRef text, bool devices = false);
/// The same, or stdout where `path` is empty or "-".
llvm::Error writeTextOutput(llvm::StringRef path, llvm::StringRef text);

} // namespace gemmac
