// What counts as clearly faster.
#include "codegen/autotune/Measure.h"

#include "gtest/gtest.h"

namespace gemmac {

namespace {

TEST(ChooseCandidate, TheModelStaysUnlessAnotherIsClearlyFaster) {
  EXPECT_EQ(chooseCandidate({{1.0, 0.98}, {1.0, 0.98}, {1.0, 0.98}}), 0u) << "2 % is noise";
  EXPECT_EQ(chooseCandidate({{1.0, 0.9}, {1.0, 0.9}, {1.0, 0.9}}), 1u);
  EXPECT_EQ(chooseCandidate({{1.0, 1.2}, {1.0, 1.1}, {1.0, 1.3}}), 0u);
}

TEST(ChooseCandidate, MostRoundsMustAgree) {
  EXPECT_EQ(chooseCandidate({{1.0, 0.5}, {1.0, 0.99}, {1.0, 0.99}}), 0u) << "one lucky round";
  EXPECT_EQ(chooseCandidate({{1.0, 0.5}, {1.0, 0.5}, {1.0, 0.99}, {1.0, 0.99}}), 0u) << "half is no majority";
  EXPECT_EQ(chooseCandidate({{1.0, 0.5}, {1.0, 2.0}, {1.0, 0.5}}), 1u) << "one unlucky round";
}

TEST(ChooseCandidate, MediansMustAgreeToo) {
  // Faster in each round, as rounds go, but not by the medians of 1.00 and 0.98.
  EXPECT_EQ(chooseCandidate({{1.00, 0.96}, {1.05, 1.01}, {0.99, 0.96}, {1.02, 0.98}, {0.97, 1.2}}), 0u);
}

TEST(ChooseCandidate, OfSeveralTheFastestMedianIsTaken) {
  EXPECT_EQ(chooseCandidate({{1.0, 0.9, 0.7, 0.8}, {1.0, 0.9, 0.7, 0.8}, {1.0, 0.9, 3.0, 0.8}}), 2u);
  EXPECT_EQ(chooseCandidate({{1.0, 0.9, 3.0, 0.8}, {1.0, 0.9, 3.0, 0.8}, {1.0, 0.9, 0.1, 0.8}}), 3u);
}

TEST(ChooseCandidate, MediansAreOfEachCandidate) {
  const Round medians = medianOf({{1, 10}, {5, 30}, {2, 20}});
  EXPECT_EQ(medians, (Round{2, 20}));
}

} // namespace
} // namespace gemmac
