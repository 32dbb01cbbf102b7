// Finding ptxas, running it, reading what it says. Scripts stand in for it, so that no toolkit is needed.
#include "codegen/cuda/Ptxas.h"

#include "codegen/ChildProcess.h"
#include "frontend/Diagnostic.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace gemmac;

namespace {

/// A folder that is removed with all that is in it.
class Folder {
public:
  Folder() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("gemmac-ptxas", root)); }
  ~Folder() { llvm::sys::fs::remove_directories(root); }
  std::string path(const std::string &name = "") const { return (root + "/" + name).str(); }
  /// An executable script, in folders made for it; its path.
  std::string script(const std::string &name, llvm::StringRef body) {
    const std::string file = path(name);
    EXPECT_FALSE(llvm::sys::fs::create_directories(llvm::StringRef(file).rsplit('/').first));
    std::error_code error;
    llvm::raw_fd_ostream os(file, error);
    os << "#!/bin/sh\n" << body;
    os.close();
    EXPECT_FALSE(llvm::sys::fs::setPermissions(file, llvm::sys::fs::all_all));
    return file;
  }

private:
  llvm::SmallString<128> root;
};

/// Knows sm_90a. "Assembles" by repeating its input, and says so.
constexpr const char *kWorks = R"(case "$1" in
--version) echo "Cuda compilation tools, release 12.4, V12.4.131" ;;
--help) echo "Allowed values for this option:  'sm_80','sm_90a'." ;;
*) [ "$1 $2 $3 $4" = "-v -arch sm_90a -o" ] || exit 9
   { printf '\177ELF of\n'; cat "$6"; } > "$5"
   echo "ptxas info    : Compiling entry function 'gm_decode' for 'sm_90a'" >&2
   echo "ptxas info    : Used 40 registers, 16 bytes smem" >&2 ;;
esac
)";

template <typename T> void expectFailure(llvm::Expected<T> result, const std::string &message) {
  ASSERT_FALSE(static_cast<bool>(result)) << message;
  llvm::handleAllErrors(result.takeError(), [&](const Failure &failure) {
    EXPECT_EQ(failure.exitCode(), ExitCode::Machine);
    EXPECT_EQ(failure.text(), message);
  });
}

/// Assembled one after the other by the ptxas at that path.
llvm::Expected<std::vector<Assembly>> assembleBy(const std::string &path,
                                                 std::vector<std::string> texts = {""}) {
  llvm::Expected<Ptxas> ptxas = askPtxas(path);
  return ptxas ? assemble(*ptxas, texts, llvm::cantFail(lookupGpuTargets("sm_90a")).front(), 1)
               : ptxas.takeError();
}

GpuTarget hopper() { return llvm::cantFail(lookupGpuTargets("sm_90a")).front(); }

TEST(Ptxas, IsFoundWhereTheUserSays) {
  Folder folder;
  const std::string home = folder.script("home/bin/ptxas", ""), inPath = folder.script("path/ptxas", ""),
                    usual = folder.script("usual/bin/ptxas", "");
  auto find = [&](const PtxasPlaces &places) { return llvm::cantFail(findPtxas(places)); };
  const std::string path = "/no/such:" + folder.path("path"), none = folder.path("none");
  EXPECT_EQ(find({folder.path("home"), path, folder.path("usual")}), home);
  EXPECT_EQ(find({"", path, folder.path("usual")}), inPath);
  EXPECT_EQ(find({"", "/no/such", folder.path("usual")}), usual);
  EXPECT_EQ(find({"", "", folder.path("usual")}), usual);
  EXPECT_EQ(find({"", "/no/such", none}), std::nullopt);
  EXPECT_EQ(find({"", "", none}), std::nullopt);
  expectFailure(findPtxas({none, path, folder.path("usual")}),
                "CUDA_HOME: found " + none +
                    ", where bin/ptxas is not to be run; let it name a CUDA toolkit, or unset it");
}

TEST(Ptxas, GivesCubinsAndReports) {
  Folder folder;
  auto made = assembleBy(folder.script("ptxas", kWorks), {".version 8.0\n", ".version 8.1\n"});
  ASSERT_TRUE(static_cast<bool>(made)) << llvm::toString(made.takeError());
  ASSERT_EQ(made->size(), 2u);
  EXPECT_EQ((*made)[0].cubin->getBuffer(), "\x7f"
                                           "ELF of\n.version 8.0\n");
  EXPECT_EQ((*made)[1].cubin->getBuffer(), "\x7f"
                                           "ELF of\n.version 8.1\n");
  for (const Assembly &each : *made) {
    ASSERT_EQ(each.reports.size(), 1u);
    EXPECT_EQ(each.reports[0].registers, 40u);
    EXPECT_EQ(each.reports[0].sharedBytes, 16);
  }
}

TEST(Ptxas, IsAskedOnce) {
  Folder folder;
  const std::string log = folder.path("log");
  const std::string script = folder.script("ptxas", "echo \"$1\" >> " + log + "\n" + kWorks);
  ASSERT_FALSE(llvm::errorToBool(assembleBy(script, {"a", "b", "c"}).takeError()));
  auto text = llvm::MemoryBuffer::getFile(log);
  ASSERT_TRUE(static_cast<bool>(text));
  EXPECT_EQ((*text)->getBuffer(), "--version\n--help\n-v\n-v\n-v\n");
}

/// Each waits for the other: alone neither would end.
TEST(Ptxas, TextsAreAssembledSideBySide) {
  Folder folder;
  const std::string one = folder.path("one"), other = folder.path("other");
  ASSERT_EQ(mkfifo(one.c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(other.c_str(), 0600), 0);
  const std::string script =
      folder.script("ptxas", std::string("[ \"$1\" != -v ] || case $(cat \"$6\") in\n") + "one) echo > " +
                                 one + "; read x < " + other + " ;;\n" + "*) read x < " + one + "; echo > " +
                                 other + " ;;\n" + "esac\n" + kWorks);
  auto made = assemble(llvm::cantFail(askPtxas(script)), {"one", "two"}, hopper(), 2);
  ASSERT_TRUE(static_cast<bool>(made)) << llvm::toString(made.takeError());
  EXPECT_EQ((*made)[1].cubin->getBuffer(), "\x7f"
                                           "ELF of\ntwo");
}

/// Whoever kills the compiler kills what it has started: the end of a pipe that only that has open says so.
TEST(Ptxas, DoesNotOutliveTheCompiler) {
  Folder folder;
  const std::string script = folder.script("ptxas", "echo begun\nexec sleep 100000\n");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t compiler = fork();
  if (compiler == 0) {
    const MemoryFile output = llvm::cantFail(MemoryFile::create("", "a test"));
    dup2(ends[1], output.descriptor());
    auto child = ChildProcess::start(script, {}, output);
    close(output.descriptor());
    close(ends[1]);
    pause();
    _exit(child ? 0 : 1);
  }
  close(ends[1]);
  char text[6];
  ASSERT_EQ(read(ends[0], text, sizeof text), 6) << "it runs";
  kill(compiler, SIGKILL);
  EXPECT_EQ(read(ends[0], text, sizeof text), 0) << "nobody can write any more";
  close(ends[0]);
  waitpid(compiler, nullptr, 0);
}

TEST(Ptxas, ThatIsTooOldIsNamed) {
  Folder folder;
  const std::string old = folder.script("ptxas", R"(case "$1" in
--version) echo "Cuda compilation tools, release 11.8, V11.8.89" ;;
*) echo "Allowed values: 'sm_80','sm_90'" ;;
esac
)");
  expectFailure(assembleBy(old),
                old + ": found CUDA 11.8, which does not know sm_90a; install CUDA 12.0 or later "
                      "and let CUDA_HOME name it, or take --emit=ptx");
  const Ptxas asked = llvm::cantFail(askPtxas(old));
  EXPECT_FALSE(asked.knows(hopper()));
  EXPECT_TRUE(asked.knows(llvm::cantFail(lookupGpuTargets("sm_80")).front()));
}

TEST(Ptxas, FailuresBecomeOneMessage) {
  Folder folder;
  auto failing = [&](const std::string &name, const std::string &body) {
    return folder.script(name, "case \"$1\" in\n--version) echo 'release 13.0, V13.0.88' ;;\n"
                               "--help) echo \"'sm_90a'\" ;;\n*) " +
                                   body + " ;;\nesac\n");
  };
  const std::string refuses = failing("refuses", R"(echo "ptxas $6, line 3; error   : Unknown symbol 'x'" >&2
   echo "ptxas fatal   : Ptx assembly aborted due to errors" >&2; exit 255)");
  expectFailure(assembleBy(refuses),
                refuses + " (CUDA 13.0) does not take the code for sm_90a: line 3; error   : Unknown symbol "
                          "'x'; this is a defect of gemmac: please report it");
  const std::string silent = failing("silent", "exit 1");
  expectFailure(assembleBy(silent),
                silent +
                    " (CUDA 13.0) does not take the code for sm_90a: it printed nothing; this is a defect "
                    "of gemmac: please report it");
  const std::string writes = failing("writes", "echo cubin > \"$5\"");
  expectFailure(assembleBy(writes),
                writes + " ended without an error, but what it wrote (6 bytes) is no cubin; let CUDA_HOME or "
                         "PATH name a CUDA toolkit that works");
  const std::string killed = failing("killed", "kill -KILL $$");
  auto result = assembleBy(killed);
  ASSERT_FALSE(static_cast<bool>(result));
  const std::string said = llvm::toString(result.takeError());
  EXPECT_EQ(said.find(killed + ": cannot be run: "), 0u) << said;
}

TEST(Ptxas, ReportsAreRead) {
  const auto reports = parsePtxasReports(R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'gm_decode' for 'sm_90a'
ptxas info    : Function properties for gm_decode
    16 bytes stack frame, 24 bytes spill stores, 28 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 128 bytes smem, 536 bytes cmem[0]
ptxas info    : Compile time = 12.345 ms
ptxas info    : Function properties for gm_decode$matmul
    32 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Compiling entry function 'gm_prefill_none' for 'sm_90a'
ptxas info    : Function properties for gm_prefill_none
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers
)");
  EXPECT_EQ(
      printReports(reports),
      "gm_decode: 255 registers, 128 bytes of shared memory, 16 bytes of stack, 24 bytes spilled, 28 bytes "
      "read back\n"
      "gm_decode$matmul: 32 bytes of stack, 4 bytes spilled, 8 bytes read back\n"
      "gm_prefill_none: 32 registers, 0 bytes of shared memory, 0 bytes of stack, 0 bytes spilled, 0 bytes "
      "read back\n");
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_TRUE(reports[0].kernel && !reports[1].kernel && reports[2].kernel);
  EXPECT_EQ(
      printReports(perKernel(reports)),
      "gm_decode: 255 registers, 128 bytes of shared memory, 32 bytes of stack, 28 bytes spilled, 36 bytes "
      "read back\n"
      "gm_prefill_none: 32 registers, 0 bytes of shared memory, 0 bytes of stack, 0 bytes spilled, 0 bytes "
      "read back\n");
  EXPECT_TRUE(parsePtxasReports("").empty());
}

} // namespace
