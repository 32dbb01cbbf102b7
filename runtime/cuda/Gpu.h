// The GPU that a program runs on: the first that the driver shows (CUDA_VISIBLE_DEVICES chooses), with its
// context current for this thread.
#pragma once

#include "runtime/cuda/Driver.h"
#include "runtime/cuda/Images.h"

namespace gemmac::rt::cuda {

class Gpu {
public:
  /// Fails where there is no driver or no GPU, or the GPU cannot launch cooperative kernels.
  Gpu();
  Gpu(const Gpu &) = delete;
  ~Gpu();

  Driver driver;
  std::string name; ///< "NVIDIA H100 80GB HBM3"
  Capability capability;
  int multiprocessors = 0;
  uint64_t sharedBytes = 0; ///< most of a block

  /// "NVIDIA H100 80GB HBM3, compute capability 9.0, driver for CUDA 12.8"
  std::string text() const;
  struct Memory {
    uint64_t freeBytes, totalBytes;
  };
  Memory memory() const;

private:
  int attribute(int which) const;
  void readFacts();

  DeviceId device_ = 0;
};

} // namespace gemmac::rt::cuda
