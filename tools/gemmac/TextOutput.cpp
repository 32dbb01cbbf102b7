// See TextOutput.h.
#include "tools/gemmac/TextOutput.h"

#include "codegen/OutputFile.h"
#include "frontend/Diagnostic.h"

#include "llvm/Support/raw_ostream.h"

namespace gemmac {

llvm::Error writeTextFile(llvm::StringRef path, llvm::StringRef text, bool devices) {
  llvm::Expected<OutputFile> file = OutputFile::create(path, devices);
  if (!file)
    return file.takeError();
  if (llvm::Error error = file->writeAt(0, {text.data(), text.size()}))
    return error;
  return file->finish(/*executable=*/false);
}

llvm::Error writeTextOutput(llvm::StringRef path, llvm::StringRef text) {
  if (!path.empty() && path != "-")
    return writeTextFile(path, text, /*devices=*/true);
  llvm::outs() << text;
  llvm::outs().flush();
  if (!llvm::outs().has_error())
    return llvm::Error::success();
  llvm::outs().clear_error();
  return machineError("stdout: cannot write");
}

} // namespace gemmac
