// A file without a name in any folder, for programs and libraries that want names: whatever ends the process,
// nothing is left behind.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace gemmac {

class MemoryFile {
public:
  MemoryFile() = default;
  MemoryFile(MemoryFile &&other) : fd(other.fd) { other.fd = -1; }
  MemoryFile &operator=(MemoryFile &&) = delete;
  ~MemoryFile();

  /// A file that holds `bytes`. Fails with exit code 3; `what` it is for is in the message ("the linker").
  static llvm::Expected<MemoryFile> create(llvm::StringRef bytes, const char *what);
  /// Its name in this process, and in programs that it starts while the file is there.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
  int descriptor() const { return fd; }
  /// All that is in it now. Fails with exit code 3.
  llvm::Expected<std::string> read() const;

private:
  int fd = -1;
};

} // namespace gemmac
