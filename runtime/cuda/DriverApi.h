// What the runtime uses of NVIDIA's driver API (cuda.h), declared here because neither building gemmac nor
// running a program may need the toolkit. Types have the layout of cuda.h's; functions have the names by
// which the library exports the versions that cuda.h of CUDA 12 and 13 means. test/unit/runtime/cuda compares
// all of it with cuda.h where that is installed.
#pragma once

#include <cstddef>

namespace gemmac::rt::cuda {

using Result = int;                       ///< CUresult: 0 is success
using DeviceId = int;                     ///< CUdevice
using DevicePointer = unsigned long long; ///< CUdeviceptr: an address in device memory, not of this process
// Handles, which only the driver looks into.
using Context = struct ContextObject *;
using Module = struct ModuleObject *;
using Function = struct FunctionObject *;
using Stream = struct StreamObject *;
using Event = struct EventObject *;

/// CUresult: those that messages have an advice for, or that are expected.
enum : Result {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kStubLibrary = 34,
  kDeviceUnavailable = 46,
  kNoDevice = 100,
  kInvalidImage = 200,
  kNoBinaryForGpu = 209,
  kEccUncorrectable = 214,
  kInvalidPtx = 218,
  kNvlinkUncorrectable = 220,
  kJitCompilerNotFound = 221,
  kUnsupportedPtxVersion = 222,
  kNotFound = 500,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchTimeout = 702,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kLaunchFailed = 719,
  kCooperativeLaunchTooLarge = 720,
  kSystemNotReady = 802,
  kSystemDriverMismatch = 803,
  kCompatNotSupportedOnDevice = 804,
  kUnknown = 999,
};

/// CUdevice_attribute.
enum : int {
  kMultiprocessors = 16,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kCooperativeLaunch = 95,
  kSharedPerBlockOptin = 97,
};

/// CUfunction_attribute.
enum : int { kRegisters = 4, kMaxDynamicShared = 8 };

/// CUjit_option.
enum : int { kJitErrorLog = 5, kJitErrorLogBytes = 6 };

enum : unsigned { kStreamNonBlocking = 1 };  ///< CUstream_flags
enum : unsigned { kEventDisableTiming = 2 }; ///< CUevent_flags

} // namespace gemmac::rt::cuda

/// F(exported name, parameters): every function that is used; all return a Result.
#define GM_CUDA_FUNCTIONS(F)                                                                                 \
  F(cuInit, (unsigned flags))                                                                                \
  F(cuDriverGetVersion, (int *version))                                                                      \
  F(cuGetErrorName, (Result error, const char **text))                                                       \
  F(cuGetErrorString, (Result error, const char **text))                                                     \
  F(cuDeviceGetCount, (int *count))                                                                          \
  F(cuDeviceGet, (DeviceId * device, int ordinal))                                                           \
  F(cuDeviceGetName, (char *name, int bytes, DeviceId device))                                               \
  F(cuDeviceGetAttribute, (int *value, int attribute, DeviceId device))                                      \
  F(cuDevicePrimaryCtxRetain, (Context * context, DeviceId device))                                          \
  F(cuDevicePrimaryCtxRelease_v2, (DeviceId device))                                                         \
  F(cuCtxSetCurrent, (Context context))                                                                      \
  F(cuMemGetInfo_v2, (size_t *freeBytes, size_t *totalBytes))                                                \
  F(cuMemAlloc_v2, (DevicePointer * address, size_t bytes))                                                  \
  F(cuMemFree_v2, (DevicePointer address))                                                                   \
  F(cuMemHostAlloc, (void **address, size_t bytes, unsigned flags))                                          \
  F(cuMemFreeHost, (void *address))                                                                          \
  F(cuMemcpyHtoDAsync_v2, (DevicePointer to, const void *from, size_t bytes, Stream stream))                 \
  F(cuMemcpyDtoHAsync_v2, (void *to, DevicePointer from, size_t bytes, Stream stream))                       \
  F(cuMemsetD8Async, (DevicePointer to, unsigned char value, size_t bytes, Stream stream))                   \
  F(cuStreamCreate, (Stream * stream, unsigned flags))                                                       \
  F(cuStreamDestroy_v2, (Stream stream))                                                                     \
  F(cuStreamSynchronize, (Stream stream))                                                                    \
  F(cuEventCreate, (Event * event, unsigned flags))                                                          \
  F(cuEventDestroy_v2, (Event event))                                                                        \
  F(cuEventRecord, (Event event, Stream stream))                                                             \
  F(cuEventSynchronize, (Event event))                                                                       \
  F(cuModuleLoadDataEx,                                                                                      \
    (Module * module, const void *image, unsigned count, int *options, void **optionValues))                 \
  F(cuModuleUnload, (Module module))                                                                         \
  F(cuModuleGetFunction, (Function * function, Module module, const char *name))                             \
  F(cuFuncSetAttribute, (Function function, int attribute, int value))                                       \
  F(cuFuncGetAttribute, (int *value, int attribute, Function function))                                      \
  F(cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                             \
    (int *blocks, Function function, int threads, size_t dynamicSharedBytes))                                \
  F(cuLaunchCooperativeKernel,                                                                               \
    (Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,    \
     unsigned blockZ, unsigned sharedBytes, Stream stream, void **parameters))
