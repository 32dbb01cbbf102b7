// One executable, several targets: which one is used, by features and by name, and what is said if none can
// be.
#include "Exe.h"
#include "runtime/Cpu.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gemmac::rt {
namespace {

using nlohmann::json;

std::string target(const char *name, const char *feature) {
  return test::fakeManifest(
      json{{"march", json::array({name})}, {"features", json::array({feature})}}.dump());
}

/// Three targets, of which the machine lacks the first.
class SeveralTargets : public Exe {
protected:
  void SetUp() override {
    Exe::SetUp();
    others = {target("imaginary", "unobtainium"), target("good", "sse2")};
    manifest = target("plain", "sse");
  }
  std::string used(std::vector<std::string> args) {
    args.insert(args.begin(), {"bench", "-p", "0", "-n", "2", "-r", "1", "-o", "json"});
    const Outcome r = run(std::move(args));
    EXPECT_EQ(r.code, 0) << r.err;
    return json::parse(r.out)[0]["march"];
  }
};

TEST_F(SeveralTargets, theFirstThatTheMachineHasIsUsed) {
  EXPECT_EQ(used({}), "good");
  std::swap(others[1], manifest);
  EXPECT_EQ(used({}), "plain");
}

TEST_F(SeveralTargets, oneCanBeAskedForByName) {
  EXPECT_EQ(used({"--march", "plain"}), "plain");
  EXPECT_EQ(used({"--march=good"}), "good");
  for (const std::string name : {"bad", "", "PLAIN", "good,plain"})
    expectFailure(run({"--ids", "2", "-n", "1", "--march", name}), kBadUsage,
                  "--march: found '" + name +
                      "', expected a target that this executable has code for: imaginary, "
                      "good, plain");
  expectFailure(run({"--ids", "2", "-n", "1", "--march", "imaginary"}), kLacking, "lacks unobtainium");
}

TEST_F(SeveralTargets, whereNoneCanBeUsedEachSaysWhatItNeeds) {
  others[1] = target("good", "mithril");
  manifest = target("plain", "adamant");
  expectFailure(run({"--ids", "2", "-n", "1"}), kLacking,
                "imaginary needs unobtainium; good needs mithril; plain needs adamant; compile it again");
  const Outcome info = run({"info", "--json"});
  ASSERT_EQ(info.code, 0) << info.err;
  const json described = json::parse(info.out); // outlives the loop over a part of it
  for (const json &t : described["targets"])
    EXPECT_EQ(t["used"], false) << t;
}

TEST_F(SeveralTargets, infoShowsAllAndTheOneInUse) {
  const json j = json::parse(run({"info", "--json"}).out);
  EXPECT_EQ(j["march"], json::array({"good"}));
  ASSERT_EQ(j["targets"].size(), 3u);
  EXPECT_EQ(j["targets"][0]["missing_features"], json::array({"unobtainium"}));
  EXPECT_EQ(j["targets"][1]["used"], true);
  EXPECT_EQ(j["targets"][2]["used"], false);
  const std::string text = run({"info"}).out;
  for (const char *line :
       {"  imaginary: lacks unobtainium, ", "  good: used here, ", "  plain: not used here, "})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  EXPECT_NE(run({"info", "--march", "plain"}).out.find("  plain: used here"), std::string::npos);
}

TEST_F(Exe, oneTargetIsNoList) {
  const std::string text = run({"info"}).out;
  EXPECT_EQ(text.find("targets:"), std::string::npos) << text;
  EXPECT_EQ(run({"--ids", "2", "-n", "1", "--march", "x86-64"}).code, 0);
}

TEST(Cpu, featuresWithoutStateNeedNoPermission) { EXPECT_TRUE(enableFeatures({"sse2", "avx2"})); }

} // namespace
} // namespace gemmac::rt
