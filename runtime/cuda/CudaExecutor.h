// Steps on an NVIDIA GPU. A step is one cooperative launch of its entry's kernel: the step's description,
// tokens and positions go to the device, counters become zero, the kernel runs, and logits come back into
// pinned memory.
#pragma once

#include "runtime/cuda/CudaProgram.h"

namespace gemmac::rt::cuda {

class CudaExecutor final : public Executor {
public:
  /// Copies the weights to the GPU; they may go afterwards. The manifest outlives the executor. Fails with
  /// exit 3 where the GPU, its driver or its memory is not what the program needs. Ctrl-C while the weights
  /// are copied is Interrupted.
  CudaExecutor(const Manifest &manifest, std::span<const char> weights);

  std::span<int32_t> tokens() override { return tokens_; }
  std::span<int32_t> positions() override { return positions_; }
  /// Fails with exit 3 if the GPU fails; the executor is then of no more use.
  void run(const Entry &entry, int64_t rows) override;
  float *logits(const Entry &entry, int64_t row) override;
  const int32_t *ids(const Entry &entry) override;
  int clocks() const override { return 0; }
  void setTimes(std::vector<WorkerTimes> *times) override { times_ = times; }
  const std::vector<WorkerTimes> *times() const override { return times_; }
  void runOther(GmEntry entry, int64_t rows) override;
  ExecutorFacts facts() const override;

private:
  void layOut();
  void upload(std::span<const char> weights);
  Result clear(const DeviceMemory &memory, uint64_t bytes);
  void copyLogits(const Entry &entry, int64_t row);
  void note();
  void require(Result result, const Entry &entry, const char *attempt);

  CudaProgram program_;
  const uint64_t weightBytes_;
  const Driver &driver_;
  OwnedStream stream_;
  DeviceMemory weights_, arena_, scratch_, counters_;
  DeviceMemory input_;      ///< what a step is told: GmStep, tokens, positions
  PinnedMemory tables_;     ///< weights that stay on the host
  PinnedMemory hostInput_;  ///< the same on the host
  PinnedMemory hostLogits_; ///< of one row, and behind them the ids of decode_top
  GmStep *step_ = nullptr;  ///< in hostInput_
  std::span<int32_t> tokens_, positions_;
  std::vector<WorkerTimes> *times_ = nullptr;
};

} // namespace gemmac::rt::cuda
