// The workers: N of them run one function together (SPMD), with one kind of barrier. Thread 0 is the caller.
// Between steps the others wait, first spinning, then asleep. Nothing here decides who computes what:
// generated code claims tasks from counters, so that results do not depend on N or on timing.
#pragma once

#include "runtime/Abi.h"
#include "runtime/WorkerTimes.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace gemmac::rt {

class Pool {
public:
  /// Worker w is bound to cpus[w], the caller until the pool goes; empty: nobody is. Fails with exit 3 if the
  /// system refuses a thread or a binding.
  explicit Pool(int workers, std::vector<int> cpus = {});
  Pool(const Pool &) = delete;
  ~Pool();

  int workers() const { return workers_; }
  /// The CPU of each worker; empty: they are not bound.
  const std::vector<int> &cpus() const { return cpus_; }

  /// Runs entry on every worker and returns when all have returned from it. Worker w gets a copy of `proto`
  /// with its `worker`, its `pool`, and `scratch` moved on by w * scratchStride bytes.
  void run(GmEntry entry, const GmStep &proto, uint64_t scratchStride);

  /// Returns once every worker has called it; writes before it are visible after it.
  void barrier(int64_t worker);

  /// While set, each worker notes its times; one entry for each worker. Null: off.
  void setTimes(std::vector<WorkerTimes> *times) { times_ = times; }
  const std::vector<WorkerTimes> *times() const { return times_; }

private:
  void serve(int worker);
  void work(int worker);
  void arrive();
  void note(int64_t worker);
  void stop();
  void undo(); ///< stop(), and the caller is free again

  const int workers_;
  const std::vector<int> cpus_;
  std::vector<int> before_; ///< the caller's affinity
  int64_t spinNs_;
  GmEntry entry_ = nullptr;
  GmStep proto_ = {};
  uint64_t scratchStride_ = 0;
  bool quit_ = false;
  std::vector<WorkerTimes> *times_ = nullptr;
  std::vector<std::thread> threads_;
  // Written by one side and polled by all others: a cache line each.
  alignas(64) std::atomic<uint32_t> epoch_{0};      ///< one more for each step
  alignas(64) std::atomic<uint32_t> generation_{0}; ///< one more for each barrier passed
  alignas(64) std::atomic<int> missing_;            ///< workers yet to arrive at the barrier
};

} // namespace gemmac::rt
