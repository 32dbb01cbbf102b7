// A program that runs beside this one, for what it writes. Invariant: it does not outlive this process,
// however that ends.
#pragma once

#include "codegen/MemoryFile.h"

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <sys/types.h>

namespace gemmac {

class ChildProcess {
public:
  /// Starts `program` with `arguments`; nothing to read, and whatever it prints, to either stream, goes to
  /// `output`. Fails with exit code 3 and the system's reason alone as the message. Call it from a thread
  /// that is there until the program has ended: to Linux, the parent is that thread.
  static llvm::Expected<ChildProcess> start(const std::string &program, llvm::ArrayRef<std::string> arguments,
                                            const MemoryFile &output);
  ChildProcess(ChildProcess &&other) : pid(other.pid) { other.pid = -1; }
  ChildProcess &operator=(ChildProcess &&) = delete;
  /// Kills it where nobody has waited for it.
  ~ChildProcess();

  /// Waits until it ends, once: its exit code, or minus the number of the signal that ended it.
  int wait();

private:
  explicit ChildProcess(pid_t pid) : pid(pid) {}
  pid_t pid;
};

} // namespace gemmac
