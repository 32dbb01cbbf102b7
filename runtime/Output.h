// What leaves the program: stdout, where the answer streams, and files, which appear under their name only
// when whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemmac::rt {

/// Writes all of `text` to stdout at once. Throws BrokenPipe if nobody reads it, fails with exit 3 on other
/// errors.
void writeOut(std::string_view text);

/// Whether both names lead to one file that is there.
bool sameFile(const std::string &one, const std::string &other);

/// A file that replaces `path`, or what the link `path` names, on commit(). Until then it has no name (or, on
/// file systems without nameless files, a temporary one that the destructor removes). A path that is not a
/// regular file (a device, a pipe) is written directly.
class OutputFile {
public:
  /// Fails with exit 1 if it is a folder, exit 2 if it is the running executable, exit 3 if it cannot be
  /// created.
  explicit OutputFile(const std::string &path);
  OutputFile(const OutputFile &) = delete;
  ~OutputFile();

  /// Fails with exit 3 on a full disk and the like.
  void write(const void *data, uint64_t bytes);
  void commit();

private:
  [[noreturn]] void failed(const char *what);
  void createTemporary();
  std::string temporaryName(int i) const;

  std::string path_, temporary_; ///< temporary_: empty while the file has no name
  int fd_ = -1;
  bool direct_ = false;
};

/// Writes a float32 array in NumPy's format, version 1.0.
class NpyWriter {
public:
  /// rows 0: a vector [columns]; else a matrix [rows, columns].
  NpyWriter(const std::string &path, int64_t rows, int64_t columns);
  void row(const float *values) { file_.write(values, static_cast<uint64_t>(columns_) * sizeof(float)); }
  void commit() { file_.commit(); }

private:
  OutputFile file_;
  int64_t columns_;
};

} // namespace gemmac::rt
