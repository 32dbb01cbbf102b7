// The token loop, stop texts, and perplexity against its definition written out.
#include "runtime/Generate.h"
#include "FakeModel.h"
#include "TestPayload.h"
#include "runtime/Bench.h"
#include "runtime/CpuExecutor.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace gemmac::rt {
namespace {

using Ids = std::vector<int32_t>;

struct Fixture {
  explicit Fixture(const std::string &changes = "{}", int64_t context = test::kContext)
      : text(test::fakeManifest(changes)), model(test::fakeModel(text)), manifest(readManifest(model)),
        session(manifest, std::make_unique<CpuExecutor>(manifest, nullptr, 2), context),
        tokenizer(test::smallBlob()) {}

  GenerateResult answer(const Ids &prompt, const GenerateOptions &options,
                        const SamplingParams &p = {.temperature = 0}) {
    Sampler sampler(p, manifest.vocab, {}, manifest.suppress);
    shown.clear();
    return generate(session, sampler, tokenizer, manifest, prompt, options,
                    [&](const std::string &t) { shown += t; });
  }

  std::string text;
  GmModel model;
  Manifest manifest;
  Session session;
  Tokenizer tokenizer;
  std::string shown;
};

/// Greedy by hand.
Ids greedy(Ids ids, int n) {
  Ids answer;
  for (int i = 0; i < n; ++i) {
    std::vector<float> l = test::fakeLogits(ids);
    l[7] = -1e30f; // suppressed
    ids.push_back(static_cast<int32_t>(std::max_element(l.begin(), l.end()) - l.begin()));
    answer.push_back(ids.back());
  }
  return answer;
}

TEST(Generate, greedyFollowsTheModel) {
  Fixture f;
  GenerateOptions o;
  o.limit = 20;
  o.ignoreEos = true;
  const GenerateResult r = f.answer({2, 500, 600}, o);
  EXPECT_EQ(r.ids, greedy({2, 500, 600}, 20));
  EXPECT_EQ(r.reason, StopReason::Limit);
  EXPECT_EQ(r.decodeSteps, 19) << "the last token needs no step of its own";
  StreamDecoder d(f.tokenizer);
  std::string text;
  for (int32_t id : r.ids)
    text += d.feed(id);
  EXPECT_EQ(f.shown, text + d.finish());
}

/// An executable that has an entry of the largest logits answers as one without it, and uses it where they
/// suffice.
TEST(Generate, theLargestLogitsGiveTheSameAnswer) {
  GenerateOptions o;
  o.limit = 40;
  o.ignoreEos = true;
  const auto answer = [&](const char *changes, const SamplingParams &p) {
    for (auto &calls : test::fakeCalls)
      calls = 0;
    return Fixture(changes).answer({2, 500, 600}, o, p).ids;
  };
  for (auto [topK, penalty, suffices] : {std::tuple<int64_t, double, bool>(0, 1, false),
                                         {64, 1, true},
                                         {191, 1.3, true},
                                         {192, 1.3, false},
                                         {255, 1, true},
                                         {256, 1, false},
                                         {40, .9, false},
                                         {1, 1.1, true}})
    for (double temperature : {0., 1.}) {
      SamplingParams p{temperature, topK, .95, 0, penalty, 11};
      const Ids all = answer(R"({"entries": {"decode_top": null}})", p);
      EXPECT_EQ(test::fakeCalls[0], 39);
      EXPECT_EQ(answer("{}", p), all) << topK << " " << penalty;
      const bool top = suffices || (temperature == 0 && penalty >= 1);
      EXPECT_EQ(test::fakeCalls[top ? 4 : 0], 39) << topK << " " << penalty << " " << temperature;
    }
}

TEST(Generate, endsAtAStopId) {
  const Ids want = greedy({2, 9}, 6);
  Fixture f("{\"eos\": [" + std::to_string(want[4]) + "]}");
  ASSERT_EQ(std::count(want.begin(), want.begin() + 4, want[4]), 0);
  GenerateOptions o;
  o.limit = 6;
  GenerateResult r = f.answer({2, 9}, o);
  EXPECT_EQ(r.ids, Ids(want.begin(), want.begin() + 4));
  EXPECT_EQ(r.reason, StopReason::StopId);
  f.session.reset();
  o.ignoreEos = true;
  EXPECT_EQ(f.answer({2, 9}, o).ids, want);
}

TEST(Generate, endsWithTheContext) {
  Fixture f("{}", 10);
  GenerateOptions o;
  o.ignoreEos = true;
  const GenerateResult r = f.answer({2, 3, 4}, o);
  EXPECT_EQ(r.reason, StopReason::Context);
  EXPECT_EQ(r.ids.size(), 8u) << "seven steps, and the token that came of the last";
  f.session.reset();
  o.limit = 0;
  EXPECT_TRUE(f.answer({2}, o).ids.empty());
}

TEST(Generate, logitsThatAreNotFiniteHaveNoPerplexity) {
  const float nan[2] = {0, NAN}, infinite[2] = {INFINITY, 0}, good[2] = {0, 0};
  EXPECT_THROW(nll(nan, 2, 0), Failure);
  EXPECT_THROW(nll(infinite, 2, 0), Failure);
  EXPECT_NEAR(nll(good, 2, 0), std::log(2), 1e-12);
}

std::string filtered(const std::vector<std::string> &stops, const std::vector<std::string> &pieces,
                     bool &stopped) {
  StopFilter filter(stops);
  std::string out;
  for (const std::string &p : pieces)
    if ((stopped = filter.feed(p, out)))
      return out;
  return out + filter.finish();
}

TEST(StopFilter, findsTextsAcrossPieces) {
  bool stopped = false;
  EXPECT_EQ(filtered({"END"}, {"abc E", "N", "D def"}, stopped), "abc ");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(filtered({"END"}, {"abc E", "N", "X"}, stopped), "abc ENX");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(filtered({"END"}, {"abc EN"}, stopped), "abc EN") << "what was held back comes at the end";
  EXPECT_EQ(filtered({"aab"}, {"a", "a", "a", "b"}, stopped), "a");
  EXPECT_EQ(filtered({"xy", "b"}, {"abxy"}, stopped), "a") << "the first one met";
  StopFilter filter({"END"});
  std::string out;
  filter.feed("abc E", out);
  EXPECT_EQ(out, "abc ") << "shown at once, but for a possible start";
}

TEST(Perplexity, isLlamaCppsDefinition) {
  Fixture f;
  Ids ids{2};
  for (int i = 1; i < 150; ++i)
    ids.push_back(i * 31 % test::kVocab);
  constexpr int kWindow = 40;
  double sum = 0;
  int count = 0;
  for (int w = 0; w < 3; ++w) {
    Ids window(ids.begin() + w * kWindow, ids.begin() + (w + 1) * kWindow);
    window[0] = 2;
    for (int j = kWindow / 2; j < kWindow - 1; ++j, ++count) {
      const std::vector<float> l = test::fakeLogits(Ids(window.begin(), window.begin() + j + 1));
      double total = 0;
      for (float x : l)
        total += std::exp(static_cast<double>(x));
      sum += std::log(total) - l[static_cast<size_t>(window[static_cast<size_t>(j) + 1])];
    }
  }
  ASSERT_EQ(count, 3 * (kWindow - 1 - kWindow / 2));
  int64_t calls = 0;
  const double got =
      perplexity(f.session, f.manifest, ids, kWindow, 3, [&](int64_t w, double) { EXPECT_EQ(w, calls++); });
  EXPECT_NEAR(got, std::exp(sum / count), 1e-9 * got);
  EXPECT_EQ(calls, 3);
}

TEST(Bench, phasesSumToKinds) {
  Fixture f;
  const std::vector<PhaseTime> phases = benchPhases(f.session, f.manifest, false, 5, 10);
  ASSERT_EQ(phases.size(), 3u);
  EXPECT_EQ(phases[0].name, "layers.0.state");
  EXPECT_EQ(phases[2].name, "step");
  EXPECT_EQ(phases[2].bytes, 1000 + 2000 * 11.5 / 16) << "of 16 positions ten steps see 7 to 16";
  EXPECT_GE(phases[2].seconds, phases[0].seconds + phases[1].seconds - 1e-9);
  const std::vector<PhaseTime> kinds = byKind(phases);
  ASSERT_EQ(kinds.size(), 2u);
  EXPECT_EQ(kinds[0].name, "state");
  EXPECT_EQ(kinds[0].count, 2);
  EXPECT_DOUBLE_EQ(kinds[0].seconds, phases[0].seconds + phases[1].seconds);
}

TEST(Bench, rowsCountTokensOfEachRepetition) {
  Fixture f;
  const BenchRow pp = benchRow(f.session, f.manifest, 33, 0, 10, 3);
  EXPECT_EQ(pp.name(), "pp33 @ d10");
  EXPECT_EQ(pp.seconds.size(), 3u);
  const BenchRow tg{0, 100, 0, {2, 4}};
  EXPECT_EQ(tg.name(), "tg100");
  EXPECT_DOUBLE_EQ(tg.meanRate(), 37.5);
  EXPECT_NEAR(tg.deviationRate(), 17.6777, 1e-3);
}

} // namespace
} // namespace gemmac::rt
