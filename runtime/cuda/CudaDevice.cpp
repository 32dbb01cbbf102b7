// gm_cuda (Abi.h): what a program for NVIDIA's GPUs names, so that it is linked with this folder.
#include "runtime/Device.h"
#include "runtime/cuda/CudaExecutor.h"

namespace gemmac::rt::cuda {

static DeviceReport report(const Manifest &manifest, uint64_t weightBytes) {
  DeviceReport r;
  try {
    CudaProgram program(manifest);
    r.name = program.gpu().text();
    r.code = imageName(*program.kernel(manifest.decode).image);
    r.units = cat("blocks: ", program.unitsText());
    r.memory = program.memory(weightBytes);
    r.hostBytes = weightBytes - program.onDevice(weightBytes);
    r.freeBytes = program.gpu().memory().freeBytes;
    program.requireMemory(weightBytes);
  } catch (const Failure &f) {
    r.problem = f.what();
  }
  return r;
}

static std::unique_ptr<Executor> open(const Manifest &manifest, std::span<const char> weights) {
  return std::make_unique<CudaExecutor>(manifest, weights);
}

} // namespace gemmac::rt::cuda

constinit const GmDevice gm_cuda = {gemmac::rt::cuda::report, gemmac::rt::cuda::open};
