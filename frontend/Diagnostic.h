// How the frontend reports bad input: one message that names the file, the field or tensor, what was found,
// what was expected and what to do; the exit code tells whose fault it is. Input never reaches an assert or
// an abort.
#pragma once

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <string>

namespace gemmac {

/// Exit codes of gemmac and of the executables it makes (docs/architecture.md, command line).
enum class ExitCode : int { Done = 0, BadInput = 1, Usage = 2, Machine = 3 };

/// An error with an exit code. Its message is complete: the caller only prints "gemmac: error: " in front.
class Failure : public llvm::ErrorInfo<Failure> {
public:
  static char ID;
  Failure(ExitCode code, std::string message) : code(code), message(std::move(message)) {}
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override;
  ExitCode exitCode() const { return code; }
  const std::string &text() const { return message; }

private:
  ExitCode code;
  std::string message;
};

/// The input is at fault: "FILE: FIELD: WHAT" and then, where given, "; HINT". FIELD may be empty.
llvm::Error inputError(llvm::StringRef file, llvm::StringRef field, const llvm::Twine &what,
                       const llvm::Twine &hint = "");
/// The command line is at fault.
llvm::Error usageError(const llvm::Twine &what);
/// The machine lacks something (a CPU feature, a driver, memory, disk space).
llvm::Error machineError(const llvm::Twine &what);

} // namespace gemmac
