// Steps on the CPU: generated functions that all workers of a pool call together.
#pragma once

#include "runtime/Executor.h"
#include "runtime/Memory.h"
#include "runtime/Pool.h"

namespace gemmac::rt {

class CpuExecutor final : public Executor {
public:
  /// `weights` and the manifest outlive the executor. `cpus`: Pool's. Fails with exit 3 if the system refuses
  /// memory or threads.
  CpuExecutor(const Manifest &manifest, const char *weights, int workers, std::vector<int> cpus = {});

  std::span<int32_t> tokens() override { return tokens_; }
  std::span<int32_t> positions() override { return positions_; }
  void run(const Entry &entry, int64_t rows) override { runOther(entry.run, rows); }
  float *logits(const Entry &entry, int64_t row) override {
    return reinterpret_cast<float *>(arena_.data() + entry.logits) + row * entry.stride;
  }
  const int32_t *ids(const Entry &entry) override {
    return reinterpret_cast<const int32_t *>(arena_.data() + entry.ids);
  }
  int clocks() const override { return pool_.workers(); }
  void setTimes(std::vector<WorkerTimes> *times) override { pool_.setTimes(times); }
  const std::vector<WorkerTimes> *times() const override { return pool_.times(); }
  void runOther(GmEntry entry, int64_t rows) override;
  ExecutorFacts facts() const override;

private:
  const uint64_t counterBytes_, scratchStride_;
  Region arena_, work_; ///< work_: counters, tokens, positions, scratch of each worker
  GmStep proto_ = {};
  std::span<int32_t> tokens_, positions_;
  Pool pool_;
};

} // namespace gemmac::rt
