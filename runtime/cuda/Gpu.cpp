// See Gpu.h.
#include "runtime/cuda/Gpu.h"

namespace gemmac::rt::cuda {

Gpu::Gpu() {
  int count = 0;
  driver.check(driver.cuDeviceGetCount(&count), "cannot count the GPUs");
  if (count == 0)
    throw driver.failure(kNoDevice, "cannot use a GPU");
  driver.check(driver.cuDeviceGet(&device_, 0), "cannot use the first GPU");
  readFacts();
  Context context = nullptr;
  driver.check(driver.cuDevicePrimaryCtxRetain(&context, device_), "cannot use the first GPU");
  if (const Result result = driver.cuCtxSetCurrent(context)) {
    driver.cuDevicePrimaryCtxRelease_v2(device_);
    throw driver.failure(result, "cannot use the first GPU");
  }
}

Gpu::~Gpu() {
  if (!driver.abandoned())
    driver.cuDevicePrimaryCtxRelease_v2(device_);
}

int Gpu::attribute(int which) const {
  int value = 0;
  driver.check(driver.cuDeviceGetAttribute(&value, which, device_), "cannot read what the GPU can do");
  return value;
}

void Gpu::readFacts() {
  char text[256] = "";
  driver.check(driver.cuDeviceGetName(text, sizeof text, device_), "cannot read the GPU's name");
  name = text;
  capability = {attribute(kCapabilityMajor), attribute(kCapabilityMinor)};
  multiprocessors = attribute(kMultiprocessors);
  sharedBytes = static_cast<uint64_t>(attribute(kSharedPerBlockOptin));
  if (!attribute(kCooperativeLaunch))
    throw Failure(kLacking,
                  cat("the GPU (", this->text(),
                      ") cannot launch kernels whose blocks wait for each other (cooperative launch), "
                      "which a step is; use another GPU, or compile the model for the CPU"));
}

std::string Gpu::text() const {
  return cat(name, ", compute capability ", capability.major, ".", capability.minor, ", driver for CUDA ",
             driver.versionText());
}

Gpu::Memory Gpu::memory() const {
  size_t freeBytes = 0, totalBytes = 0;
  driver.check(driver.cuMemGetInfo_v2(&freeBytes, &totalBytes), "cannot read how much memory the GPU has");
  return {freeBytes, totalBytes};
}

} // namespace gemmac::rt::cuda
