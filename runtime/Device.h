// What a program needs to know of a device that is not the CPU: whether it is there and fits, for `info`, and
// an executor on it. The model's object names its device (GmModel.device), so that the linker takes it from
// the runtime's archive only for programs that run on it.
#pragma once

#include "runtime/Executor.h"

#include <memory>

namespace gemmac::rt {

/// A device and how the program would run on it.
struct DeviceReport {
  std::string problem; ///< why it cannot be run here; empty: it can
  std::string
      name; ///< "NVIDIA H100 80GB HBM3, compute capability 9.0, driver for CUDA 12.8"; empty: not known
  std::string code;               ///< the architecture whose code would run: "sm_90a", "PTX for sm_80"
  std::string units;              ///< "blocks: 132 of 256 threads on 132 multiprocessors"
  std::vector<MemoryPart> memory; ///< that it would take on the device
  uint64_t freeBytes = 0;         ///< of the device's memory
  uint64_t hostBytes = 0;         ///< of weights that stay in the host's memory, pinned
};

} // namespace gemmac::rt

struct GmDevice {
  /// Looks at the device and takes no memory on it for the model. Does not fail.
  gemmac::rt::DeviceReport (*report)(const gemmac::rt::Manifest &manifest, uint64_t weightBytes);
  /// Fails with exit 3, naming what the machine lacks. The manifest outlives the executor; the weights are
  /// copied.
  std::unique_ptr<gemmac::rt::Executor> (*open)(const gemmac::rt::Manifest &manifest,
                                                std::span<const char> weights);
};
