// See MemoryFile.h.
#include "codegen/MemoryFile.h"

#include "frontend/Diagnostic.h"

#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemmac {

MemoryFile::~MemoryFile() {
  if (fd >= 0)
    close(fd);
}

llvm::Expected<MemoryFile> MemoryFile::create(llvm::StringRef bytes, const char *what) {
  MemoryFile file;
  file.fd = memfd_create("gemmac", 0); // not closed by exec: programs that we start have it by the same name
  if (file.fd < 0)
    return machineError(llvm::Twine("cannot create a memory file for ") + what);
  llvm::raw_fd_ostream os(file.fd, /*shouldClose=*/false);
  os << bytes;
  os.flush();
  if (os.has_error()) {
    os.clear_error();
    return machineError(llvm::Twine("cannot write a memory file for ") + what + ": out of memory");
  }
  return file;
}

llvm::Expected<std::string> MemoryFile::read() const {
  struct stat status;
  if (fstat(fd, &status) != 0)
    return machineError(llvm::Twine("cannot read a memory file: ") + std::strerror(errno));
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t got = pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return machineError("cannot read a memory file: it became shorter");
    at += static_cast<size_t>(got);
  }
  return bytes;
}

} // namespace gemmac
