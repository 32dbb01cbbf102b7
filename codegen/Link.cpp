// See Link.h.
#include "codegen/Link.h"

#include "codegen/MemoryFile.h"
#include "frontend/Diagnostic.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace gemmac {

/// The linker's words for an architecture.
struct LinkTarget {
  const char *folder, *emulation, *loader, *loaderPath;
};
static LinkTarget linkTarget(Arch arch) {
  if (arch == Arch::AArch64)
    return {"aarch64", "aarch64linux", "ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1"};
  return {"", "elf_x86_64", "ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"};
}

/// What must lie in the link folder, in link order, with the loader behind the libraries; the objects go
/// before the first archive.
static const char *const kStart[] = {"Scrt1.o", "crti.o", "crtbeginS.o"};
static const char *const kLibraries[] = {"libgemmac_rt.a", "libstdc++.a", "libm.so.6",       "libgcc.a",
                                         "libgcc_eh.a",    "libc.so.6",   "libc_nonshared.a"};
static const char *const kEnd[] = {"crtendS.o", "crtn.o"};

llvm::Expected<std::string> findLinkFolder(Arch arch) {
  static int anchor;
  const LinkTarget target = linkTarget(arch);
  std::string self = llvm::sys::fs::getMainExecutable("gemmac", &anchor);
  llvm::SmallString<256> folder(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(folder, "lib", "gemmac", target.folder);
  if (arch != Arch::X86_64 && !llvm::sys::fs::exists(folder))
    return machineError(llvm::Twine("the runtime for ") + archName(arch) +
                        " was not built with this gemmac (" + folder +
                        " is missing); install g++-aarch64-linux-gnu (tools/install-deps.sh) and "
                        "build gemmac again");
  std::vector<const char *> names(std::begin(kStart), std::end(kStart));
  names.insert(names.end(), std::begin(kLibraries), std::end(kLibraries));
  names.push_back(target.loader);
  names.insert(names.end(), std::begin(kEnd), std::end(kEnd));
  for (const char *name : names) {
    llvm::SmallString<256> file(folder);
    llvm::sys::path::append(file, name);
    if (!llvm::sys::fs::is_regular_file(file)) // reading a pipe would wait for ever
      return machineError(file + ": a file that gemmac links into every executable is " +
                          (llvm::sys::fs::exists(file) ? "not a regular file" : "missing") +
                          "; reinstall gemmac with its lib/gemmac folder");
  }
  return folder.str().str();
}

namespace {
/// Where the linker writes: a pipe that a thread of its own drains into memory. Into what is no regular file
/// the linker writes from a buffer; a regular one it would map, and a full disk would then be a SIGBUS. Also,
/// nothing is left behind in a temporary folder by whatever ends the process.
class PipeOutput {
public:
  ~PipeOutput() {
    (void)finish();
    close(ends[0]);
  }
  llvm::Error start() {
    if (pipe2(ends, O_CLOEXEC) != 0)
      return machineError(llvm::Twine("cannot create a pipe for the linker: ") + std::strerror(errno));
    if (int error = pthread_create(&thread, nullptr, drain, this))
      return machineError(llvm::Twine("cannot create a thread for the linker: ") + std::strerror(error));
    running = true;
    return llvm::Error::success();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(ends[1]); }
  /// What was written. Nobody else has the pipe open to write by then.
  llvm::StringRef finish() {
    close(ends[1]);
    ends[1] = -1;
    if (running)
      pthread_join(thread, nullptr);
    running = false;
    return bytes;
  }

private:
  static void *drain(void *self) {
    auto &out = *static_cast<PipeOutput *>(self);
    char buffer[1 << 16];
    for (ssize_t n; (n = read(out.ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
      out.bytes.append(buffer, n > 0 ? static_cast<size_t>(n) : 0);
    return nullptr;
  }
  int ends[2] = {-1, -1};
  pthread_t thread{};
  bool running = false;
  std::string bytes;
};

/// Runs the linker. Its fatal errors, and crashes on damaged libraries, come back as a message.
llvm::Error runLinker(llvm::ArrayRef<std::string> args, llvm::StringRef linkFolder) {
  std::vector<const char *> argv;
  for (const std::string &arg : args)
    argv.push_back(arg.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  llvm::CrashRecoveryContext::Enable();
  lld::Result result = lld::lldMain(argv, os, os, {{lld::Gnu, &lld::elf::link}});
  llvm::CrashRecoveryContext::Disable();
  if (result.retCode == 0)
    return llvm::Error::success();
  llvm::StringRef first = llvm::StringRef(messages).trim().split('\n').first;
  first.consume_front("ld.lld: ");
  first.consume_front("error: ");
  return machineError("linking failed: " + (first.empty() ? "the linker crashed" : first) +
                      "; if a file in " + linkFolder + " is damaged, reinstall gemmac");
}
} // namespace

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkExecutable(llvm::ArrayRef<llvm::MemoryBufferRef> objects, llvm::StringRef linkFolder, Arch arch) {
  const LinkTarget target = linkTarget(arch);
  PipeOutput output;
  if (llvm::Error error = output.start())
    return error;
  std::vector<MemoryFile> files;
  std::vector<std::string> args = {"ld.lld",
                                   "-pie",
                                   "-o",
                                   output.path(),
                                   "--threads=1",
                                   "-m",
                                   target.emulation,
                                   "--dynamic-linker",
                                   target.loaderPath,
                                   "--gc-sections",
                                   "--as-needed",
                                   "--eh-frame-hdr",
                                   "-z",
                                   "relro",
                                   "-z",
                                   "now",
                                   "-z",
                                   "noexecstack",
                                   "--build-id=none",
                                   "--hash-style=gnu",
                                   "--no-undefined"};
  auto addFiles = [&](llvm::ArrayRef<const char *> names) {
    for (const char *name : names)
      args.push_back((linkFolder + "/" + name).str());
  };
  addFiles(kStart);
  for (llvm::MemoryBufferRef object : objects) {
    llvm::Expected<MemoryFile> file = MemoryFile::create(object.getBuffer(), "the linker");
    if (!file)
      return file.takeError();
    args.push_back(file->path());
    files.push_back(std::move(*file));
  }
  addFiles(kLibraries);
  addFiles(target.loader);
  addFiles(kEnd);
  if (llvm::Error error = runLinker(args, linkFolder))
    return error;
  return llvm::MemoryBuffer::getMemBufferCopy(output.finish(), "linked executable");
}

std::string neededGlibc(llvm::MemoryBufferRef elf) {
  llvm::StringRef bytes = elf.getBuffer();
  unsigned best = 0;
  // Version names are plain strings in .dynstr; a scan is as good as a parse for a string we only print.
  for (size_t at = bytes.find("GLIBC_2."); at != llvm::StringRef::npos; at = bytes.find("GLIBC_2.", at + 1)) {
    unsigned minor = 0;
    llvm::StringRef rest = bytes.substr(at + 8, 4);
    if (!rest.consumeInteger(10, minor))
      best = std::max(best, minor);
  }
  return "2." + std::to_string(best);
}

} // namespace gemmac
