#include "Support.h"

#include "passes/Passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/FileSystem.h"

#include <algorithm>

using namespace gemmac;

std::unique_ptr<mlir::MLIRContext> gemmac::makeContext() {
  static const bool registered = (registerPasses(), true);
  (void)registered;
  auto context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
  context->loadDialect<gemma::GemmaDialect, mlir::func::FuncDialect>();
  return context;
}

std::vector<std::string> gemmac::modelFiles() {
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator entry(GEMMAC_TEST_MODELS, error), end; entry != end && !error;
       entry.increment(error))
    if (llvm::StringRef(entry->path()).ends_with(".mlir"))
      files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  return files;
}

mlir::OwningOpRef<mlir::ModuleOp> gemmac::parse(mlir::MLIRContext &context, const std::string &file) {
  return mlir::parseSourceFile<mlir::ModuleOp>(file, mlir::ParserConfig(&context));
}

bool gemmac::runPasses(mlir::ModuleOp module, llvm::StringRef pipeline) {
  mlir::PassManager manager(module.getContext());
  return mlir::succeeded(mlir::parsePassPipeline(pipeline, manager)) && mlir::succeeded(manager.run(module));
}
