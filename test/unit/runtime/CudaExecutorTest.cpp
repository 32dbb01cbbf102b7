// Steps on a GPU that fakecuda/FakeCuda.cpp stands in for: what is asked of the driver, what comes back, and
// what is said when it fails.
#include "runtime/cuda/CudaExecutor.h"
#include "FakeCudaModel.h"
#include "FakeGpu.h"
#include "runtime/Device.h"
#include "runtime/Session.h"
#include "runtime/Signals.h"
#include "runtime/Trace.h"

#include <nlohmann/json.hpp>

#include <csignal>
#include <cstring>

namespace gemmac::rt::cuda {
namespace {

using test::fakeLogits;
using Ids = std::vector<int32_t>;
using Lines = std::vector<std::string>;

Ids someIds(int n) {
  Ids ids{2};
  while (static_cast<int>(ids.size()) < n)
    ids.push_back(static_cast<int32_t>((ids.size() * 7919) % test::kVocab));
  return ids;
}

bool same(const float *got, const std::vector<float> &want) {
  return std::memcmp(got, want.data(), want.size() * sizeof(float)) == 0;
}

struct Program {
  explicit Program(const std::string &changes = "{}") : fake(changes), manifest(readManifest(fake.model)) {}
  Program(const std::string &changes, const std::vector<test::FakeCode> &codes)
      : fake(changes, codes), manifest(readManifest(fake.model)) {}
  std::unique_ptr<Executor> open() const { return manifest.device->open(manifest, weights); }
  test::FakeCudaModel fake;
  Manifest manifest;
  std::vector<char> weights = std::vector<char>(3000, 'w');
};

class Cuda : public testing::Test {
protected:
  /// Opening, or what `f` does, fails with exit 3; all of `mention` is said.
  void expectLacking(const Lines &mention, const std::function<void()> &f) {
    try {
      f();
      FAIL() << mention[0];
    } catch (const Failure &e) {
      EXPECT_EQ(e.code, kLacking);
      for (const std::string &text : mention)
        EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << text << " in: " << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    }
  }
  void expectLacking(const Lines &mention, const Program &program = Program()) {
    expectLacking(mention, [&] { program.open(); });
  }
  test::FakeGpu gpu;
};

TEST_F(Cuda, lastAllAndDecodeAgree) {
  Program p;
  Session s(p.manifest, p.open(), test::kContext);
  for (int n : {1, 2, 8, 9, 16, 17, 33, 100}) {
    Ids ids = someIds(n);
    s.reset();
    EXPECT_TRUE(same(s.prefillLast(ids), fakeLogits(ids))) << n;
    ids.push_back(5);
    EXPECT_TRUE(same(s.decode(5), fakeLogits(ids))) << n;
    s.reset();
    int64_t rows = 0;
    s.prefillAll(ids, [&](int64_t i, const float *row) {
      EXPECT_EQ(i, rows++);
      EXPECT_TRUE(same(row, fakeLogits(Ids(ids.begin(), ids.begin() + i + 1)))) << n << " row " << i;
    });
    EXPECT_EQ(rows, n + 1);
  }
}

TEST_F(Cuda, theLargestLogitsHaveTheirIds) {
  Program p;
  Session s(p.manifest, p.open(), test::kContext);
  Ids ids = someIds(5);
  s.prefill(ids);
  const TopLogits top = s.decodeTop(77);
  ids.push_back(77);
  const std::vector<float> all = fakeLogits(ids);
  ASSERT_EQ(top.values.size(), 256u);
  for (size_t i = 0; i < top.values.size(); ++i)
    EXPECT_EQ(top.values[i], all[static_cast<size_t>(top.ids[i])]);
}

TEST_F(Cuda, logitsCanBeWrittenTo) {
  Program p;
  Session s(p.manifest, p.open(), test::kContext);
  float *logits = s.prefillLast(someIds(3));
  std::fill(logits, logits + test::kVocab, 0.0f);
  Ids ids = someIds(3);
  ids.push_back(9);
  EXPECT_TRUE(same(s.decode(9), fakeLogits(ids)));
}

TEST_F(Cuda, weightsArriveWholeThroughTwoPinnedPieces) {
  Program p;
  p.weights.resize((50 << 20) + 12345);
  uint32_t state = 1;
  for (char &byte : p.weights)
    byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  Session s(p.manifest, p.open(), test::kContext);
  s.decode(2);
  char want[64];
  std::snprintf(want, sizeof want, "weights %016llx",
                static_cast<unsigned long long>(test::fakeHash(p.weights)));
  EXPECT_EQ(gpu.log("weights"), Lines{want});
  EXPECT_EQ(gpu.log("pin " + std::to_string(16 << 20)).size(), 2u);
  EXPECT_EQ(gpu.log("pin").size(), 4u) << "and a step's input and a row of logits";
}

std::string hashLine(const char *what, std::span<const char> bytes) {
  char line[64];
  std::snprintf(line, sizeof line, "%s %016llx", what,
                static_cast<unsigned long long>(test::fakeHash({bytes.begin(), bytes.end()})));
  return line;
}

TEST_F(Cuda, tablesOfEmbeddingsStayInPinnedMemory) {
  Program p(R"({"tables_at": 2048})");
  for (size_t i = 0; i < p.weights.size(); ++i)
    p.weights[i] = static_cast<char>(i * 37 >> 3);
  const DeviceReport report = p.manifest.device->report(p.manifest, p.weights.size());
  EXPECT_EQ(report.memory.front().bytes, 2048u);
  EXPECT_EQ(report.hostBytes, p.weights.size() - 2048);
  Session s(p.manifest, p.open(), test::kContext);
  s.decode(2);
  const std::span<const char> all(p.weights);
  EXPECT_EQ(gpu.log("weights"), Lines{hashLine("weights", all.first(2048))});
  EXPECT_EQ(gpu.log("tables"), Lines{hashLine("tables", all.subspan(2048))});
}

TEST_F(Cuda, aStepIsOneLaunchThatBringsBackWhatIsLookedAt) {
  Program p;
  Session s(p.manifest, p.open(), test::kContext);
  gpu.forget();
  s.decode(2);
  EXPECT_EQ(gpu.log("launch"), Lines{"launch gm_decode 12x256 shared 1024"})
      << "three blocks on each of four";
  EXPECT_EQ(gpu.log("run"), Lines{"run gm_decode rows 1 from 0"});
  EXPECT_EQ(gpu.log("copy"), Lines{"copy 8192 back"});
  gpu.forget();
  s.prefill(someIds(20));
  EXPECT_EQ(gpu.log("run"),
            (Lines{"run gm_prefill_none rows 16 from 1", "run gm_prefill_none rows 4 from 17"}));
  EXPECT_EQ(gpu.log("launch").back(), "launch gm_prefill_none 8x256 shared 1024");
  EXPECT_TRUE(gpu.log("copy").empty());
  s.decodeTop(3);
  EXPECT_EQ(gpu.log("copy"), (Lines{"copy 1024 back", "copy 1024 back"})) << "values and ids";
  gpu.forget();
  s.prefillAll(someIds(4), [](int64_t, const float *) {});
  EXPECT_EQ(gpu.log("copy"), Lines(4, "copy 8192 back"));
  EXPECT_TRUE(gpu.log("allocate").empty() && gpu.log("pin").empty()) << "a step allocates nothing";
}

TEST_F(Cuda, everythingIsGivenBack) {
  Program p;
  p.open();
  EXPECT_EQ(gpu.log("release").back(), "release: 0 device, 0 pinned, 0 streams, 0 events, 0 modules left");
  EXPECT_EQ(gpu.log("allocate").size(), 5u);
  gpu.set("FAKE_CUDA_FAIL", "cuMemAlloc_v2:2:4");
  expectLacking(
      {"cannot allocate 128 bytes of the GPU's memory for the counters: CUDA_ERROR_OUT_OF_MEMORY (2)"}, p);
  EXPECT_EQ(gpu.log("release").back(), "release: 0 device, 0 pinned, 0 streams, 0 events, 0 modules left");
}

TEST_F(Cuda, theBestCodeIsLoaded) {
  Program p;
  p.open();
  EXPECT_EQ(gpu.log("load")[0], "load ELF sm_90a gm_decode");
  EXPECT_EQ(gpu.log("load").size(), 5u);
  gpu.forget();
  gpu.set("FAKE_CUDA_CAPABILITY", "86");
  p.open();
  EXPECT_EQ(gpu.log("load")[0], "load ELF sm_80 gm_decode");
  gpu.forget();
  gpu.set("FAKE_CUDA_CAPABILITY", "120");
  p.open();
  EXPECT_EQ(gpu.log("load")[0], "load .version 8.6 .target sm_80 .entry gm_decode");
}

TEST_F(Cuda, aGpuThatNoCodeIsFor) {
  gpu.set("FAKE_CUDA_CAPABILITY", "75");
  expectLacking({"this GPU (Fake GPU 0, compute capability 7.5, driver for CUDA 12.8)",
                 "can run none of the code that the executable has: sm_90a, sm_80, PTX for sm_80",
                 "--gpu-arch"});
  gpu.set("FAKE_CUDA_CAPABILITY", "100");
  expectLacking({"has: sm_90a;"}, Program("{}", {{"sm_90a"}}));
}

TEST_F(Cuda, tooLittleMemoryIsSaidBeforeAnyIsTaken) {
  gpu.set("FAKE_CUDA_MEMORY", "80000");
  // weights, arena, 12 blocks of 1000, two counters, and of a step: 128 for GmStep, twice 16 ids
  const int need = 3000 + 69632 + 12000 + 128 + 128 + 2 * 64;
  expectLacking({"the model needs " + std::to_string(need) +
                     " bytes of the GPU's memory (weights 0.0 MiB, arena 0.1 MiB, ",
                 "scratch of 12 blocks", "Fake GPU 0 has 80000 of 2147483648 free", "--context"});
  EXPECT_TRUE(gpu.log("allocate").empty());
}

TEST_F(Cuda, noDriverOrNoGpu) {
  gpu.set("FAKE_CUDA_FAIL", "cuDriverGetVersion:34");
  expectLacking(
      {"cannot ask the NVIDIA driver for its version: unknown error (34); the library that was found is the "
       "toolkit's stub"});
  gpu.set("FAKE_CUDA_FAIL", "");
  gpu.set("FAKE_CUDA_VERSION", "11040");
  expectLacking({"the NVIDIA driver is too old: found one for CUDA 11.4, expected one for CUDA 12.0 or later",
                 "update the driver"});
  gpu.set("FAKE_CUDA_VERSION", "12000");
  gpu.set("FAKE_CUDA_DEVICES", "0");
  expectLacking({"cannot initialize the NVIDIA driver: CUDA_ERROR_NO_DEVICE (100)", "CUDA_VISIBLE_DEVICES"});
  gpu.set("FAKE_CUDA_DEVICES", "1");
  gpu.set("FAKE_CUDA_FAIL", "cuDevicePrimaryCtxRetain:46");
  expectLacking({"cannot use the first GPU: unknown error (46); another process has the GPU"});
}

TEST_F(Cuda, aGpuThatCannotHoldABlock) {
  gpu.set("FAKE_CUDA_COOPERATIVE", "0");
  expectLacking({"Fake GPU 0", "cooperative launch"});
  gpu.set("FAKE_CUDA_COOPERATIVE", "1");
  gpu.set("FAKE_CUDA_SHARED", "1000");
  expectLacking({"a block of 'decode' needs 1024 bytes of shared memory", "gives a block 1000"});
  gpu.set("FAKE_CUDA_SHARED", "2000");
  gpu.set("FAKE_CUDA_BLOCKS", "0");
  expectLacking({"holds no block of 'decode': 256 threads of 255 registers, 1024 bytes of shared memory"});
}

TEST_F(Cuda, codeThatTheDriverDoesNotTake) {
  gpu.set("FAKE_CUDA_CAPABILITY", "120");
  gpu.set("FAKE_CUDA_FAIL", "cuModuleLoadDataEx:222:2");
  expectLacking({"cannot load the code of 'decode_top' (PTX for sm_80) on Fake GPU 0",
                 "ptxas fatal: the first line the second", "(222)", "update the driver"});
  gpu.set("FAKE_CUDA_FAIL", "cuModuleGetFunction:500");
  expectLacking({"its kernel gm_decode: unknown error (500); compile the model again"});
}

TEST_F(Cuda, anErrorOfAStepIsOneMessageAndTheEnd) {
  for (const auto &[fail, mention] :
       {std::pair<std::string, Lines>(
            "cuStreamSynchronize:700:3",
            {"waiting for its end: CUDA_ERROR_ILLEGAL_ADDRESS (700, an illegal memory "
             "access was encountered); check the executable with `verify`"}),
        {"cuLaunchCooperativeKernel:719:2", {"launching its kernel: CUDA_ERROR_LAUNCH_FAILED (719)"}},
        {"cuMemcpyHtoDAsync_v2:999:3", {"copying its tokens: unknown error (999)"}},
        {"cuMemsetD8Async:1:4", {"clearing its counters: CUDA_ERROR_INVALID_VALUE (1)"}}}) {
    gpu.forget();
    gpu.set("FAKE_CUDA_FAIL", fail);
    Program p;
    Lines all = mention;
    all.push_back("the GPU (Fake GPU 0) failed in a step of 'decode', 1 token from position 3 on, ");
    expectLacking(all, [&] {
      Session s(p.manifest, p.open(), test::kContext);
      s.prefill(someIds(3));
      s.decode(5);
    });
    EXPECT_TRUE(gpu.log("release").empty()) << "a lost GPU is asked for nothing more";
  }
}

TEST_F(Cuda, weightsThatCannotBeCopied) {
  Program p;
  p.weights.resize(40 << 20);
  for (const char *fail : {"cuMemcpyHtoDAsync_v2:719:2", "cuEventSynchronize:719:3", "cuEventRecord:719:1"}) {
    gpu.set("FAKE_CUDA_FAIL", fail);
    expectLacking({"cannot copy the weights to the GPU (Fake GPU 0): CUDA_ERROR_LAUNCH_FAILED (719)"}, p);
    EXPECT_TRUE(gpu.log("release").empty());
  }
}

TEST_F(Cuda, interruptEndsCopyingTheWeights) {
  Program p;
  forgetInterrupt();
  std::raise(SIGINT);
  EXPECT_THROW(p.open(), Interrupted);
  forgetInterrupt();
  std::signal(SIGINT, SIG_DFL);
  EXPECT_EQ(gpu.log("release").back(), "release: 0 device, 0 pinned, 0 streams, 0 events, 0 modules left");
}

TEST_F(Cuda, measurementsOfACpuAreRefused) {
  Program p;
  const std::unique_ptr<Executor> executor = p.open();
  EXPECT_THROW(executor->runOther(nullptr, 1), Failure);
}

TEST_F(Cuda, traceHasStepsOnly) {
  Program p;
  Session s(p.manifest, p.open(), test::kContext);
  test::TempDir dir;
  Trace trace(dir / "t.json", p.manifest, s, std::chrono::steady_clock::now());
  s.prefillLast(someIds(20));
  s.decode(5);
  trace.commit();
  const nlohmann::json events = nlohmann::json::parse(test::slurp(dir / "t.json"))["traceEvents"];
  Lines names;
  for (const nlohmann::json &event : events)
    if (event["ph"] == "X") {
      EXPECT_EQ(event["tid"], 0);
      names.push_back(event["name"]);
    }
  EXPECT_EQ(names, (Lines{"prefill_none", "prefill_last", "decode"}));
}

void expectBroken(const std::string &mention, const test::FakeCudaModel &fake) {
  try {
    readManifest(fake.model);
    FAIL() << mention;
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
    EXPECT_NE(std::string(e.what()).find(mention), std::string::npos) << e.what();
  }
}

TEST(CudaManifest, damageIsNamed) {
  expectBroken("'gpu' is missing", test::FakeCudaModel(R"({"gpu": null})"));
  expectBroken("'threads' is 0", test::FakeCudaModel(R"({"gpu": {"threads": 0}})"));
  expectBroken("'sm_90a' is -1",
               test::FakeCudaModel(R"({"gpu": {"shared_bytes": {"sm_90a": -1}}})", {{"sm_90a"}}));
  expectBroken("'sm_90a' is missing",
               test::FakeCudaModel(R"({"gpu": {"shared_bytes": {"sm_90a": null}}})", {{"sm_90a"}}));
  expectBroken("'target' is cpu, and its code is for a GPU", test::FakeCudaModel(R"({"target": "cpu"})"));
  expectBroken("entry 'decode' has no code", test::FakeCudaModel("{}", {}));
  test::FakeCudaModel cut("{}", {{"sm_80", true}});
  cut.images[2].size -= 1;
  expectBroken("the code of entry 'prefill_none' for sm_80 is not whole", cut);
  test::FakeCudaModel noDevice;
  noDevice.model.device = nullptr;
  expectBroken("'target' is cuda, and its code is for a CPU", noDevice);
}

} // namespace
} // namespace gemmac::rt::cuda
