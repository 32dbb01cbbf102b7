#include "frontend/MappedFile.h"

#include "frontend/Diagnostic.h"

using namespace gemmac;
namespace fs = llvm::sys::fs;

llvm::Expected<MappedFile> MappedFile::open(llvm::StringRef path) {
  fs::file_status status;
  if (std::error_code error = fs::status(path, status))
    return inputError(path, "", whyNoFile(path, error));
  if (!fs::is_regular_file(status)) // opening a FIFO would wait for ever
    return inputError(path, "", "not a regular file");
  llvm::Expected<fs::file_t> handle = fs::openNativeFileForRead(path);
  if (!handle)
    return inputError(path, "", "cannot be opened: " + llvm::toString(handle.takeError()));
  std::error_code error = fs::status(*handle, status);
  uint64_t size = status.getSize();
  MappedFile file;
  if (!error && size > 0) // an empty file cannot be mapped
    file.region = fs::mapped_file_region(*handle, fs::mapped_file_region::readonly, size, 0, error);
  fs::closeFile(*handle);
  if (error)
    return machineError(path + ": cannot be mapped: " + error.message());
  return file;
}
