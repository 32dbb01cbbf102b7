// See Process.h. Handlers call nothing but async-signal-safe functions: memory may be what is missing.
#include "tools/gemmac/Process.h"

#include "codegen/OutputFile.h"
#include "frontend/Diagnostic.h"

#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <limits>
#include <sys/resource.h>
#include <unistd.h>

namespace gemmac {

[[noreturn]] static void stop(ExitCode code, const char *what, const char *reason = "") {
  for (const char *part : {"gemmac: error: ", what, reason, "\n"}) {
    const ssize_t ignored = write(2, part, std::strlen(part));
    (void)ignored;
  }
  _exit(static_cast<int>(code));
}

static void onBus(int) {
  stop(ExitCode::BadInput,
       "a file of the checkpoint changed or became unreadable while it was read; restore it and "
       "compile again");
}

static void onShortage(void *, const char *, bool) {
  stop(ExitCode::Machine, "out of memory; free some or raise the limit (ulimit -v)");
}

static void onTerminate() {
  stop(ExitCode::Machine,
       "the system refuses more memory or threads; raise the limits (ulimit -v, ulimit -u)");
}

static void onFatal(void *, const char *reason, bool) { stop(ExitCode::Machine, "cannot go on: ", reason); }

/// Closed standard descriptors would become those of files: of an output, or of what is read as stdin.
static void openStandard() {
  for (int fd = 0; fd < 3; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      if (open("/dev/null", O_RDONLY) < 0) // also for stdout: that a result is lost must not go unnoticed
        _exit(static_cast<int>(ExitCode::Machine));
}

void prepareProcess() {
  openStandard();
  struct sigaction action = {};
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  action.sa_handler = onBus;
  sigaction(SIGBUS, &action, nullptr);
  signal(SIGXFSZ, SIG_IGN); // a limit on file sizes becomes a write error
  llvm::install_bad_alloc_error_handler(onShortage);
  llvm::install_out_of_memory_new_handler();
  llvm::install_fatal_error_handler(onFatal);
  std::set_terminate(onTerminate);
}

static bool sameFile(llvm::StringRef one, llvm::StringRef other) {
  bool same = false;
  return !llvm::sys::fs::equivalent(one, other, same) && same;
}

llvm::Error checkOutput(const Options &options) {
  if (options.output.empty() || options.output == "-" || options.estimate)
    return llvm::Error::success();
  auto refuse = [&](llvm::StringRef input) {
    return usageError("-o: " + options.output + " is an input, " + input + "; give the output another name");
  };
  for (const std::string &input : {options.model, options.chatTemplate, options.machine})
    if (!input.empty() && !llvm::sys::fs::is_directory(input) && sameFile(options.output, input))
      return refuse(input);
  std::error_code error;
  if (llvm::sys::fs::is_directory(options.model))
    for (llvm::sys::fs::directory_iterator at(options.model, error), end; !error && at != end;
         at.increment(error))
      if (!llvm::sys::fs::is_directory(at->path()) && sameFile(options.output, at->path()))
        return refuse(at->path());
  if (options.emit != EmitKind::Exe)
    return llvm::Error::success();
  llvm::Expected<OutputFile> probe = OutputFile::create(options.output);
  return probe ? llvm::Error::success() : probe.takeError();
}

/// The number in a cgroup's limit file; the largest where there is none, or "max".
static int64_t limitIn(const llvm::Twine &path) {
  int64_t bytes;
  auto text = llvm::MemoryBuffer::getFileAsStream(path);
  if (!text || (*text)->getBuffer().trim().getAsInteger(10, bytes) || bytes <= 0)
    return std::numeric_limits<int64_t>::max();
  return bytes;
}

/// The least limit of the process's cgroup (version 2) and of those that hold it; of the root of version 1.
static int64_t cgroupLimit() {
  int64_t bytes = limitIn("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  auto groups = llvm::MemoryBuffer::getFileAsStream("/proc/self/cgroup");
  if (!groups)
    return bytes;
  for (llvm::StringRef rest = (*groups)->getBuffer(); !rest.empty();) {
    auto [line, next] = rest.split('\n');
    rest = next;
    if (!line.consume_front("0::"))
      continue;
    for (llvm::StringRef group = line; !group.empty(); group = llvm::sys::path::parent_path(group))
      bytes = std::min(
          bytes, limitIn("/sys/fs/cgroup" + (group == "/" ? llvm::StringRef() : group) + "/memory.max"));
  }
  return bytes;
}

int64_t machineMemory() {
  int64_t bytes = cgroupLimit();
  const int64_t pages = sysconf(_SC_PHYS_PAGES), pageBytes = sysconf(_SC_PAGESIZE);
  if (pages > 0 && pageBytes > 0)
    bytes = std::min(bytes, pages * pageBytes);
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    bytes = std::min(bytes, static_cast<int64_t>(limit.rlim_cur));
  return bytes;
}

llvm::Error flushStdout() {
  llvm::raw_fd_ostream &os = llvm::outs();
  os.flush();
  if (!os.has_error())
    return llvm::Error::success();
  std::string reason = os.error().message();
  os.clear_error();
  return machineError("stdout: cannot write: " + reason);
}

} // namespace gemmac
