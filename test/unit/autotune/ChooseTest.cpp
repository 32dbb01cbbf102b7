// What counts as clearly faster.
#include "codegen/autotune/Choose.h"

#include "gtest/gtest.h"

#include <cstdint>

namespace gemmac {

namespace {

TEST(FastestOf, TheModelStaysUnlessAnotherIsClearlyFaster) {
  EXPECT_EQ(fastestOf({{1.0, 0.98}, {1.0, 0.98}, {1.0, 0.98}}), 0u) << "2 % is noise";
  EXPECT_EQ(fastestOf({{1.0, 0.9}, {1.0, 0.9}, {1.0, 0.9}}), 1u);
  EXPECT_EQ(fastestOf({{1.0, 1.2}, {1.0, 1.1}, {1.0, 1.3}}), 0u);
}

TEST(FastestOf, MostRoundsMustAgree) {
  EXPECT_EQ(fastestOf({{1.0, 0.5}, {1.0, 0.99}, {1.0, 0.99}}), 0u) << "one lucky round";
  EXPECT_EQ(fastestOf({{1.0, 0.5}, {1.0, 0.5}, {1.0, 0.99}, {1.0, 0.99}}), 0u) << "half is no majority";
  EXPECT_EQ(fastestOf({{1.0, 0.5}, {1.0, 2.0}, {1.0, 0.5}}), 1u) << "one unlucky round";
}

TEST(FastestOf, MediansMustAgreeToo) {
  // Faster in each round, as rounds go, but not by the medians of 1.00 and 0.98.
  EXPECT_EQ(fastestOf({{1.00, 0.96}, {1.05, 1.01}, {0.99, 0.96}, {1.02, 0.98}, {0.97, 1.2}}), 0u);
}

TEST(FastestOf, OfSeveralTheFastestMedianIsTaken) {
  EXPECT_EQ(fastestOf({{1.0, 0.9, 0.7, 0.8}, {1.0, 0.9, 0.7, 0.8}, {1.0, 0.9, 3.0, 0.8}}), 2u);
  EXPECT_EQ(fastestOf({{1.0, 0.9, 3.0, 0.8}, {1.0, 0.9, 3.0, 0.8}, {1.0, 0.9, 0.1, 0.8}}), 3u);
}

/// Runs that take what a test says: of each candidate, and from which of its runs on something else.
struct Runs {
  explicit Runs(std::vector<double> seconds) : seconds(seconds), counts(seconds.size()) {}
  std::vector<double> seconds;
  std::vector<size_t> counts;
  std::vector<size_t> order;
  size_t later = SIZE_MAX;
  std::vector<double> then;
  double operator()(size_t candidate) {
    order.push_back(candidate);
    return ++counts[candidate] > later ? then[candidate] : seconds[candidate];
  }
};

TEST(ChooseByRuns, EndsSoonWhereNobodyComesNear) {
  Runs runs{{1e-3, 1.1e-3, 0.99e-3}};
  const Chosen chosen = chooseByRuns(3, runs);
  EXPECT_EQ(chosen.candidate, 0u);
  EXPECT_EQ(chosen.medians, (Round{1e-3, 1.1e-3, 0.99e-3}));
  EXPECT_EQ(runs.order, (std::vector<size_t>{0, 1, 2, 1, 2, 0, 2, 0, 1})) << "by turns";
}

TEST(ChooseByRuns, TheFastestIsComparedOnceMore) {
  Runs runs{{1e-3, 0.8e-3, 0.9e-3}};
  const Chosen chosen = chooseByRuns(3, runs);
  EXPECT_EQ(chosen.candidate, 1u);
  EXPECT_EQ(runs.counts, (std::vector<size_t>{18, 18, 9}));
}

TEST(ChooseByRuns, LuckDoesNotLast) {
  Runs runs{{1e-3, 0.8e-3, 0.9e-3}};
  runs.later = 9; // as fast as the model when the two are compared
  runs.then = {1e-3, 1e-3, 1e-3};
  const Chosen chosen = chooseByRuns(3, runs);
  EXPECT_EQ(chosen.candidate, 0u);
  EXPECT_EQ(chosen.medians, (Round{1e-3, 1e-3, 0.9e-3}));
}

TEST(ChooseByRuns, SlowKernelsHaveFewRounds) {
  Runs slow{{0.1, 0.05}};
  EXPECT_EQ(chooseByRuns(2, slow).candidate, 1u);
  EXPECT_EQ(slow.counts, (std::vector<size_t>{10, 10})) << "five rounds, and five to compare";
  Runs slower{{1.0, 0.5}};
  EXPECT_EQ(chooseByRuns(2, slower).candidate, 1u);
  EXPECT_EQ(slower.counts, (std::vector<size_t>{6, 6}));
}

} // namespace
} // namespace gemmac
