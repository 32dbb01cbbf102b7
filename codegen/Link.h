// The in-process linker: generated objects + the runtime archive + C++ and C start-up files -> one position
// independent ELF. Everything it links lies in lib/gemmac beside gemmac's bin folder, for aarch64 in
// lib/gemmac/aarch64: no toolchain is needed.
#pragma once

#include "codegen/Target.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace gemmac {

/// The folder with the runtime archive and start-up files of `arch`, found from gemmac's own path; exit code
/// 3 if incomplete, or not there because this gemmac was built without.
llvm::Expected<std::string> findLinkFolder(Arch arch);

/// Links `objects` with the runtime; returns the ELF's bytes.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkExecutable(llvm::ArrayRef<llvm::MemoryBufferRef> objects, llvm::StringRef linkFolder, Arch arch);

/// The newest GLIBC_x.y version that `elf` needs, as "2.34".
std::string neededGlibc(llvm::MemoryBufferRef elf);

} // namespace gemmac
