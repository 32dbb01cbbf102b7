// Executables for a GPU as users meet them: answers, what they say of the machine, and what they refuse.
#include "Exe.h"
#include "FakeCudaModel.h"
#include "FakeGpu.h"

#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>

namespace gemmac::rt {
namespace {

using nlohmann::json;
using test::slurp;
using test::writeFile;

class CudaExe : public Exe {
protected:
  void SetUp() override {
    Exe::SetUp();
    cuda = std::make_unique<test::FakeCudaModel>();
  }
  test::FakeGpu gpu;
};

TEST_F(CudaExe, answersAreThoseOfTheCpu) {
  const std::vector<std::string> args{"--ids", "2,500", "-n", "12", "--seed", "3", "--print-ids"};
  const Outcome onGpu = run(args);
  EXPECT_EQ(onGpu.code, 0) << onGpu.err;
  EXPECT_NE(onGpu.err.find("of the GPU 0.1 MiB; blocks 12, seed 3"), std::string::npos) << onGpu.err;
  EXPECT_EQ(gpu.log("run").size(), 12u);
  cuda.reset();
  EXPECT_EQ(run(args).out, onGpu.out);
}

TEST_F(CudaExe, logitsAndPerplexity) {
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += "And the LORD spake unto Moses, saying. ";
  writeFile(dir / "text", text);
  const std::vector<std::string> score{"perplexity", "-f", dir / "text", "--ctx", "64", "--chunks", "2"};
  const Outcome onGpu = run(score);
  ASSERT_EQ(run({"logits", "--ids", "2,9,17", "--all", "-o", dir / "gpu.npy"}).code, 0);
  cuda.reset();
  EXPECT_EQ(run(score).out, onGpu.out);
  ASSERT_EQ(run({"logits", "--ids", "2,9,17", "--all", "-o", dir / "cpu.npy"}).code, 0);
  EXPECT_EQ(slurp(dir / "gpu.npy"), slurp(dir / "cpu.npy"));
}

TEST_F(CudaExe, verboseDescribesWhatComputes) {
  const Outcome r = run({"--ids", "2", "-n", "1", "-v", "--no-perf"});
  EXPECT_NE(r.err.find("note: computing on Fake GPU 0, blocks: 12 of 256 threads on 4 multiprocessors\n"),
            std::string::npos)
      << r.err;
  EXPECT_NE(r.err.find("note: memory: weights 0.0 MiB, arena 0.1 MiB, scratch of 12 blocks 0.0 MiB"),
            std::string::npos)
      << r.err;
  cuda.reset();
  EXPECT_NE(run({"--ids", "2", "-n", "1", "-v", "-t", "2"}).err.find(", workers: 2 on "), std::string::npos);
}

TEST_F(CudaExe, infoShowsTheGpu) {
  const std::string text = run({"info"}).out;
  for (const char *line :
       {"target: cuda, code for sm_90a, sm_80, sm_80, blocks of 256 threads",
        "this machine: Fake GPU 0, compute capability 9.0, driver for CUDA 12.8, runs sm_90a\n",
        "blocks: 12 of 256 threads on 4 multiprocessors\n", "memory of the GPU: ", " a block\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << " in\n" << text;
  EXPECT_EQ(text.find("workers"), std::string::npos) << text;
  const json j = json::parse(run({"info", "--json"}).out);
  EXPECT_EQ(j["this_gpu"]["problem"], "");
  EXPECT_EQ(j["this_gpu"]["code"], "sm_90a");
  EXPECT_EQ(j["this_gpu"]["needed_bytes"], 3000 + 69632 + 12000 + 128 + 128 + 2 * 64);
  EXPECT_EQ(j["gpu"]["threads"], 256);
  EXPECT_TRUE(gpu.log("allocate").empty()) << "info takes no memory of the GPU";
}

TEST_F(CudaExe, infoWorksWhereItCannotRun) {
  gpu.set("FAKE_CUDA_DEVICES", "0");
  const Outcome none = run({"info"});
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_NE(none.out.find("this machine: cannot run it: cannot initialize the NVIDIA driver"),
            std::string::npos)
      << none.out;
  EXPECT_EQ(run({"verify"}).code, 0);
  expectFailure(run({"--ids", "2", "-n", "1"}), 3, "CUDA_ERROR_NO_DEVICE");
  gpu.set("FAKE_CUDA_DEVICES", "1");
  gpu.set("FAKE_CUDA_MEMORY", "5000");
  const Outcome small = run({"info"});
  EXPECT_NE(small.out.find("cannot run it: the model needs "), std::string::npos) << small.out;
  EXPECT_NE(small.out.find("memory of the GPU: "), std::string::npos) << small.out;
  expectFailure(run({"bench", "-p", "4", "-n", "4"}), 3, "5000 of 2147483648 free");
}

TEST_F(CudaExe, benchNamesTheGpu) {
  const Outcome r = run({"bench", "-p", "32", "-n", "8", "-r", "2", "-o", "json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const json row = json::parse(r.out)[0];
  EXPECT_EQ(row["backends"], "CUDA");
  EXPECT_EQ(row["gpu_info"], "Fake GPU 0");
  EXPECT_EQ(row["n_gpu_layers"], 2);
  EXPECT_EQ(row["n_threads"], 12);
  EXPECT_EQ(row["march"], "sm_90a,sm_80,sm_80");
  EXPECT_GT(row["gpu_memory_bytes"], 69632);
  const std::string md = run({"bench", "-p", "32", "-n", "8", "-r", "2"}).out;
  for (const char *word : {"| CUDA       |      12 |", "\ngpu: Fake GPU 0; code for sm_90a",
                           "blocks: 12 of 256 threads", "memory of the GPU: weights "})
    EXPECT_NE(md.find(word), std::string::npos) << word << "\n" << md;
  EXPECT_EQ(md.find("2 MiB pages"), std::string::npos) << md;
}

TEST_F(CudaExe, flagsOfACpuAreRefused) {
  expectFailure(run({"--ids", "2", "-t", "1"}), 2, "-t: this executable computes on a GPU");
  expectFailure(run({"--ids", "2", "--pin", "on"}), 2, "--pin: this executable computes on a GPU");
  expectFailure(run({"info", "-t", "1"}), 2, "-t: this executable computes on a GPU");
  expectFailure(run({"info", "--march", "native"}), 2, "--march: this executable computes on a GPU");
  expectFailure(run({"bench", "-p", "0", "-n", "3", "--phases"}), 2, "--phases: a step is one kernel");
  EXPECT_TRUE(gpu.log().empty()) << "nobody asked the driver";
  EXPECT_EQ(run({"--ids", "2", "-n", "1", "--hugepages", "copy"}).code, 0);
}

TEST_F(CudaExe, aGpuThatIsLostIsExit3) {
  gpu.set("FAKE_CUDA_FAIL", "cuStreamSynchronize:700:5");
  const Outcome r = run({"--ids", "2,500", "-n", "12", "--temp", "0", "--ignore-eos"});
  EXPECT_EQ(r.code, 3);
  EXPECT_NE(
      r.err.find("error: the GPU (Fake GPU 0) failed in a step of 'decode_top', 1 token from position 4 on"),
      std::string::npos)
      << r.err;
}

TEST_F(CudaExe, firstInterruptEndsCleanly) {
  gpu.set("FAKE_CUDA_STEP_MS", "50"); // 200 steps: ten seconds, if nobody stops it
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int keep = open(fifo.c_str(), O_RDWR);
  const pid_t pid = start({"--ids", "2", "--ignore-eos"}, "", fifo);
  char byte;
  ASSERT_EQ(read(keep, &byte, 1), 1) << "it has begun to write";
  kill(pid, SIGINT);
  const Outcome r = finish(pid, fifo);
  close(keep);
  EXPECT_EQ(r.code, 130) << r.err;
  EXPECT_NE(r.err.find("(interrupt)"), std::string::npos) << r.err;
}

/// Linked as gemmac links, and run with one or another driver.
class CudaLinked : public testing::Test {
protected:
  void SetUp() override {
    writeFile(dir / "model",
              test::makePayload(slurp(GEMMAC_FAKE_CUDA), std::string(3000, 'w'), test::smallBlob()));
    chmod((dir / "model").c_str(), 0755);
  }
  int run(const std::string &libraries, const std::string &args) {
    const std::string command = "LD_LIBRARY_PATH='" + libraries + "' " + (dir / "model") + " " + args +
                                " > " + (dir / "out") + " 2> " + (dir / "err");
    return WEXITSTATUS(std::system(command.c_str()));
  }
  test::TempDir dir;
  test::FakeGpu gpu;
};

TEST_F(CudaLinked, runsWithADriver) {
  EXPECT_EQ(run(GEMMAC_FAKE_DRIVER, "--ids 2 -n 4 --temp 0 --ignore-eos --print-ids"), 0)
      << slurp(dir / "err");
  EXPECT_EQ(json::parse(slurp(dir / "out")).size(), 4u);
}

TEST_F(CudaLinked, driversThatAreNone) {
  EXPECT_EQ(run(GEMMAC_FAKE_OLD_DRIVER, "--ids 2 -n 4"), 3);
  EXPECT_NE(slurp(dir / "err")
                .find("too old: found one for CUDA 12.8 that lacks cuLaunchCooperativeKernel, expected"),
            std::string::npos)
      << slurp(dir / "err");
  writeFile(dir / "libcuda.so.1", "no library");
  EXPECT_EQ(run(dir.path, "--ids 2 -n 4"), 3);
  EXPECT_EQ(slurp(dir / "err").compare(0, 38, "error: cannot load the NVIDIA driver: "), 0)
      << slurp(dir / "err");
  EXPECT_NE(slurp(dir / "err").find("libcuda.so.1"), std::string::npos);
  EXPECT_EQ(run(dir.path, "info"), 0) << "works anywhere";
  EXPECT_EQ(run(dir.path, "verify"), 0);
  EXPECT_EQ(run(dir.path, "--version"), 0);
}

/// Programs for the CPU have none of it, and programs for a GPU need no library more.
TEST_F(CudaLinked, onlyProgramsForAGpuHaveThisPart) {
  EXPECT_EQ(slurp(GEMMAC_FAKE).find("libcuda.so.1"), std::string::npos);
  EXPECT_NE(slurp(GEMMAC_FAKE_CUDA).find("libcuda.so.1"), std::string::npos);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs libraries of its own";
#endif
  for (const char *exe : {GEMMAC_FAKE, GEMMAC_FAKE_CUDA}) {
    const std::string command = std::string("readelf -dW ") + exe + " > " + (dir / "out");
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::istringstream text(slurp(dir / "out"));
    for (std::string line; std::getline(text, line);) {
      const size_t name = line.find('[');
      if (line.find("(NEEDED)") == line.npos)
        continue;
      EXPECT_TRUE(std::set<std::string>({"[libc.so.6]", "[libm.so.6]"}).count(line.substr(name)) ||
                  line.compare(name, 9, "[ld-linux") == 0)
          << exe << ": " << line;
    }
  }
}

} // namespace
} // namespace gemmac::rt
