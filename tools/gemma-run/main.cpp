// gemma-run: runs a checkpoint, or a module made of one, in a reference interpreter, at one of the IR levels,
// and writes logits or any value on the way. For tests and for finding the op at which a compiled model
// departs from its meaning. Modules are MLIR text, which is trusted input.
#include "tools/gemma-run/Options.h"
#include "tools/gemma-run/Run.h"

#include "frontend/Diagnostic.h"

#include "llvm/Support/InitLLVM.h"

using namespace gemmac;

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::cl::ResetCommandLineParser(); // libLLVM has a --stop-after of its own, among many others
  RunOptions options;
  llvm::cl::ParseCommandLineOptions(argc, argv, "reference interpreter of gemma models\n");
  int code = 0;
  llvm::handleAllErrors(Run(options)(), [&](const llvm::ErrorInfoBase &info) {
    llvm::errs() << "gemma-run: error: " << info.message() << "\n";
    code = info.isA<Failure>() ? static_cast<int>(static_cast<const Failure &>(info).exitCode()) : 1;
  });
  return code;
}
