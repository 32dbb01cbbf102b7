// A program's code on a GPU: for each entry the kernel that fits and how many blocks of it the GPU holds at a
// time, and from that the memory that the program takes. Takes none of it yet.
#pragma once

#include "runtime/Executor.h"
#include "runtime/cuda/Gpu.h"

#include <algorithm>

namespace gemmac::rt::cuda {

struct Kernel {
  const Entry *entry = nullptr;
  const GmImage *image = nullptr;
  OwnedModule module;
  Function function = nullptr;
  int64_t blocks = 0; ///< that are resident together: the grid of every launch
};

class CudaProgram {
public:
  /// Opens the GPU and loads the code of every entry. Fails where the GPU can run none of it or holds no
  /// block. The manifest outlives the program.
  explicit CudaProgram(const Manifest &manifest);

  const Gpu &gpu() const { return gpu_; }
  /// After an error of the device: it is asked for nothing more, not even to take back what it gave.
  void abandon() { gpu_.driver.abandon(); }
  const Manifest &manifest() const { return manifest_; }
  /// Of an entry of the manifest, itself.
  const Kernel &kernel(const Entry &entry) const;
  /// The most that a launch has.
  int64_t blocks() const;
  /// "blocks: 132 of 256 threads on 132 multiprocessors"
  std::string unitsText() const;

  /// One of these for each block; they lie one after the other.
  uint64_t scratchBytes() const { return manifest_.scratchBytes * static_cast<uint64_t>(blocks()); }
  /// Task counters, 64 bytes each, zero at the start of a step.
  uint64_t counterBytes() const { return manifest_.counters * 64; }
  /// What a step is told: a GmStep, tokens, positions.
  uint64_t inputBytes() const;
  /// How many of the weights lie on the GPU; the rest, tables, in memory of the host.
  uint64_t onDevice(uint64_t weightBytes) const {
    return std::min(weightBytes, manifest_.tablesAt.value_or(weightBytes));
  }
  /// Everything that an executor allocates on the GPU.
  std::vector<MemoryPart> memory(uint64_t weightBytes) const;
  /// Fails, with both numbers, if the GPU has less free.
  void requireMemory(uint64_t weightBytes) const;

private:
  void load(const Entry &entry);
  void findBlocks(Kernel &kernel) const;

  const Manifest &manifest_;
  Gpu gpu_;
  std::vector<Kernel> kernels_; ///< given back before the GPU
};

} // namespace gemmac::rt::cuda
