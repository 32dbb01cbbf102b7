// See ChildProcess.h. What the child does before it is another program calls async-signal-safe functions
// only: other threads may have held locks when it was made.
#include "codegen/ChildProcess.h"

#include "frontend/Diagnostic.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace gemmac {

/// In the child: becomes the program, or writes to `report` why not.
[[noreturn]] static void become(char *const *argv, int output, int report, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) // it has ended meanwhile
    _exit(127);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0 && dup2(nothing, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0)
    execv(argv[0], argv);
  const int reason = errno;
  const ssize_t ignored = write(report, &reason, sizeof reason);
  (void)ignored;
  _exit(127);
}

llvm::Expected<ChildProcess> ChildProcess::start(const std::string &program,
                                                 llvm::ArrayRef<std::string> arguments,
                                                 const MemoryFile &output) {
  std::vector<char *> argv{const_cast<char *>(program.c_str())};
  for (const std::string &argument : arguments)
    argv.push_back(const_cast<char *>(argument.c_str()));
  argv.push_back(nullptr);
  int report[2]; // closed where the child becomes the program
  if (pipe2(report, O_CLOEXEC) != 0)
    return machineError(std::strerror(errno));
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0)
    become(argv.data(), output.descriptor(), report[1], parent);
  int reason = pid < 0 ? errno : 0;
  close(report[1]);
  while (pid > 0 && read(report[0], &reason, sizeof reason) < 0 && errno == EINTR) {
  }
  close(report[0]);
  if (pid < 0)
    return machineError(std::strerror(reason));
  ChildProcess child(pid);
  if (reason != 0)
    return machineError(std::strerror(reason));
  return child;
}

ChildProcess::~ChildProcess() {
  if (pid < 0)
    return;
  kill(pid, SIGKILL);
  wait();
}

int ChildProcess::wait() {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  pid = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace gemmac
