// Finding ptxas, running it, reading what it says. Scripts stand in for it, so that no toolkit is needed.
#include "codegen/cuda/Ptxas.h"

#include "frontend/Diagnostic.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

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

TEST(Ptxas, GivesACubinAndReports) {
  Folder folder;
  std::vector<PtxasReport> reports;
  auto cubin = assemble(folder.script("ptxas", kWorks), ".version 8.0\n", hopper(), reports);
  ASSERT_TRUE(static_cast<bool>(cubin)) << llvm::toString(cubin.takeError());
  EXPECT_EQ((*cubin)->getBuffer(), "\x7f"
                                   "ELF of\n.version 8.0\n");
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].registers, 40u);
  EXPECT_EQ(reports[0].sharedBytes, 16);
}

TEST(Ptxas, ThatIsTooOldIsNamed) {
  Folder folder;
  const std::string old = folder.script("ptxas", R"(case "$1" in
--version) echo "Cuda compilation tools, release 11.8, V11.8.89" ;;
*) echo "Allowed values: 'sm_80','sm_90'" ;;
esac
)");
  std::vector<PtxasReport> reports;
  expectFailure(assemble(old, "", hopper(), reports),
                old + ": found CUDA 11.8, which does not know sm_90a; install CUDA 12.0 or later and let "
                      "CUDA_HOME name it, or take --emit=ptx");
}

TEST(Ptxas, FailuresBecomeOneMessage) {
  Folder folder;
  auto failing = [&](const std::string &name, const std::string &body) {
    return folder.script(name, "case \"$1\" in\n--version) echo 'release 13.0, V13.0.88' ;;\n"
                               "--help) echo \"'sm_90a'\" ;;\n*) " +
                                   body + " ;;\nesac\n");
  };
  std::vector<PtxasReport> reports;
  const std::string refuses = failing("refuses", R"(echo "ptxas $6, line 3; error   : Unknown symbol 'x'" >&2
   echo "ptxas fatal   : Ptx assembly aborted due to errors" >&2; exit 255)");
  expectFailure(assemble(refuses, "", hopper(), reports),
                refuses + " (CUDA 13.0) does not take the code for sm_90a: line 3; error   : Unknown symbol "
                          "'x'; this is a defect of gemmac: please report it");
  const std::string silent = failing("silent", "exit 1");
  expectFailure(assemble(silent, "", hopper(), reports),
                silent +
                    " (CUDA 13.0) does not take the code for sm_90a: it printed nothing; this is a defect "
                    "of gemmac: please report it");
  EXPECT_TRUE(reports.empty());
  const std::string writes = failing("writes", "echo cubin > \"$5\"");
  expectFailure(assemble(writes, "", hopper(), reports),
                writes + " ended without an error, but what it wrote (6 bytes) is no cubin; let CUDA_HOME or "
                         "PATH name a CUDA toolkit that works");
  const std::string killed = failing("killed", "kill -KILL $$");
  auto result = assemble(killed, "", hopper(), reports);
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
