// See Output.h.
#include "runtime/Output.h"

#include "runtime/Failure.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemmac::rt {

/// 0 or errno.
static int writeAll(int fd, const char *p, uint64_t n) {
  while (n) {
    const ssize_t put = ::write(fd, p, std::min<uint64_t>(n, 16ull << 20));
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return errno;
    p += put;
    n -= static_cast<uint64_t>(put);
  }
  return 0;
}

void writeOut(std::string_view text) {
  const int error = writeAll(1, text.data(), text.size());
  if (error == EPIPE)
    throw BrokenPipe();
  if (error)
    throw Failure(kLacking, cat("cannot write to stdout: ", std::strerror(error)));
}

static std::string folderOf(const std::string &path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// The file that `path` names in the end, whether it exists or not: a rename would replace the link itself.
static std::string throughLinks(std::string path) {
  char target[4096];
  for (int depth = 0; depth < 40; ++depth) {
    const ssize_t n = readlink(path.c_str(), target, sizeof target);
    if (n <= 0 || n == sizeof target)
      break;
    const std::string_view next(target, static_cast<size_t>(n));
    path = next[0] == '/' ? std::string(next) : cat(folderOf(path), "/", next);
  }
  return path;
}

bool sameFile(const std::string &one, const std::string &other) {
  struct stat a, b;
  return stat(one.c_str(), &a) == 0 && stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

OutputFile::OutputFile(const std::string &path) : path_(path) {
  struct stat st;
  const bool exists = stat(path.c_str(), &st) == 0;
  if (!exists && !path.empty() && errno != ENOENT)
    failed("create");
  if (sameFile(path, "/proc/self/exe"))
    throw Failure(kBadUsage,
                  cat("cannot write '", path, "': it is this executable; give the output another name"));
  if (path.empty() || (exists && S_ISDIR(st.st_mode)))
    throw Failure(kBadInput, cat("cannot write '", path, "': it is ", path.empty() ? "empty" : "a folder",
                                 ", expected the name of a file"));
  direct_ = exists && !S_ISREG(st.st_mode);
  if (direct_) {
    fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0)
      failed("open");
    return;
  }
  path_ = throughLinks(path);
  fd_ = open(folderOf(path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd_ < 0)
    createTemporary();
}

/// Never longer than names may be, also for the longest name.
std::string OutputFile::temporaryName(int i) const {
  const std::string name = path_.substr(path_.rfind('/') + 1).substr(0, 200);
  return cat(folderOf(path_), "/.", name, ".", getpid(), ".", i, ".tmp");
}

void OutputFile::createTemporary() {
  for (int i = 0; fd_ < 0 && i < 100; ++i) {
    temporary_ = temporaryName(i);
    fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST)
      break;
  }
  if (fd_ < 0) {
    temporary_.clear();
    failed("create");
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0)
    close(fd_);
  if (!temporary_.empty())
    unlink(temporary_.c_str());
}

void OutputFile::failed(const char *what) {
  const int error = errno;
  throw Failure(kLacking, cat("cannot ", what, " '", path_, "': ", std::strerror(error),
                              direct_ ? "" : "; nothing was written under that name"));
}

void OutputFile::write(const void *data, uint64_t bytes) {
  if (const int error = writeAll(fd_, static_cast<const char *>(data), bytes)) {
    if (error == EPIPE)
      throw BrokenPipe();
    errno = error;
    failed("write");
  }
}

void OutputFile::commit() {
  if (direct_)
    return;
  if (fsync(fd_) != 0)
    failed("write");
  if (temporary_
          .empty()) { // give the nameless file a name; linkat does not replace, so a temporary one first
    const std::string self = cat("/proc/self/fd/", fd_);
    for (int i = 0; i < 100; ++i) {
      temporary_ = temporaryName(i);
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0)
        break;
      temporary_.clear();
      if (errno != EEXIST)
        break;
    }
    if (temporary_.empty())
      failed("name");
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    failed("rename");
  temporary_.clear();
}

NpyWriter::NpyWriter(const std::string &path, int64_t rows, int64_t columns)
    : file_(path), columns_(columns) {
  const std::string shape = rows ? cat("(", rows, ", ", columns, ")") : cat("(", columns, ",)");
  std::string head = cat("{'descr': '<f4', 'fortran_order': False, 'shape': ", shape, ", }");
  head.append(64 - (10 + head.size() + 1) % 64, ' ') += '\n';
  const char prefix[10] = {'\x93',
                           'N',
                           'U',
                           'M',
                           'P',
                           'Y',
                           1,
                           0,
                           static_cast<char>(head.size() & 255),
                           static_cast<char>(head.size() >> 8)};
  file_.write(prefix, sizeof prefix);
  file_.write(head.data(), head.size());
}

} // namespace gemmac::rt
