// See OutputFile.h. O_TMPFILE where the file system has it, a hidden temporary name elsewhere.
#include "codegen/OutputFile.h"

#include "frontend/Diagnostic.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemmac {

static std::string folderOf(llvm::StringRef path) {
  llvm::StringRef parent = llvm::sys::path::parent_path(path);
  return parent.empty() ? "." : parent.str();
}

/// Never longer than names may be, also for the longest name.
static std::string temporaryName(llvm::StringRef path) {
  llvm::SmallString<128> name(folderOf(path));
  llvm::sys::path::append(name, "." + llvm::sys::path::filename(path).take_front(200) + ".tmp" +
                                    llvm::Twine(getpid()));
  return name.str().str();
}

/// The file that `path` names in the end, whether it exists or not: a rename would replace the link itself.
static std::string throughLinks(llvm::StringRef path) {
  std::string name = path.str();
  char target[4096];
  for (int depth = 0; depth < 40; ++depth) {
    ssize_t bytes = readlink(name.c_str(), target, sizeof target);
    if (bytes <= 0 || bytes == sizeof target)
      break;
    llvm::SmallString<128> next(
        llvm::sys::path::is_absolute(llvm::StringRef(target, bytes)) ? "" : folderOf(name));
    llvm::sys::path::append(next, llvm::StringRef(target, bytes));
    name = next.str().str();
  }
  return name;
}

OutputFile::OutputFile(OutputFile &&other)
    : path(std::move(other.path)), temporary(std::move(other.temporary)), fd(other.fd), device(other.device) {
  other.fd = -1;
  other.temporary.clear();
}

OutputFile::~OutputFile() {
  if (fd >= 0)
    close(fd);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

llvm::Error OutputFile::failed(llvm::StringRef what, int error) const {
  llvm::StringRef hint =
      error == ENOSPC || error == EDQUOT ? "; free space there or choose another place" : "";
  return machineError(path + ": " + what + ": " + std::strerror(error) + hint);
}

llvm::Expected<OutputFile> OutputFile::create(llvm::StringRef given, bool devices) {
  OutputFile out;
  out.path = given.str();
  if (given.empty())
    return usageError("the output path is empty");
  struct stat status;
  bool exists = stat(out.path.c_str(), &status) == 0;
  if (!exists && errno != ENOENT)
    return out.failed("cannot create the output", errno);
  if (exists && S_ISDIR(status.st_mode))
    return inputError(given, "", "is a folder", "give the executable another name with -o");
  if (exists && !S_ISREG(status.st_mode)) {
    if (!devices)
      return inputError(given, "", "exists and is not a regular file", "give another name with -o");
    out.device = true;
    out.fd = open(out.path.c_str(), O_WRONLY | O_CLOEXEC);
    if (out.fd < 0)
      return out.failed("cannot open", errno);
    return out;
  }
  std::string path = out.path = throughLinks(given);
  out.fd = open(folderOf(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (out.fd < 0) {
    std::string name = temporaryName(path);
    out.fd = open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (out.fd < 0)
      return out.failed("cannot create the output", errno);
    out.temporary = name;
  }
  return out;
}

llvm::Error OutputFile::writeAt(uint64_t offset, llvm::ArrayRef<char> bytes) {
  while (!bytes.empty()) {
    ssize_t done = device ? write(fd, bytes.data(), bytes.size())
                          : pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return failed("cannot write", done == 0 ? ENOSPC : errno);
    bytes = bytes.drop_front(done);
    offset += done;
  }
  return llvm::Error::success();
}

llvm::Error OutputFile::finish(bool executable) {
  if (device)
    return llvm::Error::success();
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, (executable ? 0777 : 0666) & ~mask) != 0)
    return failed("cannot set permissions", errno);
  if (fsync(fd) != 0)
    return failed("cannot sync", errno);
  if (temporary.empty()) {
    // A nameless file cannot replace an existing name, so it is linked beside it first.
    std::string name = temporaryName(path), self = "/proc/self/fd/" + std::to_string(fd);
    unlink(name.c_str());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return failed("cannot name the output", errno);
    temporary = name;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return failed("cannot name the output", errno);
  temporary.clear();
  int closed = close(fd);
  fd = -1;
  return closed == 0 ? llvm::Error::success() : failed("cannot close", errno);
}

} // namespace gemmac
