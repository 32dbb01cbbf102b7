// Predicted times: the roofline of each kind of phase, in literal numbers, and what bench makes of it.
#include "Exe.h"
#include "runtime/Bench.h"
#include "runtime/CpuExecutor.h"
#include "runtime/Failure.h"
#include "runtime/Signals.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>

namespace gemmac::rt {
namespace {

Machine round() {
  Machine m;
  m.readRate = 20e9;
  m.f32 = 100e9;
  m.int8 = 400e9;
  m.tiles = 1000e9;
  m.barrierSeconds = 2e-6;
  m.workers = 4;
  return m;
}

TEST(MachineModel, aSingleRowsProductIsBoundByReading) {
  const PhaseWork decode{"product", "int8", false, 18e6, 1e6, 64};
  EXPECT_NEAR(predictSeconds(round(), decode), 2e-6 + 1e-3, 1e-9) << "90 % of the streaming rate";
}

TEST(MachineModel, manyRowsAreBoundByTheirKindOfProduct) {
  PhaseWork prompt{"product", "bf16-tiles", true, 1e6, 330e6, 64};
  EXPECT_NEAR(predictSeconds(round(), prompt), 2e-6 + 1e-3, 1e-9);
  prompt.product = "int8"; // 27 % of 400e9
  EXPECT_NEAR(predictSeconds(round(), prompt), 2e-6 + 330e6 / 108e9, 1e-9);
}

TEST(MachineModel, whatDoesNotUseTheTilesIsNotPredictedByThem) {
  PhaseWork router{"f32-product", "bf16-tiles", true, 1e3, 40e6, 8};
  EXPECT_NEAR(predictSeconds(round(), router), 2e-6 + 1e-3, 1e-9) << "40 % of 100e9";
  const PhaseWork norms{"rows", "bf16-tiles", true, 1e3, 50e6, 256};
  EXPECT_NEAR(predictSeconds(round(), norms), 2e-6 + 1e-3, 1e-9) << "50 % of 100e9";
}

TEST(MachineModel, fewTasksLeaveWorkersIdle) {
  const PhaseWork one{"product", "int8", false, 18e6, 1e6, 1};
  EXPECT_NEAR(predictSeconds(round(), one), 2e-6 + 4e-3, 1e-9);
}

TEST(MachineModel, whatIsNotKnownIsNotPredicted) {
  const PhaseWork phase{"rows", "int8", false, 1e6, 1e6, 8};
  EXPECT_GT(predictSeconds(round(), phase), 0);
  Machine m = round();
  m.readRate = 0;
  EXPECT_EQ(predictSeconds(m, phase), 0);
  EXPECT_EQ(predictSeconds(round(), {"dreams", "int8", false, 1, 1, 1}), 0);
  EXPECT_EQ(predictSeconds(round(), {"product", "int3", false, 1, 1, 1}), 0);
}

TEST(MachineModel, phasesOfAStepSumUp) {
  const std::string text =
      test::fakeManifest(R"({"phase_work": ["rows", "attention"], "phase_tasks": [8, 8]})");
  const GmModel model = test::fakeModel(text);
  const Manifest manifest = readManifest(model);
  std::vector<PhaseTime> phases{
      {"layers.0.state", 1, 1, 15e6, 0, 0}, {"layers.1.state", 1, 1, 6.6e6, 0, 0}, {"step"}};
  predictPhases(phases, manifest, false, round());
  EXPECT_NEAR(phases[0].predicted, 2e-6 + 1e-3, 1e-9);
  EXPECT_NEAR(phases[1].predicted, 2e-6 + 1e-3, 1e-9);
  EXPECT_DOUBLE_EQ(phases[2].predicted, phases[0].predicted + phases[1].predicted);
  EXPECT_DOUBLE_EQ(byKind(phases)[0].predicted, phases[2].predicted);
}

TEST_F(Exe, phasesShowPredictionsOnlyWhereTheyAreKnown) {
  manifest = test::fakeManifest(R"({"phase_work": ["rows", "attention"], "phase_tasks": [8, 8]})");
  const nlohmann::json j = nlohmann::json::parse(run({"bench", "--phases", "-n", "5", "-o", "json"}).out);
  EXPECT_EQ(j["phases"][0]["predicted_us"], 0) << "weights of 3000 bytes say nothing of a streaming rate";
  EXPECT_EQ(j["phases"][0]["ratio"], 0);
  for (const char *field : {"read_bytes_per_s", "f32_flops_per_s", "int8_flops_per_s", "tiles_flops_per_s"})
    EXPECT_TRUE(j["machine"][field].is_number()) << field;
  EXPECT_GT(j["machine"]["barrier_s"], 0);
  EXPECT_NE(run({"bench", "--phases", "-n", "5"}).out.find("predicted us | ratio |"), std::string::npos);
}

TEST(Bench, interruptEndsEveryMeasurement) {
  const std::string text = test::fakeManifest();
  const GmModel model = test::fakeModel(text);
  const Manifest manifest = readManifest(model);
  Session session(manifest, std::make_unique<CpuExecutor>(manifest, nullptr, 2), 200);
  constexpr uint64_t kWeights = 64 * GM_STREAM_BLOCK; // null: they are not read
  forgetInterrupt();
  std::raise(SIGINT);
  EXPECT_TRUE(interrupted());
  EXPECT_THROW(computePeaks(session, manifest), Interrupted);
  EXPECT_THROW(streamingRead(session, manifest, kWeights), Interrupted);
  EXPECT_THROW(measureMachine(session, manifest, 0), Interrupted) << "no machine with rates of 0";
  EXPECT_THROW(benchPhases(session, manifest, false, 0, 3), Interrupted);
  EXPECT_THROW(benchRow(session, manifest, 0, 4, 0, 2), Interrupted);
  forgetInterrupt();
  EXPECT_GT(computePeaks(session, manifest).at(0), 0);
  std::signal(SIGINT, SIG_DFL);
}

} // namespace
} // namespace gemmac::rt
