// See Pool.h. The barrier: the last to arrive refills the count and then publishes a new generation; the
// others wait for that. Fields written by run() are published by epoch_ (release) and read after it
// (acquire).
#include "runtime/Pool.h"

#include "runtime/Cpu.h"
#include "runtime/Failure.h"
#include "runtime/Topology.h"

#include <chrono>
#include <system_error>

extern "C" void gm_barrier(const GmStep *step) {
  static_cast<gemmac::rt::Pool *>(step->pool)->barrier(step->worker);
}

namespace gemmac::rt {

/// Long enough for workers that are nearly level. On cores of one's own more gains nothing
/// (bench/stolen_core.py: 0 to 200 us are equal within the spread); where others want the CPUs, every further
/// microsecond is taken from the worker that is waited for (200 us: half the rate of 5 us).
constexpr int64_t kSpinNs = 10000;

static int64_t nowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Waits until `word` is no longer `old`: spinning at first, then asleep on a futex. A pause takes 10 to 150
/// cycles, so that the clock is asked now and then.
static void waitChange(std::atomic<uint32_t> &word, uint32_t old, int64_t spinNs) {
  constexpr int kPauses = 32;
  int64_t end = 0;
  for (int i = 1;; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    pauseCpu();
    if (i % kPauses)
      continue;
    const int64_t now = nowNs();
    end = end ? end : now + spinNs;
    if (now >= end)
      break;
  }
  word.wait(old, std::memory_order_acquire);
}

Pool::Pool(int workers, std::vector<int> cpus)
    : workers_(workers), cpus_(std::move(cpus)), missing_(workers) {
  // With more workers than CPUs a spinning worker only keeps the one it waits for from running.
  before_ = affinityCpus();
  spinNs_ = workers > static_cast<int>(before_.size()) ? 0 : kSpinNs;
  for (auto cpu = cpus_.rbegin(); cpu != cpus_.rend(); ++cpu) // ends with the caller's own
    if (!bindThread({*cpu})) {
      bindThread(before_);
      throw Failure(kLacking, cat("the system refuses to bind a worker to CPU ", *cpu, "; use --pin=off"));
    }
  try {
    threads_.reserve(static_cast<size_t>(workers) - 1);
    for (int w = 1; w < workers; ++w)
      threads_.emplace_back([this, w] { serve(w); });
  } catch (const std::system_error &e) {
    const size_t made = threads_.size();
    undo();
    throw Failure(kLacking, cat("cannot start worker ", made + 1, " of ", workers, ": ", e.what(),
                                "; use fewer with -t"));
  } catch (...) {
    undo();
    throw;
  }
}

Pool::~Pool() { undo(); }

void Pool::undo() {
  stop();
  if (!cpus_.empty())
    bindThread(before_);
}

void Pool::note(int64_t worker) {
  if (!times_)
    return;
  std::vector<int64_t> &ns = (*times_)[static_cast<size_t>(worker)].ns;
  if (ns.size() < ns.capacity())
    ns.push_back(nowNs());
}

void Pool::stop() {
  quit_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread &t : threads_)
    t.join();
  threads_.clear();
}

void Pool::serve(int worker) {
  if (!cpus_.empty())
    bindThread({cpus_[static_cast<size_t>(worker)]}); // the constructor has seen that it works
  for (uint32_t seen = 0;; ++seen) {
    waitChange(epoch_, seen, spinNs_);
    if (quit_)
      return;
    work(worker);
  }
}

void Pool::work(int worker) {
  GmStep step = proto_;
  step.worker = worker;
  step.pool = this;
  step.workers = workers_;
  step.scratch += static_cast<uint64_t>(worker) * scratchStride_;
  if (worker != 0)
    note(worker);
  entry_(&step);
  note(worker);
  arrive(); // nobody returns to run() while another still reads or writes: from here on the caller may
  if (worker == 0)
    note(worker);
}

void Pool::run(GmEntry entry, const GmStep &proto, uint64_t scratchStride) {
  entry_ = entry;
  proto_ = proto;
  scratchStride_ = scratchStride;
  note(0);
  epoch_.fetch_add(1, std::memory_order_release);
  if (workers_ > 1)
    epoch_.notify_all();
  work(0);
}

void Pool::arrive() {
  if (workers_ == 1)
    return;
  const uint32_t generation = generation_.load(std::memory_order_relaxed);
  if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    missing_.store(workers_, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    return;
  }
  waitChange(generation_, generation, spinNs_);
}

void Pool::barrier(int64_t worker) {
  note(worker);
  arrive();
  note(worker);
}

} // namespace gemmac::rt
