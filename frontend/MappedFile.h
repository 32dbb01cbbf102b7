// A regular file, mapped read-only. Opening anything else (a directory, a FIFO, a device) is an error, never
// a wait.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

namespace gemmac {

/// Whether something has that name. A link to nothing is something: an optional file that it stands for is
/// meant to be there, and reading it then fails.
inline bool isPresent(llvm::StringRef path) {
  llvm::sys::fs::file_status status;
  return !llvm::sys::fs::status(path, status, /*follow=*/false) && llvm::sys::fs::exists(status);
}
/// Why stat(path) failed, for a message.
inline std::string whyNoFile(llvm::StringRef path, std::error_code error) {
  if (error != std::errc::no_such_file_or_directory)
    return error.message();
  return isPresent(path) ? "is a link to a file that is not there" : "no such file";
}

class MappedFile {
public:
  /// Fails with exit code 1 where the file is at fault, 3 where it cannot be mapped.
  static llvm::Expected<MappedFile> open(llvm::StringRef path);
  /// Empty for an empty file. Valid as long as this object, wherever it is moved to.
  llvm::ArrayRef<uint8_t> bytes() const {
    return region ? llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(region.const_data()),
                                            region.size())
                  : llvm::ArrayRef<uint8_t>();
  }

private:
  llvm::sys::fs::mapped_file_region region;
};

} // namespace gemmac
