// See Driver.h.
#include "runtime/cuda/Driver.h"

#include <algorithm>
#include <dlfcn.h>

namespace gemmac::rt::cuda {

static constexpr const char *kLibrary = "libcuda.so.1";

static std::string versionName(int version) { return cat(version / 1000, ".", version % 1000 / 10); }

std::string Driver::versionText() const { return versionName(version_); }

/// All functions, or which one is missing.
static const char *resolve(void *library, Driver &driver) {
#define GM_CUDA_RESOLVE(name, parameters)                                                                    \
  driver.name = reinterpret_cast<Result(*) parameters>(dlsym(library, #name));                               \
  if (!driver.name)                                                                                          \
    return #name;
  GM_CUDA_FUNCTIONS(GM_CUDA_RESOLVE)
#undef GM_CUDA_RESOLVE
  return nullptr;
}

Driver::Driver() {
  void *library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    throw Failure(kLacking,
                  cat("cannot load the NVIDIA driver: ", why ? why : kLibrary,
                      "; install it (`nvidia-smi` shows whether it works; a container must be given "
                      "its GPUs), or compile the model for the CPU"));
  }
  const char *missing = resolve(library, *this);
  if (cuDriverGetVersion && cuGetErrorName && cuGetErrorString) // works without a device
    check(cuDriverGetVersion(&version_), "cannot ask the NVIDIA driver for its version");
  if (missing || version_ < kOldest)
    throw Failure(kLacking,
                  cat("the NVIDIA driver is too old: found one for CUDA ", versionText(),
                      missing ? cat(" that lacks ", missing) : std::string(), ", expected one for CUDA ",
                      versionName(kOldest), " or later; update the driver"));
  check(cuInit(0), "cannot initialize the NVIDIA driver");
}

/// What to do about an error.
static const char *adviceFor(Result result) {
  switch (result) {
  case kNoDevice:
    return "no GPU can be seen: `nvidia-smi` lists those that work, and CUDA_VISIBLE_DEVICES may hide them";
  case kOutOfMemory:
    return "free memory of the GPU (`nvidia-smi` shows who uses it), or compile with a smaller --context";
  case kStubLibrary:
    return "the library that was found is the toolkit's stub; install the driver, or put its library first "
           "in LD_LIBRARY_PATH";
  case kDeviceUnavailable:
    return "another process has the GPU for itself; wait for it, or choose another with CUDA_VISIBLE_DEVICES";
  case kSystemNotReady:
    return "the system is not ready: on machines with NVSwitch start nvidia-fabricmanager";
  case kSystemDriverMismatch:
  case kCompatNotSupportedOnDevice:
    return "the driver's library and its kernel module do not match: restart the machine, or reinstall the "
           "driver";
  case kUnsupportedPtxVersion:
  case kJitCompilerNotFound:
    return "update the driver, or compile the model again with --gpu-arch of this GPU, whose code needs no "
           "compiler in the driver";
  case kInvalidImage:
  case kInvalidPtx:
  case kNoBinaryForGpu:
    return "update the driver, which may be older than the executable's code; else check the executable with "
           "`verify` and compile the model again";
  case kEccUncorrectable:
  case kNvlinkUncorrectable:
    return "the GPU's hardware reports damage; reset it or use another";
  case kLaunchTimeout:
    return "the system stopped a kernel that took too long: use a GPU that drives no display";
  case kCooperativeLaunchTooLarge:
    return "other programs may share the GPU's multiprocessors (MPS); run without them";
  case kIllegalAddress:
  case kIllegalInstruction:
  case kMisalignedAddress:
  case kLaunchFailed:
    return "check the executable with `verify`; if it is whole, this is a defect of gemmac: please report it";
  default:
    return "`nvidia-smi` and the kernel's log say more";
  }
}

Failure Driver::failure(Result result, const std::string &attempt, const char *advice) const {
  const char *name = nullptr, *text = nullptr;
  cuGetErrorName(result, &name);
  cuGetErrorString(result, &text);
  return {kLacking, cat(attempt, ": ", name ? name : "unknown error", " (", result, text ? ", " : "",
                        text ? text : "", "); ", advice ? advice : adviceFor(result))};
}

OwnedStream createStream(const Driver &driver) {
  Stream stream = nullptr;
  driver.check(driver.cuStreamCreate(&stream, kStreamNonBlocking), "cannot create a stream of the GPU");
  return {driver, stream};
}

OwnedEvent createEvent(const Driver &driver) {
  Event event = nullptr;
  driver.check(driver.cuEventCreate(&event, kEventDisableTiming), "cannot create an event of the GPU");
  return {driver, event};
}

DeviceMemory allocateDevice(const Driver &driver, uint64_t bytes, const char *what) {
  DevicePointer address = 0;
  if (const Result result = driver.cuMemAlloc_v2(&address, std::max<uint64_t>(bytes, 1)))
    throw driver.failure(result, cat("cannot allocate ", bytes, " bytes of the GPU's memory for ", what));
  return {driver, address};
}

PinnedMemory allocatePinned(const Driver &driver, uint64_t bytes, const char *what) {
  void *address = nullptr;
  if (const Result result = driver.cuMemHostAlloc(&address, std::max<uint64_t>(bytes, 1), 0))
    throw driver.failure(result, cat("cannot allocate ", bytes, " bytes of pinned memory for ", what),
                         "free memory, or raise `ulimit -l`");
  return {driver, address};
}

} // namespace gemmac::rt::cuda
