// Sampler: each stage alone, the order of stages, and that a seed means the same draws everywhere.
#include "runtime/Sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace gemmac::rt {
namespace {

using Logits = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

Sampler sampler(const SamplingParams &p, size_t vocab, std::optional<double> cap = {},
                std::vector<int32_t> suppress = {}) {
  return Sampler(p, static_cast<int64_t>(vocab), cap, std::move(suppress));
}

std::map<int32_t, int> draw(const SamplingParams &p, const Logits &logits, int times) {
  Sampler s = sampler(p, logits.size());
  std::map<int32_t, int> seen;
  for (int i = 0; i < times; ++i) {
    Logits copy = logits;
    ++seen[s.sample(copy.data())];
  }
  return seen;
}

TEST(Sampler, greedyTakesTheLowestIdOfTies) {
  Logits l{1, 3, kNan, 3, -kInf};
  SamplingParams p;
  p.temperature = 0;
  EXPECT_EQ(sampler(p, l.size()).sample(l.data()), 1);
  EXPECT_EQ(sampler(p, l.size(), {}, {1}).sample(l.data()), 3) << "suppressed";
}

TEST(Sampler, nothingFiniteIsReported) {
  Logits l{kNan, -kInf, kNan};
  SamplingParams p;
  EXPECT_EQ(sampler(p, l.size()).sample(l.data()), -1);
  p.temperature = 0;
  EXPECT_EQ(sampler(p, l.size()).sample(l.data()), -1);
  Logits infinite{1, kInf};
  EXPECT_EQ(sampler(p, 2).sample(infinite.data()), -1);
}

TEST(Sampler, topKKeepsK) {
  SamplingParams p;
  p.topK = 2;
  const auto seen = draw(p, {1, 1.2f, 0, 1.1f, 1.2f}, 500);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen.count(1) && seen.count(4));
  p.topK = 1;
  EXPECT_EQ(draw(p, {0, 2, 2}, 20), (std::map<int32_t, int>{{1, 20}}));
}

TEST(Sampler, topPKeepsTheShortestPrefix) {
  const Logits l{std::log(.1f), std::log(.5f), std::log(.3f), std::log(.1f)};
  SamplingParams p;
  p.topP = .75;
  auto seen = draw(p, l, 1000);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen[1], 625, 60);
  p.topP = .45;
  EXPECT_EQ(draw(p, l, 50), (std::map<int32_t, int>{{1, 50}}));
  p.topP = 0;
  EXPECT_EQ(draw(p, l, 50), (std::map<int32_t, int>{{1, 50}})) << "at least one";
}

TEST(Sampler, topPOverALargeFlatVocabulary) {
  SamplingParams p;
  p.topP = .5;
  const auto seen = draw(p, Logits(2000, 1), 3000);
  EXPECT_LE(seen.rbegin()->first, 1000) << "ties by id: the lower half";
  EXPECT_GT(seen.size(), 800u);
}

TEST(Sampler, minPIsRelativeToTheLikeliest) {
  SamplingParams p;
  p.minP = .3;
  const auto seen = draw(p, {std::log(.1f), std::log(.5f), std::log(.2f), std::log(.2f)}, 500);
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen.count(0), 0u);
}

TEST(Sampler, temperatureComesAfterTopP) {
  // At temperature 4 top-p 0.75 alone would keep all four.
  SamplingParams p;
  p.topP = .75;
  p.temperature = 4;
  auto seen = draw(p, {std::log(.1f), std::log(.5f), std::log(.3f), std::log(.1f)}, 2000);
  EXPECT_EQ(seen.size(), 2u);
  const double a = std::pow(.5, .25), b = std::pow(.3, .25);
  EXPECT_NEAR(seen[1], 2000 * a / (a + b), 90);
}

TEST(Sampler, distributionIsSoftmax) {
  auto seen = draw({}, {std::log(.1f), std::log(.2f), std::log(.3f), std::log(.4f)}, 20000);
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(seen[i], 2000 * (i + 1), 200);
}

TEST(Sampler, repeatPenaltyActsBeforeTheSoftcap) {
  SamplingParams p;
  p.temperature = 0;
  p.repeatPenalty = 2;
  const double cap = 30;
  const auto capped = [&](double z) { return static_cast<float>(cap * std::tanh(z / cap)); };
  Logits l{capped(40), capped(19), capped(-5), capped(-9)};
  Sampler s = sampler(p, l.size(), cap);
  s.accept(0);
  s.accept(0); // counts once
  s.accept(2);
  EXPECT_EQ(s.sample(l.data()), 0) << "40 / 2 > 19";
  EXPECT_NEAR(l[0], capped(20), 1e-3);
  EXPECT_NEAR(l[2], capped(-10), 1e-3);
  EXPECT_EQ(l[1], capped(19)) << "others are untouched";
  Logits plain{40, 19, -5, -9};
  Sampler uncapped = sampler(p, plain.size());
  uncapped.accept(0);
  uncapped.sample(plain.data());
  EXPECT_FLOAT_EQ(plain[0], 20);
}

TEST(Sampler, penaltyForgetsAfter64) {
  SamplingParams p;
  p.temperature = 0;
  p.repeatPenalty = 10;
  Sampler s = sampler(p, 200);
  s.accept(7);
  for (int32_t i = 0; i < 64; ++i)
    s.accept(100 + i);
  Logits l(200, 0);
  l[7] = 1;
  EXPECT_EQ(s.sample(l.data()), 7);
  EXPECT_EQ(l[7], 1);
}

TEST(Sampler, aSeedMeansTheSameDrawsEverywhere) {
  Random r(42);
  EXPECT_EQ(r.next(), 1546998764402558742ull); // xoshiro256** after splitmix64(42)
  EXPECT_EQ(r.next(), 6990951692964543102ull);
  Logits l(100);
  for (size_t i = 0; i < l.size(); ++i)
    l[i] = static_cast<float>((i * 37) % 100) / 25;
  SamplingParams p;
  p.seed = 7;
  p.topK = 64;
  p.topP = .95;
  const auto draws = [&] {
    Sampler s = sampler(p, l.size());
    std::vector<int32_t> ids;
    for (int i = 0; i < 32; ++i) {
      Logits copy = l;
      ids.push_back(s.sample(copy.data()));
    }
    return ids;
  };
  const auto first = draws();
  EXPECT_EQ(first, draws());
  p.seed = 8;
  EXPECT_NE(first, draws());
}

/// What decode_top leaves of `logits`.
struct Top {
  Top(const Logits &logits, size_t n) : values(n, -kInf), ids(n, -1) {
    std::vector<int32_t> order;
    for (size_t i = 0; i < logits.size(); ++i)
      if (logits[i] > -kInf)
        order.push_back(static_cast<int32_t>(i));
    const auto at = [&](int32_t id) { return logits[static_cast<size_t>(id)]; };
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return at(a) > at(b); });
    for (size_t i = 0; i < std::min(n, order.size()); ++i)
      values[i] = at(ids[i] = order[i]);
  }
  operator TopLogits() const { return {values, ids}; }
  Logits values;
  std::vector<int32_t> ids;
};

enum class Kind { Plain, Ties, Capped, Saturated, Flat, Infinite, AllInfinite, Few };
constexpr Kind kKinds[] = {Kind::Plain, Kind::Ties,     Kind::Capped,      Kind::Saturated,
                           Kind::Flat,  Kind::Infinite, Kind::AllInfinite, Kind::Few};

Logits randomLogits(Kind kind, size_t vocab, Random &random) {
  Logits l(vocab);
  for (float &x : l) {
    const double u = random.uniform(), wide = 60 * u - 40;
    x = static_cast<float>(kind == Kind::Capped || kind == Kind::Saturated ? 30 * std::tanh(wide / 30)
                                                                           : wide);
    if (kind == Kind::Ties)
      x = std::floor(x / 8);
    if (kind == Kind::Saturated && u < .999)
      x = -30;
    if (kind == Kind::Flat)
      x = -30;
    const double rare = random.uniform();
    if (kind == Kind::Infinite && rare < .3)
      x = rare < .1 ? kNan : rare < .2995 ? -kInf : kInf;
    if (kind == Kind::AllInfinite)
      x = kInf;
    if (kind == Kind::Few && rare < .9)
      x = rare < .5 ? kNan : -kInf;
  }
  return l;
}

/// Every token drawn from the largest is the one drawn from all, whatever the logits.
void expectSameDraws(const SamplingParams &p, std::optional<double> cap, const std::vector<int32_t> &suppress,
                     const std::string &what) {
  constexpr size_t kVocab = 600, kTop = 160;
  for (Kind kind : kKinds) {
    Sampler all = sampler(p, kVocab, cap, suppress), few = sampler(p, kVocab, cap, suppress);
    ASSERT_TRUE(all.needsOnly(kTop)) << what;
    Random random(p.seed + 17);
    for (int step = 0; step < 75; ++step) {
      Logits l = randomLogits(kind, kVocab, random);
      const Top top(l, kTop);
      const int32_t id = few.sample(top);
      ASSERT_EQ(all.sample(l.data()), id)
          << what << ", logits " << static_cast<int>(kind) << ", step " << step;
      // Often one of the largest, so that penalties meet what would be drawn.
      const int32_t next = step % 3 == 0 ? static_cast<int32_t>(random.next() % kVocab) : top.ids[step % 40];
      for (Sampler *s : {&all, &few})
        s->accept(step % 5 && id >= 0 ? id : next);
    }
  }
}

TEST(Sampler, theLargestSuffice) {
  for (double temperature : {0., .8})
    for (int64_t topK : {1, 64})
      for (double penalty : {1., 1.00001, 1.1, 3.})
        for (double topP : {1., .9})
          for (auto [cap, suppress] :
               {std::pair(std::optional<double>(), std::vector<int32_t>()), {30., {3, 70, 599}}}) {
            SamplingParams p{temperature, topK, topP, topP < 1 ? .02 : 0, penalty, 5};
            expectSameDraws(p, cap, suppress,
                            "temperature " + std::to_string(temperature) + " top-k " + std::to_string(topK) +
                                " top-p " + std::to_string(topP) + " penalty " + std::to_string(penalty));
            if (testing::Test::HasFatalFailure())
              return;
          }
}

TEST(Sampler, whenTheLargestSuffice) {
  const auto needsOnly = [](SamplingParams p, int64_t candidates, size_t suppressed = 0) {
    return sampler(p, 1000, {}, std::vector<int32_t>(suppressed, 5)).needsOnly(candidates);
  };
  SamplingParams p;
  EXPECT_FALSE(needsOnly(p, 256)) << "top-k off";
  p.topK = 64;
  EXPECT_TRUE(needsOnly(p, 64));
  EXPECT_FALSE(needsOnly(p, 63));
  EXPECT_TRUE(needsOnly(p, 66, 2));
  EXPECT_FALSE(needsOnly(p, 65, 2));
  p.repeatPenalty = 1.1;
  EXPECT_TRUE(needsOnly(p, 128)) << "64 penalised";
  EXPECT_FALSE(needsOnly(p, 127));
  p.repeatPenalty = .9;
  EXPECT_FALSE(needsOnly(p, 1000)) << "raises logits";
  p.repeatPenalty = 1;
  p.topK = 1000;
  EXPECT_FALSE(needsOnly(p, 1000)) << "as many as there are: off";
  p.topK = 0;
  p.temperature = 0;
  EXPECT_TRUE(needsOnly(p, 1)) << "greedy";
}

TEST(Sampler, aPenaltyNeverRaisesALogit) {
  for (double penalty : {1.0000001, 1.0001, 1.5}) {
    SamplingParams p;
    p.temperature = 0;
    p.repeatPenalty = penalty;
    for (float x : {-30.f, std::nextafter(-30.f, 0.f), 30.f, -0.f, 0.f, 1e-30f, -29.99f, -kInf}) {
      Logits l{x};
      Sampler s = sampler(p, 1, 30.);
      s.accept(0);
      s.sample(l.data());
      EXPECT_LE(l[0], x) << penalty;
    }
  }
}

TEST(Sampler, portableExpIsExact) {
  for (double x = 0; x > -700; x -= .37)
    EXPECT_NEAR(portableExp(x) / std::exp(x), 1, 1e-15) << x;
  EXPECT_EQ(portableExp(0), 1);
  EXPECT_EQ(portableExp(-1e9), 0);
  EXPECT_EQ(portableExp(-kInf), 0);
}

} // namespace
} // namespace gemmac::rt
