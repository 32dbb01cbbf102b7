// See Block.h. Fibers begin with makecontext() and are switched by _setjmp() and _longjmp(), which unlike
// swapcontext() make no system calls.
#undef _FORTIFY_SOURCE // its longjmp() allows no other stacks
#include "runtime/emulate/Block.h"

#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <bit>
#include <vector>

namespace {

constexpr int64_t kWarp = 32, kStackBytes = 128 << 10;

[[noreturn]] void defect(const char *what) {
  fprintf(stderr, "error: emulated block: %s\n", what);
  abort();
}

enum class Wait : uint8_t { None, Warp, Block, Done };

struct Fiber {
  jmp_buf where;
  bool begun = false;
  Wait wait = Wait::None;
  uint32_t *operands = nullptr;           ///< of a matrix product; null: a shuffle
  int32_t given = 0, taken = 0, mask = 0; ///< of a shuffle
};

class Block {
public:
  Block(void (*kernel)(const GmStep *), const GmStep *step, int64_t threads, int64_t shared)
      : kernel(kernel), step(step), fibers(threads), sharedMemory(shared + 127, '\xff') {
    stacks = static_cast<char *>(mmap(nullptr, threads * kStackBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stacks == MAP_FAILED)
      defect("no memory for the stacks of its threads");
    auto at = reinterpret_cast<uintptr_t>(sharedMemory.data());
    sharedAt = sharedMemory.data() + (128 - at % 128) % 128;
  }
  Block(const Block &) = delete;
  ~Block() { munmap(stacks, fibers.size() * kStackBytes); }

  void run();
  void suspend(Wait wait);

  void (*kernel)(const GmStep *);
  const GmStep *step;
  std::vector<Fiber> fibers;
  size_t now = 0; ///< the fiber that runs
  char *sharedAt;

private:
  /// Every second block runs its threads in the opposite order: where a barrier is missing, blocks differ.
  const bool backwards = step->worker % 2 != 0;
  std::vector<char> sharedMemory;
  char *stacks;
  jmp_buf scheduler;
  ucontext_t back, start;

  void resume(size_t fiber);
  void runWarp(size_t first);
  void together(size_t first);
  void shuffle(size_t first);
  void multiply(size_t first);
  static void begin();
};

thread_local Block *current = nullptr;

void Block::begin() {
  Block &block = *current;
  block.kernel(block.step);
  block.suspend(Wait::Done);
}

void Block::resume(size_t fiber) {
  now = fiber;
  fibers[fiber].wait = Wait::None;
  if (_setjmp(scheduler))
    return;
  if (fibers[fiber].begun)
    _longjmp(fibers[fiber].where, 1);
  fibers[fiber].begun = true;
  getcontext(&start);
  start.uc_stack.ss_sp = stacks + fiber * kStackBytes;
  start.uc_stack.ss_size = kStackBytes;
  start.uc_link = nullptr;
  makecontext(&start, &Block::begin, 0);
  setcontext(&start);
}

void Block::suspend(Wait wait) {
  fibers[now].wait = wait;
  if (!_setjmp(fibers[now].where))
    _longjmp(scheduler, 1);
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

/// What a warp does together, once all of its lanes have come.
void Block::together(size_t first) {
  const bool product = fibers[first].operands != nullptr;
  for (size_t lane = 1; lane < kWarp; ++lane)
    if ((fibers[first + lane].operands != nullptr) != product)
      defect("the lanes of a warp disagree about what they do together");
  product ? multiply(first) : shuffle(first);
}

void Block::shuffle(size_t first) {
  for (size_t lane = 0; lane < kWarp; ++lane) {
    const auto other = lane ^ static_cast<size_t>(fibers[first + lane].mask);
    if (other >= kWarp || fibers[first + lane].mask != fibers[first].mask)
      defect("the lanes of a warp disagree about a shuffle");
    fibers[first + lane].taken = fibers[first + other].given;
  }
}

/// Until all of its threads wait for the block, or are done.
void Block::runWarp(size_t first) {
  for (;;) {
    for (size_t i = 0; i < kWarp; ++i)
      resume(backwards ? first + kWarp - 1 - i : first + i);
    const Wait wait = fibers[first].wait;
    for (size_t i = first; i < first + kWarp; ++i)
      if (fibers[i].wait != wait)
        defect("the threads of a warp wait at different places");
    if (wait != Wait::Warp)
      return;
    together(first);
  }
}

void Block::run() {
  current = this;
  do {
    for (size_t first = 0; first < fibers.size(); first += kWarp)
      runWarp(backwards ? fibers.size() - kWarp - first : first);
    for (const Fiber &fiber : fibers)
      if (fiber.wait != fibers[0].wait)
        defect("some threads wait for others that have left");
  } while (fibers[0].wait != Wait::Done);
  current = nullptr;
}

} // namespace

void gm_emu_run(void (*kernel)(const GmStep *), const GmStep *step, int64_t threads, int64_t shared) {
  Block(kernel, step, threads, shared).run();
}

int64_t gm_emu_thread() { return static_cast<int64_t>(current->now); }
int64_t gm_emu_block() { return current->step->worker; }
int64_t gm_emu_blocks() { return current->step->workers; }
char *gm_emu_shared() { return current->sharedAt; }
void gm_emu_barrier() { current->suspend(Wait::Block); }
void gm_emu_pause() { sched_yield(); }

int32_t gm_emu_shuffle_xor(int32_t value, int32_t mask) {
  Fiber &fiber = current->fibers[current->now];
  fiber.operands = nullptr;
  fiber.given = value;
  fiber.mask = mask;
  current->suspend(Wait::Warp);
  return fiber.taken;
}

void gm_emu_mma_bf16(uint32_t *operands) {
  current->fibers[current->now].operands = operands;
  current->suspend(Wait::Warp);
}

void gm_emu_aligned(const void *address, int64_t to) {
  if (reinterpret_cast<uintptr_t>(address) % static_cast<uint64_t>(to) != 0) [[unlikely]]
    defect("an access is not aligned as the code promises");
}
