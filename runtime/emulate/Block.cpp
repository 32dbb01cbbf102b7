// See Block.h.
#include "runtime/emulate/Block.h"

#include "runtime/emulate/Context.h"
#include "runtime/emulate/GuardedMemory.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <string>
#include <vector>

namespace gemmac::rt::emulate {
namespace {

constexpr size_t kWarp = 32, kStackBytes = 128 << 10;

[[noreturn]] void defect(const GmStep *step, const char *what, const char *place = "") {
  fprintf(stderr, "error: emulated block %lld: %s%s\n", static_cast<long long>(step->worker), what, place);
  abort();
}

/// What a fiber waits for: its warp, a barrier, an mbarrier. None: it may run.
enum class Wait : uint8_t { None, Warp, Block, Slot, Done };

struct Fiber {
  Context context;
  Wait wait = Wait::None;
  const char *place = "";                 ///< where it waits
  int64_t threads = 0;                    ///< of the barrier; 0: all
  bool meets = false;                     ///< the warp only meets
  uint32_t *operands = nullptr;           ///< of a matrix product; null: a shuffle
  int32_t given = 0, taken = 0, mask = 0; ///< of a shuffle
};

/// In 8 bytes of shared memory.
struct MBarrier {
  uint16_t arrivals, pending;
  int32_t bytes : 31;
  uint32_t phase : 1;
};
static_assert(sizeof(MBarrier) == 8);

/// A copy that is under way, or the arrival behind some.
struct Copy {
  char *to;
  const char *from;
  int32_t bytes;     ///< 0: an arrival
  MBarrier *barrier; ///< null: nobody counts
};

/// Kept from step to step: making the guard pages takes longer than a small step.
struct Memory {
  GuardedMemory stacks, shared;
};

thread_local Memory memory;

/// splitmix64.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Block {
public:
  Block(void (*kernel)(const GmStep *), const GmStep *step, size_t threads, size_t bytes, size_t ofPhases);

  void run();
  void suspend(Wait wait, const char *place);
  Fiber &running() { return fibers[now]; }
  Fiber *warpOfRunning() { return &fibers[now / kWarp * kWarp]; }

  void (*kernel)(const GmStep *);
  const GmStep *step;
  size_t now = 0;       ///< the fiber that runs
  bool forgets = false; ///< at the barrier where threads will wait
  char *shared;
  std::deque<Copy> copies; ///< in the order in which they were begun
  uint64_t passed = 0;     ///< waits for mbarriers that have ended

  void arrive(MBarrier &barrier, int32_t arrivals, int32_t bytes);

private:
  std::vector<Fiber> fibers;
  size_t sharedBytes, phaseBytes;
  uint64_t random; ///< of the last round
  Context scheduler;

  bool drawBackwards() { return (random = mixed(random)) & 1; }
  void forget(size_t bytes) { memset(shared, 0xff, bytes); }
  void resume(size_t fiber);
  bool runWarps();
  void runWarp(size_t first);
  bool passBarrier();
  bool finishCopy();
  void requireTogether(size_t first, size_t count);
  void together(size_t first);
  void shuffle(size_t first);
  void multiply(size_t first);
  static void begin();
};

thread_local Block *current = nullptr;

Block::Block(void (*kernel)(const GmStep *), const GmStep *step, size_t threads, size_t bytes,
             size_t ofPhases)
    : kernel(kernel), step(step), fibers(threads), sharedBytes((bytes + 127) / 128 * 128),
      phaseBytes(ofPhases) {
  if (!memory.stacks.become(threads, kStackBytes) || !memory.shared.become(1, sharedBytes))
    defect(step, "no memory for its shared memory and the stacks of its threads");
  shared = memory.shared.piece(0);
  forget(sharedBytes);
  for (size_t i = 0; i < threads; ++i)
    fibers[i].context.set(memory.stacks.piece(i), kStackBytes, &Block::begin);
  const int64_t position = step->positions ? step->positions[0] : 0;
  random = mixed(mixed(static_cast<uint64_t>(step->worker)) ^ static_cast<uint64_t>(step->workers) << 32 ^
                 static_cast<uint64_t>(position));
}

void Block::begin() {
  Block &block = *current;
  block.kernel(block.step);
  releaseAll(&block);
  block.suspend(Wait::Done, "");
}

void Block::resume(size_t fiber) {
  now = fiber;
  fibers[fiber].wait = Wait::None;
  scheduler.switchTo(fibers[fiber].context);
}

void Block::suspend(Wait wait, const char *place) {
  fibers[now].wait = wait;
  fibers[now].place = place;
  fibers[now].context.switchTo(scheduler);
}

/// One half of a word, a bf16.
float half(uint32_t word, size_t upper) {
  return std::bit_cast<float>(upper ? word & 0xffff0000u : word << 16);
}

/// D = A B + C; where the elements are: PTX ISA, "Matrix fragments for mma.m16n8k16 with floating point
/// type".
void Block::multiply(size_t first) {
  auto a = [&](size_t m, size_t k) {
    return half(fibers[first + m % 8 * 4 + k % 8 / 2].operands[m / 8 + k / 8 * 2], k % 2);
  };
  auto b = [&](size_t k, size_t n) {
    return half(fibers[first + n * 4 + k % 8 / 2].operands[4 + k / 8], k % 2);
  };
  for (size_t lane = 0; lane < kWarp; ++lane)
    for (size_t i = 0; i < 4; ++i) {
      uint32_t &place = fibers[first + lane].operands[6 + i];
      float sum = std::bit_cast<float>(place);
      for (size_t k = 0; k < 16; ++k)
        sum += a(lane / 4 + i / 2 * 8, k) * b(k, lane % 4 * 2 + i % 2);
      place = std::bit_cast<uint32_t>(sum);
    }
}

/// What a warp does once all of its lanes have come to the same place.
void Block::together(size_t first) {
  if (!fibers[first].meets)
    fibers[first].operands ? multiply(first) : shuffle(first);
}

void Block::shuffle(size_t first) {
  for (size_t lane = 0; lane < kWarp; ++lane) {
    const Fiber &fiber = fibers[first + lane];
    const auto other = lane ^ static_cast<size_t>(fiber.mask);
    if (other >= kWarp || fiber.mask != fibers[first].mask)
      defect(step, "the lanes of a warp disagree about the mask at ", fiber.place);
    fibers[first + lane].taken = fibers[first + other].given;
  }
}

/// "thread 3 waits at gm_decode.phase_o_0, barrier 2" or "thread 3 has left"
std::string whereIs(size_t thread, const Fiber &fiber) {
  const std::string name = "thread " + std::to_string(thread);
  return name + (fiber.wait == Wait::Done ? " has left" : std::string(" waits at ") + fiber.place);
}

/// A warp, or all threads, wait at one place.
void Block::requireTogether(size_t first, size_t count) {
  const Fiber &leader = fibers[first];
  for (size_t i = first + 1; i < first + count; ++i)
    if (fibers[i].wait != leader.wait ||
        (fibers[i].place != leader.place && strcmp(fibers[i].place, leader.place) != 0))
      defect(step, (whereIs(first, leader) + ", " + whereIs(i, fibers[i])).c_str());
}

/// Until its threads wait for others than themselves, or are done.
void Block::runWarp(size_t first) {
  do {
    const bool backwards = drawBackwards();
    for (size_t i = 0; i < kWarp; ++i)
      resume(first + (backwards ? kWarp - 1 - i : i));
    requireTogether(first, kWarp);
    if (fibers[first].wait == Wait::Warp)
      together(first);
  } while (fibers[first].wait == Wait::Warp);
}

/// All that may run, once; whether any has come further.
bool Block::runWarps() {
  const bool backwards = drawBackwards();
  bool moved = false;
  for (size_t i = 0; i < fibers.size(); i += kWarp) {
    const size_t first = backwards ? fibers.size() - kWarp - i : i;
    const Wait before = fibers[first].wait;
    if (before == Wait::Block || before == Wait::Done)
      continue;
    const uint64_t passedBefore = passed;
    runWarp(first);
    moved |= before == Wait::None || fibers[first].wait != Wait::Slot || passed != passedBefore;
  }
  return moved;
}

/// Lets those go on who wait at a barrier where all have come that it is for.
bool Block::passBarrier() {
  for (const Fiber &one : fibers) {
    if (one.wait != Wait::Block)
      continue;
    const auto here = [&](const Fiber &other) {
      return other.wait == Wait::Block && (other.place == one.place || strcmp(other.place, one.place) == 0);
    };
    const auto come = static_cast<size_t>(std::count_if(fibers.begin(), fibers.end(), here));
    if (come < (one.threads ? static_cast<size_t>(one.threads) : fibers.size()))
      continue;
    const char *place = one.place;
    acquireAll(this);
    if (forgets)
      forget(phaseBytes);
    forgets = false;
    releaseAll(this);
    for (Fiber &fiber : fibers)
      if (fiber.wait == Wait::Block && strcmp(fiber.place, place) == 0)
        fiber.wait = Wait::None;
    return true;
  }
  return false;
}

/// The copy that was begun first takes place; whether there was one.
bool Block::finishCopy() {
  if (copies.empty())
    return false;
  const Copy copy = copies.front();
  copies.pop_front();
  if (copy.bytes)
    memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  if (copy.barrier)
    arrive(*copy.barrier, copy.bytes ? 0 : 1, -copy.bytes);
  return true;
}

void Block::arrive(MBarrier &barrier, int32_t arrivals, int32_t bytes) {
  releaseAll(&barrier);
  if (arrivals > barrier.pending)
    defect(step, "an mbarrier gets more arrivals than it expects");
  barrier.pending = static_cast<uint16_t>(barrier.pending - arrivals);
  barrier.bytes += bytes;
  if (barrier.pending == 0 && barrier.bytes < 0)
    defect(step, "an mbarrier gets more bytes than it expects");
  if (barrier.pending == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1;
    barrier.pending = barrier.arrivals;
  }
}

void Block::run() {
  current = this;
  const auto done = [](const Fiber &fiber) { return fiber.wait == Wait::Done; };
  do {
    if (runWarps() || passBarrier() || finishCopy())
      continue;
    requireTogether(0, fibers.size());
    defect(step, (whereIs(0, fibers[0]) + ", for what never comes").c_str());
  } while (!std::all_of(fibers.begin(), fibers.end(), done));
  if (!copies.empty())
    defect(step, "its threads have left while copies are under way");
  current = nullptr;
}

void waitForBlock(const char *place, int64_t threads) {
  Block *block = current;
  releaseAll(block);
  block->running().threads = threads;
  block->suspend(Wait::Block, place);
  acquireAll(block);
}

} // namespace
} // namespace gemmac::rt::emulate

using namespace gemmac::rt::emulate;

void gm_emu_run(void (*kernel)(const GmStep *), const GmStep *step, int64_t threads, int64_t shared,
                int64_t ofPhases) {
  Block(kernel, step, static_cast<size_t>(threads), static_cast<size_t>(shared),
        static_cast<size_t>(ofPhases))
      .run();
}

int64_t gm_emu_thread() { return static_cast<int64_t>(current->now); }
int64_t gm_emu_block() { return current->step->worker; }
int64_t gm_emu_blocks() { return current->step->workers; }
char *gm_emu_shared() { return current->shared; }
void gm_emu_barrier(const char *place, int64_t threads) { waitForBlock(place, threads); }
void gm_emu_pause() { sched_yield(); }

void gm_emu_grid_barrier(const char *place, int64_t threads) {
  current->forgets = true;
  waitForBlock(place, threads);
}

void gm_emu_warp_barrier(const char *place) {
  Block *block = current;
  Fiber &fiber = block->running();
  void *warp = block->warpOfRunning();
  fiber.meets = true;
  releaseAll(warp);
  block->suspend(Wait::Warp, place);
  acquireAll(warp);
  fiber.meets = false;
}

int32_t gm_emu_shuffle_xor(int32_t value, int32_t mask, const char *place) {
  Fiber &fiber = current->running();
  fiber.operands = nullptr;
  fiber.given = value;
  fiber.mask = mask;
  current->suspend(Wait::Warp, place);
  return fiber.taken;
}

void gm_emu_mma_bf16(uint32_t *operands, const char *place) {
  current->running().operands = operands;
  current->suspend(Wait::Warp, place);
}

static MBarrier &barrierAt(void *address) {
  if (reinterpret_cast<uintptr_t>(address) % sizeof(MBarrier) != 0)
    defect(current->step, "an mbarrier is not aligned");
  return *static_cast<MBarrier *>(address);
}

void gm_emu_mbarrier_init(void *barrier, int32_t arrivals) {
  const auto count = static_cast<uint16_t>(arrivals);
  barrierAt(barrier) = {count, count, 0, 0};
}

void gm_emu_mbarrier_arrive(void *barrier) { current->arrive(barrierAt(barrier), 1, 0); }

void gm_emu_mbarrier_arrive_expect(void *barrier, int32_t bytes) {
  current->arrive(barrierAt(barrier), 1, bytes);
}

int32_t gm_emu_mbarrier_test(void *barrier, int32_t parity, const char *place) {
  MBarrier &there = barrierAt(barrier);
  if (static_cast<int32_t>(there.phase) == parity) {
    current->suspend(Wait::Slot, place);
    return 0;
  }
  ++current->passed;
  acquireAll(&there);
  return 1;
}

static void begin(void *to, const void *from, int32_t bytes, MBarrier *barrier) {
  for (const void *address : {static_cast<const void *>(to), from})
    gm_emu_aligned(address, 16);
  memset(to, 0xff, static_cast<size_t>(bytes));
  current->copies.push_back({static_cast<char *>(to), static_cast<const char *>(from), bytes, barrier});
}

void gm_emu_copy_bulk(void *to, const void *from, int32_t bytes, void *barrier) {
  if (bytes <= 0 || bytes % 16 != 0)
    defect(current->step, "a bulk copy is of no multiple of 16 bytes");
  begin(to, from, bytes, &barrierAt(barrier));
}

void gm_emu_copy(void *to, const void *from, int32_t bytes) { begin(to, from, bytes, nullptr); }

void gm_emu_copy_arrive(void *barrier) {
  current->copies.push_back({nullptr, nullptr, 0, &barrierAt(barrier)});
}

void gm_emu_aligned(const void *address, int64_t to) {
  if (reinterpret_cast<uintptr_t>(address) % static_cast<uint64_t>(to) != 0) [[unlikely]]
    defect(current->step, "an access is not aligned as the code promises");
}
