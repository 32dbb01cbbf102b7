// --trace: JSON that parses, with the manifest's phase names, ordered on each track, and no more than fits.
#include "runtime/Trace.h"
#include "Exe.h"
#include "runtime/CpuExecutor.h"
#include "runtime/Failure.h"

#include <nlohmann/json.hpp>

#include <csignal>
#include <fstream>
#include <map>

namespace gemmac::rt {
namespace {

using nlohmann::json;

/// Complete events by track, in the order of the file.
std::map<int, std::vector<json>> tracks(const std::string &text) {
  std::map<int, std::vector<json>> result;
  const json trace = json::parse(text);
  for (const json &event : trace["traceEvents"])
    if (event["ph"] == "X")
      result[event["tid"]].push_back(event);
  return result;
}

void expectOrdered(const std::map<int, std::vector<json>> &tracks) {
  for (const auto &[tid, events] : tracks)
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_GE(events[i]["dur"].get<double>(), 0);
      if (i) { // to the last digit that is printed
        EXPECT_GE(events[i]["ts"].get<double>() + 2e-3,
                  events[i - 1]["ts"].get<double>() + events[i - 1]["dur"].get<double>())
            << "track " << tid << ", event " << i;
      }
    }
}

TEST_F(Exe, traceOfARunHasAStepForEachTokenAndAPhaseForEachWorker) {
  const Outcome r = run(
      {"--ids", "2,9,17", "-n", "4", "--temp", "0", "--ignore-eos", "-t", "2", "--trace", dir / "t.json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const auto all = tracks(test::slurp(dir / "t.json"));
  ASSERT_EQ(all.size(), 3u) << "steps and two workers";
  expectOrdered(all);
  const std::vector<json> &steps = all.at(0);
  ASSERT_EQ(steps.size(), 4u) << "the prompt, and a token for each but the last";
  EXPECT_EQ(steps[0]["name"], "prefill_last");
  EXPECT_EQ(steps[0]["args"], json({{"position", 0}, {"rows", 3}}));
  EXPECT_EQ(steps[3]["name"], "decode_top");
  EXPECT_EQ(steps[3]["args"], json({{"position", 5}, {"rows", 1}}));
  for (int worker : {1, 2}) {
    const std::vector<json> &phases = all.at(worker);
    ASSERT_EQ(phases.size(), 8u);
    EXPECT_EQ(phases[0]["name"], "layers.0.state");
    EXPECT_EQ(phases[1]["name"], "head") << "of prefill_last";
    EXPECT_EQ(phases[7]["name"], "layers.1.state") << "of decode";
  }
}

TEST_F(Exe, traceOfABenchWithAndWithoutPhases) {
  for (const char *phases : {"--phases", "--repetitions=1"}) {
    const Outcome r =
        run({"bench", "-p", "0", "-n", "3", phases, "-t", "2", "-o", "json", "--trace", dir / "t.json"});
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_TRUE(json::accept(r.out));
    const auto all = tracks(test::slurp(dir / "t.json"));
    expectOrdered(all);
    EXPECT_GE(all.at(0).size(), 3u);
    EXPECT_EQ(all.at(2).size(), all.at(1).size());
  }
}

TEST_F(Exe, traceThatCannotBeWritten) {
  expectFailure(run({"--ids", "2", "--trace", dir / "no/such/t.json"}), 3, "no/such/t.json");
  expectFailure(run({"--ids", "2", "--trace", dir.path}), 1, "it is a folder");
  expectFailure(run({"--ids", "2", "--trace", ""}), 1, "it is empty");
  test::writeFile(dir / "prompt", "a b c");
  expectFailure(run({"-f", dir / "prompt", "--trace", dir / "prompt"}), 2, "is the file of -f");
  EXPECT_EQ(test::slurp(dir / "prompt"), "a b c");
  EXPECT_EQ(run({"--ids", "2", "-n", "2", "--trace", "/dev/full"}).code, 3);
}

/// Whether the process has its handler by now; also true once it is gone.
bool catchesInterrupt(pid_t pid) {
  std::ifstream file(cat("/proc/", pid, "/status"));
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, 8, "State:\tZ") == 0)
      return true;
    else if (line.compare(0, 7, "SigCgt:") == 0)
      return std::stoull(line.substr(7), nullptr, 16) >> (SIGINT - 1) & 1;
  return true;
}

TEST_F(Exe, interruptedBenchLeavesTheTraceOfWhatItDid) {
  test::fakeDelayMs = 20; // 100 repetitions of 100 steps: minutes, if nobody stops it
  const pid_t pid = start(
      {"bench", "-p", "0", "-n", "100", "-r", "100", "-t", "1", "--trace", dir / "t.json"}, "", dir / "out");
  test::fakeDelayMs = 0;
  while (!catchesInterrupt(pid))
    usleep(1000);
  kill(pid, SIGINT);
  const Outcome r = finish(pid, dir / "out");
  EXPECT_EQ(r.code, 130) << r.err;
  EXPECT_EQ(r.out, "");
  EXPECT_GE(tracks(test::slurp(dir / "t.json")).at(0).size(), 1u);
}

class Traced : public testing::Test {
protected:
  std::string text = test::fakeManifest(R"({"prefill_last_phases": null})");
  GmModel model = test::fakeModel(text);
  Manifest manifest = readManifest(model);
  Session session{manifest, std::make_unique<CpuExecutor>(manifest, nullptr, 2), 200};
  test::TempDir dir;
};

TEST_F(Traced, whatFindsNoRoomIsLeftOutAndCounted) {
  Trace trace(dir / "t.json", manifest, session, std::chrono::steady_clock::now(), 10);
  for (int i = 0; i < 4; ++i) // two phases and the end of the step, for each of two workers: six spans wanted
    session.decode(2);
  EXPECT_EQ(trace.leftOut(), 2);
  trace.commit();
  const auto all = tracks(test::slurp(dir / "t.json"));
  EXPECT_EQ(all.at(0).size(), 2u);
  EXPECT_EQ(all.at(1).size(), 4u);
}

TEST_F(Traced, nothingIsTakenBehindAStepThatFoundNoRoom) {
  Trace trace(dir / "t.json", manifest, session, std::chrono::steady_clock::now(), 9);
  const int32_t ids[] = {2, 3, 4};
  session.decode(2);    // four to six of the nine spans
  session.decode(5);    // as many: no room
  session.prefill(ids); // of one phase, which would still fit
  EXPECT_EQ(trace.leftOut(), 2);
  trace.commit();
  EXPECT_EQ(tracks(test::slurp(dir / "t.json")).at(0).size(), 1u);
}

TEST_F(Traced, phasesWithoutNamesHaveNumbers) {
  {
    Trace trace(dir / "t.json", manifest, session, std::chrono::steady_clock::now());
    const int32_t ids[] = {2, 3, 4};
    session.prefillLast(ids);
    trace.commit();
  }
  EXPECT_EQ(session.observer(), nullptr);
  session.decode(5);
  EXPECT_EQ(tracks(test::slurp(dir / "t.json")).at(2)[1]["name"], "phase 1");
}

} // namespace
} // namespace gemmac::rt
