// See Pool.h. The barrier: the last to arrive refills the count and then publishes a new generation; the
// others wait for that. Fields written by run() are published by epoch_ (release) and read after it
// (acquire).
#include "runtime/Pool.h"

#include "runtime/Cpu.h"
#include "runtime/Failure.h"

#include <chrono>
#include <system_error>

extern "C" void gm_barrier(const GmStep *step) {
  static_cast<gemmac::rt::Pool *>(step->pool)->barrier(step->worker);
}

namespace gemmac::rt {

static int64_t nowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Waits until `word` is no longer `old`: some spins, then asleep on a futex.
static void waitChange(std::atomic<uint32_t> &word, uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (word.load(std::memory_order_acquire) != old)
      return;
    pauseCpu();
  }
  word.wait(old, std::memory_order_acquire);
}

Pool::Pool(int workers) : workers_(workers), missing_(workers) {
  // A phase lasts 10 us to 1 ms and a pause about 40 ns: 4000 bridge most waits. With more workers than CPUs
  // a spinning worker only keeps the one it waits for from running.
  spins_ = workers > affinityCpus() ? 16 : 4000;
  try {
    for (int w = 1; w < workers; ++w)
      threads_.emplace_back([this, w] { serve(w); });
  } catch (const std::system_error &e) {
    const size_t made = threads_.size();
    stop();
    throw Failure(kLacking, cat("cannot start worker ", made + 1, " of ", workers, ": ", e.what(),
                                "; use fewer with -t"));
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  quit_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread &t : threads_)
    t.join();
  threads_.clear();
}

void Pool::serve(int worker) {
  for (uint32_t seen = 0;; ++seen) {
    waitChange(epoch_, seen, spins_);
    if (quit_)
      return;
    work(worker);
  }
}

void Pool::work(int worker) {
  GmStep step = proto_;
  step.worker = worker;
  step.pool = this;
  step.scratch += static_cast<uint64_t>(worker) * scratchStride_;
  entry_(&step);
  arrive(); // nobody returns to run() while another still reads or writes
}

void Pool::run(GmEntry entry, const GmStep &proto, uint64_t scratchStride) {
  entry_ = entry;
  proto_ = proto;
  scratchStride_ = scratchStride;
  if (profile_ && profile_->size() < profile_->capacity())
    profile_->push_back(nowNs());
  epoch_.fetch_add(1, std::memory_order_release);
  if (workers_ > 1)
    epoch_.notify_all();
  work(0);
  if (profile_ && profile_->size() < profile_->capacity())
    profile_->push_back(nowNs());
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
  waitChange(generation_, generation, spins_);
}

void Pool::barrier(int64_t worker) {
  arrive();
  if (worker == 0 && profile_ && profile_->size() < profile_->capacity())
    profile_->push_back(nowNs());
}

} // namespace gemmac::rt
