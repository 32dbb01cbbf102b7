// gm_models of a program for a GPU: written, linked with the runtime as gemmac links, and read by it.
#include "codegen/Link.h"
#include "codegen/Manifest.h"

#include "gtest/gtest.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"

namespace gemmac {
namespace {

constexpr Arch kArch =
#ifdef __aarch64__
    Arch::AArch64;
#else
    Arch::X86_64;
#endif

constexpr const char *kManifest =
    R"({"gemmac": "0.1.0", "name": "tiny", "family": "gemma4", "target": "cuda", "quantize": "q4", "compute": "int8",
"kv": "bf16", "vocab": 16, "hidden": 8, "layers": 1, "context": 64, "arena_bytes": 4096, "scratch_bytes": 64,
"counters": 1, "parameters": 1, "weight_bytes": 1, "bytes_per_token": 1,
"has_template": false, "gpu": {"archs": ["sm_90a", "sm_80"], "threads": 256, "shared_bytes": {"sm_90a": 1024, "sm_80": 1024}},
"entries": {"decode": {"rows": 1, "logits": 0, "stride": 16}, "prefill_none": {"rows": 4}}})";

class ModelObject : public testing::Test {
protected:
  static void SetUpTestSuite() {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  }
  void SetUp() override { ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("gemmac-model", folder)); }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  std::string path(llvm::StringRef name) const {
    llvm::SmallString<128> path = folder;
    llvm::sys::path::append(path, name);
    return std::string(path);
  }

  /// The executable's bytes.
  std::string link(std::vector<GpuImage> images) {
    TargetCode code{step::ProgramOp(), Target(), kManifest, "", std::move(images)};
    auto object = llvm::cantFail(emitModelObject(code, kArch));
    auto elf = llvm::cantFail(
        linkExecutable(object->getMemBufferRef(), llvm::cantFail(findLinkFolder(kArch)), kArch));
    return elf->getBuffer().str();
  }

  /// The exit code of the executable, what it prints in `out`.
  int run(llvm::StringRef elf, std::string &out) {
    std::error_code error;
    {
      llvm::raw_fd_ostream file(path("exe"), error);
      file << elf;
    }
    EXPECT_FALSE(error);
    EXPECT_FALSE(
        llvm::sys::fs::setPermissions(path("exe"), llvm::sys::fs::all_exe | llvm::sys::fs::owner_all));
    const std::string output = path("out");
    const int code =
        llvm::sys::ExecuteAndWait(path("exe"), {path("exe"), "--version"}, std::nullopt,
                                  {llvm::StringRef(), llvm::StringRef(output), llvm::StringRef(output)});
    out = (*llvm::MemoryBuffer::getFile(output))->getBuffer().str();
    return code;
  }
  llvm::SmallString<128> folder;
};

TEST_F(ModelObject, imagesAreReadByTheRuntime) {
  const std::string cubin = std::string("\x7f"
                                        "ELF a cubin \0 with zeros \0",
                                        28),
                    ptx = ".version 8.6 // text";
  const std::string elf = link({{"decode", "sm_90a", false, cubin},
                                {"prefill_none", "sm_90a", false, cubin},
                                {"decode", "sm_80", true, ptx},
                                {"prefill_none", "sm_80", true, ptx}});
  std::string out;
  EXPECT_EQ(run(elf, out), 0) << out;
  EXPECT_EQ(out, "tiny (q4, compute int8), compiled by gemmac 0.1.0\n");
  EXPECT_NE(elf.find(cubin), elf.npos);
  EXPECT_NE(elf.find(ptx + '\0'), elf.npos) << "the runtime reads a text to its 0";
  EXPECT_NE(elf.find("libcuda.so.1"), elf.npos) << "the part that runs images is linked";
}

TEST_F(ModelObject, anEntryWithoutAnImageIsNamed) {
  std::string out;
  EXPECT_EQ(run(link({{"decode", "sm_80", true, "x"}}), out), 3);
  EXPECT_NE(out.find("entry 'prefill_none' has no code"), out.npos) << out;
}

} // namespace
} // namespace gemmac
