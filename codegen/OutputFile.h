// A file that appears whole or not at all: written nameless (or under a temporary name) in the target's
// folder, synced, then given its name in one step. A killed process leaves nothing under the final name.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace gemmac {

class OutputFile {
public:
  OutputFile() = default;
  OutputFile(OutputFile &&other);
  OutputFile &operator=(OutputFile &&) = delete;
  ~OutputFile(); ///< discards what was not finished

  /// Opens an output that will be named `path`, or be what the link `path` names. Fails with exit code 3
  /// (folder missing, read-only, disk full) or 1 (a folder has that name). What is neither file nor folder, like
  /// /dev/stdout, is written at once if `devices`, and refused otherwise.
  static llvm::Expected<OutputFile> create(llvm::StringRef path, bool devices = false);
  /// Writes all of `bytes` at `offset` (devices: offsets must follow each other).
  llvm::Error writeAt(uint64_t offset, llvm::ArrayRef<char> bytes);
  /// Syncs and gives the file its name with permissions 0666 or, if `executable`, 0777 (less the umask).
  llvm::Error finish(bool executable);

private:
  llvm::Error failed(llvm::StringRef what, int error) const;
  std::string path, temporary; ///< `temporary` is empty while the file is nameless
  int fd = -1;
  bool device = false;
};

} // namespace gemmac
