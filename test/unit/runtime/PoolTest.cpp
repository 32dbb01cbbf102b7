// Pool: every worker runs, barriers order writes and reads, with few and with more workers than CPUs.
#include "runtime/Pool.h"
#include "runtime/Failure.h"
#include "runtime/Topology.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace gemmac::rt {
namespace {

struct Shared {
  int64_t cell[64];
  int64_t sums[64];
  int64_t wrong;
};

constexpr int kRounds = 200;

/// Each round every worker writes its cell, then reads all cells; rows carries the number of workers.
void ring(const GmStep *s) {
  Shared *shared = reinterpret_cast<Shared *>(s->arena);
  for (int64_t round = 1; round <= kRounds; ++round) {
    shared->cell[s->worker] = round * (s->worker + 1);
    gm_barrier(s);
    int64_t sum = 0;
    for (int64_t w = 0; w < s->rows; ++w)
      sum += shared->cell[w];
    if (sum != round * s->rows * (s->rows + 1) / 2)
      __atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
    gm_barrier(s);
  }
  shared->sums[s->worker] += reinterpret_cast<int64_t>(s->scratch);
}

class PoolOf : public testing::TestWithParam<int> {};

TEST_P(PoolOf, runsEveryWorkerBetweenBarriers) {
  Pool pool(GetParam());
  Shared shared = {};
  GmStep proto = {};
  proto.arena = reinterpret_cast<char *>(&shared);
  proto.rows = GetParam();
  for (int step = 1; step <= 20; ++step) {
    pool.run(ring, proto, 100);
    EXPECT_EQ(shared.wrong, 0);
    for (int w = 0; w < GetParam(); ++w)
      EXPECT_EQ(shared.sums[w], step * 100 * w) << "scratch of worker " << w;
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, PoolOf, testing::Values(1, 2, 3, 7, 16));

TEST(Pool, eachWorkerNotesItsTimes) {
  Pool pool(2);
  Shared shared = {};
  GmStep proto = {};
  proto.arena = reinterpret_cast<char *>(&shared);
  proto.rows = 2;
  constexpr size_t kTimes = 1 + 2 * (2 * kRounds + 1); // start; coming and going of each barrier and the end
  std::vector<WorkerTimes> times(2);
  for (WorkerTimes &worker : times)
    worker.ns.reserve(kTimes);
  pool.setTimes(&times);
  pool.run(ring, proto, 0);
  ASSERT_EQ(times[0].ns.size(), kTimes);
  ASSERT_EQ(times[1].ns.size(), kTimes - 1) << "the step has ended: its times are the caller's";
  for (const WorkerTimes &worker : times)
    EXPECT_TRUE(std::is_sorted(worker.ns.begin(), worker.ns.end()));
  for (size_t i = 1; i < kTimes; i += 2) // nobody leaves a barrier before all have come
    EXPECT_LE(times[1].ns[i], times[0].ns[i + 1]) << i;
  pool.run(ring, proto, 0);
  EXPECT_EQ(times[0].ns.size(), kTimes) << "never beyond its capacity";
  pool.setTimes(nullptr);
  times[0].ns.clear();
  pool.run(ring, proto, 0);
  EXPECT_TRUE(times[0].ns.empty());
}

TEST(Pool, boundWorkersComputeAndTheCallerIsFreeAgain) {
  const std::vector<int> before = affinityCpus();
  {
    Pool pool(static_cast<int>(before.size()), before);
    EXPECT_EQ(affinityCpus(), (std::vector<int>{before[0]}));
    Shared shared = {};
    GmStep proto = {};
    proto.arena = reinterpret_cast<char *>(&shared);
    proto.rows = static_cast<int64_t>(before.size());
    ASSERT_LE(proto.rows, 64);
    pool.run(ring, proto, 0);
    EXPECT_EQ(shared.wrong, 0);
  }
  EXPECT_EQ(affinityCpus(), before);
  EXPECT_THROW(Pool(1, {100000}), Failure);
  EXPECT_EQ(affinityCpus(), before);
}

TEST(Pool, callerIsFreeAgainWhereAThreadCannotBeStarted) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more address space than the limit leaves";
#endif
  const std::vector<int> before = affinityCpus();
  if (before.size() < 2)
    GTEST_SKIP() << "one CPU: bound or not is the same";
  const auto child = [&] { // a limit of the whole process
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    const rlim_t most = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (24 << 20);
    const rlimit limit{most, most}; // room for a stack or two of 8 MiB
    if (setrlimit(RLIMIT_AS, &limit) != 0)
      _exit(2);
    try {
      Pool pool(64, std::vector<int>(64, before[0]));
      _exit(3);
    } catch (const Failure &f) {
      std::fprintf(stderr, "%s\n", f.what());
      _exit(f.code == kLacking && affinityCpus() == before ? 0 : 4);
    }
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "cannot start worker [0-9]+ of 64: .*; use fewer with -t");
}

TEST(Pool, comesAndGoesWithoutAStep) {
  for (int i = 0; i < 20; ++i)
    Pool pool(4);
}

} // namespace
} // namespace gemmac::rt
