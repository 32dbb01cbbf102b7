// A block of a GPU on a thread of the CPU: what its threads see of each other, in which order they run, and
// what ends the process.
#include "runtime/emulate/Block.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

constexpr int64_t kThreads = 256, kWarp = 32, kShared = 4096;

/// Runs `kernel` for a block; it finds `data` at step->arena.
void runBlock(void (*kernel)(const GmStep *), void *data, int64_t worker = 0, int64_t workers = 1,
              int32_t position = 0) {
  GmStep step = {};
  step.arena = static_cast<char *>(data);
  step.worker = worker;
  step.workers = workers;
  step.positions = &position;
  gm_emu_run(kernel, &step, kThreads, kShared, kShared);
}

template <class T> T &dataOf(const GmStep *step) { return *reinterpret_cast<T *>(step->arena); }
float *sharedFloats() { return reinterpret_cast<float *>(gm_emu_shared()); }

using Values = std::vector<float>;

TEST(EmulatedBlock, threadsSeeWhatOthersWroteBeforeABarrier) {
  Values seen(kThreads);
  const auto kernel = [](const GmStep *step) {
    const int64_t thread = gm_emu_thread();
    sharedFloats()[thread] = static_cast<float>(thread + gm_emu_block() * 1000 + gm_emu_blocks());
    gm_emu_barrier("k, barrier 1");
    dataOf<Values>(step)[thread] = sharedFloats()[(thread + 100) % kThreads];
  };
  runBlock(kernel, &seen, 2, 3);
  for (int64_t t = 0; t < kThreads; ++t)
    EXPECT_EQ(seen[t], static_cast<float>((t + 100) % kThreads + 2003)) << t;
}

TEST(EmulatedBlock, lanesExchangeByShuffles) {
  Values seen(kThreads);
  runBlock(
      [](const GmStep *step) {
        auto sum = static_cast<int32_t>(gm_emu_thread());
        for (int32_t mask = 16; mask > 0; mask /= 2)
          sum += gm_emu_shuffle_xor(sum, mask, "k, shuffle 1");
        dataOf<Values>(step)[gm_emu_thread()] = static_cast<float>(sum);
      },
      &seen);
  for (int64_t t = 0; t < kThreads; ++t)
    EXPECT_EQ(seen[t], static_cast<float>(t / kWarp * kWarp * kWarp + kWarp * (kWarp - 1) / 2)) << t;
}

/// Small integers, which bf16 holds, of the places in A, B and C.
int a(int64_t m, int64_t k) { return static_cast<int>((m * 3 + k * 5) % 7) - 3; }
int b(int64_t k, int64_t n) { return static_cast<int>((k * 2 + n) % 5) - 2; }
int c(int64_t m, int64_t n) { return static_cast<int>(m - 2 * n); }
uint32_t bits(int x) { return std::bit_cast<uint32_t>(static_cast<float>(x)); }
uint32_t pair(int low, int high) { return bits(low) >> 16 | (bits(high) & 0xffff0000u); }

/// Fragments as PTX's manual has them: a group of four lanes for a row of A and a column of B.
TEST(EmulatedBlock, warpsMultiplyMatrices) {
  Values seen(16 * 8);
  runBlock(
      [](const GmStep *step) {
        const int64_t group = gm_emu_thread() % kWarp / 4, t = gm_emu_thread() % 4;
        uint32_t operands[10] = {};
        for (int64_t i = 0; i < 4; ++i) {
          const int64_t m = group + i % 2 * 8, k = 2 * t + i / 2 * 8;
          operands[i] = pair(a(m, k), a(m, k + 1));
          operands[6 + i] = bits(c(group + i / 2 * 8, 2 * t + i % 2));
        }
        for (int64_t i = 0; i < 2; ++i)
          operands[4 + i] = pair(b(2 * t + 8 * i, group), b(2 * t + 8 * i + 1, group));
        gm_emu_mma_bf16(operands, "k, mma 1");
        for (int64_t i = 0; i < 4; ++i)
          dataOf<Values>(step)[(group + i / 2 * 8) * 8 + 2 * t + i % 2] =
              std::bit_cast<float>(operands[6 + i]);
      },
      &seen);
  for (int64_t m = 0; m < 16; ++m)
    for (int64_t n = 0; n < 8; ++n) {
      int want = c(m, n);
      for (int64_t k = 0; k < 16; ++k)
        want += a(m, k) * b(k, n);
      EXPECT_EQ(seen[m * 8 + n], static_cast<float>(want)) << m << ", " << n;
    }
}

using Order = std::vector<int64_t>;
constexpr int64_t kRounds = 16;

/// The threads in the order in which they run, kRounds times.
Order orderOf(int64_t worker, int64_t workers, int32_t position) {
  Order order;
  runBlock(
      [](const GmStep *step) {
        for (int64_t i = 0; i < kRounds; ++i) {
          dataOf<Order>(step).push_back(gm_emu_thread());
          gm_emu_barrier("k, barrier 1");
        }
      },
      &order, worker, workers, position);
  return order;
}

TEST(EmulatedBlock, theOrderOfThreadsChangesAndIsThatOfTheInput) {
  const Order order = orderOf(0, 1, 0);
  ASSERT_EQ(order.size(), static_cast<size_t>(kRounds * kThreads));
  int lanesUp = 0, warpsUp = 0;
  for (int64_t round = 0; round < kRounds; ++round) {
    Order one(order.begin() + round * kThreads, order.begin() + (round + 1) * kThreads);
    lanesUp += one[0] < one[1];
    warpsUp += one[0] < one[kWarp];
    std::sort(one.begin(), one.end());
    for (int64_t t = 0; t < kThreads; ++t)
      ASSERT_EQ(one[t], t);
  }
  EXPECT_TRUE(0 < lanesUp && lanesUp < kRounds) << lanesUp;
  EXPECT_TRUE(0 < warpsUp && warpsUp < kRounds) << warpsUp;
  EXPECT_EQ(orderOf(0, 1, 0), order);
  EXPECT_NE(orderOf(0, 2, 0), order) << "the only task of a phase, with another number of blocks";
  EXPECT_NE(orderOf(1, 2, 0), orderOf(0, 2, 0));
  EXPECT_NE(orderOf(0, 1, 1), order) << "at the next step";
}

/// How many words of shared memory are no numbers.
int64_t strangers() {
  return std::count_if(sharedFloats(), sharedFloats() + kShared / 4, [](float x) { return std::isnan(x); });
}

TEST(EmulatedBlock, nothingIsLeftOfSharedMemoryAfterAPhase) {
  for (int step = 0; step < 2; ++step) {
    Values seen(3);
    runBlock(
        [](const GmStep *s) {
          Values &found = dataOf<Values>(s);
          const bool first = gm_emu_thread() == 0;
          if (first)
            found[0] = static_cast<float>(strangers());
          gm_emu_barrier("k, barrier 1");
          for (int64_t i = gm_emu_thread(); i < kShared / 4; i += kThreads)
            sharedFloats()[i] = 1;
          gm_emu_barrier("k, barrier 2");
          if (first)
            found[1] = static_cast<float>(strangers());
          gm_emu_grid_barrier("grid, barrier 1");
          if (first)
            found[2] = static_cast<float>(strangers());
        },
        &seen);
    EXPECT_EQ(seen, (Values{kShared / 4, 0, kShared / 4})) << step;
  }
}

constexpr int64_t kLoader = kThreads - kWarp, kStages = 2, kSlots = 7, kSlotBytes = kWarp * 16;

char *slotAt(int64_t slot) { return gm_emu_shared() + 64 + slot % kStages * kSlotBytes; }
void *fullAt(int64_t slot) { return gm_emu_shared() + slot % kStages * 16; }
void *emptyAt(int64_t slot) { return gm_emu_shared() + slot % kStages * 16 + 8; }
void waitFor(void *barrier, int64_t round, const char *place) {
  while (!gm_emu_mbarrier_test(barrier, round % 2, place))
    ;
}

/// The last warp fills slots, the others read them: `bulk` as cp.async.bulk, else by each lane.
template <bool bulk> void stream(const GmStep *step) {
  const int64_t thread = gm_emu_thread(), lane = thread % kWarp;
  const char *from = dataOf<std::vector<char>>(step).data();
  for (int64_t slot = 0; slot < kStages && thread == 0; ++slot) {
    gm_emu_mbarrier_init(fullAt(slot), bulk ? 1 : kWarp);
    gm_emu_mbarrier_init(emptyAt(slot), (kThreads - kWarp) / kWarp);
  }
  gm_emu_barrier("k, barrier 1");
  for (int64_t slot = 0; slot < kSlots; ++slot) {
    const int64_t round = slot / kStages;
    if (thread < kLoader) {
      waitFor(fullAt(slot), round, "k, wait 1");
      EXPECT_EQ(slotAt(slot)[thread], from[slot * kSlotBytes + thread]) << slot << ", " << thread;
      gm_emu_warp_barrier("k, warp barrier 1");
      if (lane == 0)
        gm_emu_mbarrier_arrive(emptyAt(slot));
      continue;
    }
    if (round > 0)
      waitFor(emptyAt(slot), round - 1, "k, wait 2");
    if (!bulk) {
      gm_emu_copy(slotAt(slot) + lane * 16, from + slot * kSlotBytes + lane * 16, 16);
      gm_emu_copy_arrive(fullAt(slot));
    } else if (lane == 0) {
      gm_emu_mbarrier_arrive_expect(fullAt(slot), kSlotBytes);
      gm_emu_copy_bulk(slotAt(slot), from + slot * kSlotBytes, kSlotBytes, fullAt(slot));
    }
    if (lane == 0) { // not there before somebody has to wait for it
      EXPECT_EQ(slotAt(slot)[0], '\xff') << slot;
    }
  }
  if (thread < kLoader)
    gm_emu_barrier("k, barrier 2", kLoader);
}

TEST(EmulatedBlock, slotsGoRoundBetweenALoaderAndItsReaders) {
  alignas(16) std::vector<char> data(kSlots * kSlotBytes);
  std::iota(data.begin(), data.end(), 1);
  runBlock(stream<true>, &data);
  runBlock(stream<false>, &data, 1, 2);
}

TEST(EmulatedBlockDeathTest, mbarriersThatAreMisusedAreNamed) {
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     gm_emu_mbarrier_init(gm_emu_shared(), 1);
                     gm_emu_mbarrier_test(gm_emu_shared(), 0, "k, wait 1");
                     while (!gm_emu_mbarrier_test(gm_emu_shared(), 0, "k, wait 1"))
                       ;
                   },
                   nullptr),
               "emulated block 0: thread 0 waits at k, wait 1, for what never comes\n");
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     if (gm_emu_thread() == 0) {
                       gm_emu_mbarrier_init(gm_emu_shared(), 0);
                       gm_emu_mbarrier_arrive(gm_emu_shared());
                     }
                   },
                   nullptr),
               "an mbarrier gets more arrivals than it expects\n");
  alignas(16) static char bytes[16];
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     if (gm_emu_thread() == 0)
                       gm_emu_copy(gm_emu_shared(), bytes, 16);
                   },
                   nullptr),
               "its threads have left while copies are under way\n");
}

TEST(EmulatedBlockDeathTest, threadsThatWaitAtDifferentPlacesAreNamed) {
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     gm_emu_barrier("k, barrier 1");
                     gm_emu_barrier(gm_emu_thread() < 224 ? "k, barrier 2" : "f, barrier 1");
                   },
                   nullptr, 5, 6),
               "error: emulated block 5: thread 0 waits at k, barrier 2, thread 224 waits at f, barrier 1\n");
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     if (gm_emu_thread() == 7)
                       gm_emu_barrier("k, barrier 1");
                   },
                   nullptr),
               "emulated block 0: thread 0 has left, thread 7 waits at k, barrier 1\n");
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     if (gm_emu_thread() >= 64)
                       gm_emu_barrier("k, barrier 1");
                   },
                   nullptr),
               "thread 0 has left, thread 64 waits at k, barrier 1\n");
}

TEST(EmulatedBlockDeathTest, lanesThatDoDifferentThingsAreNamed) {
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     gm_emu_shuffle_xor(1, 1, gm_emu_thread() == 40 ? "k, shuffle 2" : "k, shuffle 1");
                   },
                   nullptr),
               "thread 32 waits at k, shuffle 1, thread 40 waits at k, shuffle 2\n");
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     uint32_t operands[10] = {};
                     if (gm_emu_thread() == 3)
                       gm_emu_mma_bf16(operands, "k, mma 1");
                     else
                       gm_emu_shuffle_xor(1, 1, "k, shuffle 1");
                   },
                   nullptr),
               "thread 0 waits at k, shuffle 1, thread 3 waits at k, mma 1\n");
  EXPECT_DEATH(runBlock(
                   [](const GmStep *) {
                     if (gm_emu_thread() % 2)
                       gm_emu_barrier("k, barrier 1");
                     else
                       gm_emu_shuffle_xor(1, 1, "k, shuffle 1");
                   },
                   nullptr),
               "thread [0-9]+ waits at k, shuffle 1, thread [0-9]+ waits at k, barrier 1\n");
  EXPECT_DEATH(
      runBlock([](const GmStep *) { gm_emu_shuffle_xor(1, gm_emu_thread() == 9 ? 2 : 1, "k, shuffle 1"); },
               nullptr),
      "emulated block 0: the lanes of a warp disagree about the mask at k, shuffle 1\n");
}

TEST(EmulatedBlockDeathTest, accessesThatAreNotAlignedAreSeen) {
  alignas(16) char bytes[32];
  EXPECT_DEATH(
      runBlock([](const GmStep *step) { gm_emu_aligned(step->arena + (gm_emu_thread() == 255) * 8, 16); },
               bytes),
      "emulated block 0: an access is not aligned as the code promises\n");
}

/// The volatile array keeps the recursion a recursion.
int deeper(int depth) {
  volatile char room[1024];
  room[depth % 1024] = static_cast<char>(depth);
  return depth < 0 ? 0 : deeper(depth + 1) + room[depth % 1024];
}

TEST(EmulatedBlockDeathTest, whoRunsOverTheEndMeetsAGuardPage) {
  EXPECT_DEATH(runBlock([](const GmStep *) { gm_emu_shared()[kShared] = 1; }, nullptr), "");
  EXPECT_DEATH(runBlock([](const GmStep *) { gm_emu_shared()[-1] = 1; }, nullptr), "");
  int depth = 0;
  EXPECT_DEATH(runBlock([](const GmStep *step) { dataOf<int>(step) = deeper(0); }, &depth), "");
}

} // namespace
