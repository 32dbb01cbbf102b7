// gemmac: compiles one checkpoint into one executable. A thin main: options, the driver, the exit code.
#include "frontend/Diagnostic.h"
#include "tools/gemmac/Driver.h"
#include "tools/gemmac/Process.h"

#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  gemmac::prepareProcess();
  bool done = false;
  llvm::Error error = llvm::Error::success();
  if (auto options = gemmac::parseOptions(argc, argv, done); !options)
    error = options.takeError();
  else if (!done)
    if (error = gemmac::checkOutput(*options); !error)
      error = gemmac::compile(*options);
  error = llvm::joinErrors(std::move(error), gemmac::flushStdout());
  int code = 0;
  llvm::handleAllErrors(
      std::move(error),
      [&](const gemmac::Failure &failure) {
        llvm::errs() << "gemmac: error: " << failure.text() << "\n";
        code = static_cast<int>(failure.exitCode());
      },
      [&](const llvm::ErrorInfoBase &other) {
        llvm::errs() << "gemmac: error: " << other.message() << "\n";
        code = 1;
      });
  return code;
}
