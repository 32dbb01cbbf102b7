// runtime/cuda/DriverApi.h against the toolkit's cuda.h, where that is installed: the same exported names,
// signatures of the same layout, the same numbers. All of it is decided by the compiler.
#include <cuda.h>

#include "runtime/cuda/DriverApi.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace gemmac::rt::cuda {
namespace {

/// What a calling convention sees of a type: a pointer, or an integer of some bytes.
template <class T> struct Plain {
  static constexpr bool pointer = std::is_pointer_v<T>;
  static constexpr size_t bytes = sizeof(T);
};
/// A pointer to an object that is written or read shows the object's size, too; not of handles and of void.
template <class T> struct Pointee {
  static constexpr size_t bytes = 0;
};
template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_pointer_v<T>)
struct Pointee<T *> {
  static constexpr size_t bytes = sizeof(T);
};

template <class A, class B>
constexpr bool alike = Plain<A>::pointer == Plain<B>::pointer && Plain<A>::bytes == Plain<B>::bytes &&
                       Pointee<A>::bytes == Pointee<B>::bytes;

template <class A, class B> struct AlikeFunctions : std::false_type {};
template <class R, class... A, class S, class... B>
  requires(sizeof...(A) == sizeof...(B))
struct AlikeFunctions<R (*)(A...), S (*)(B...)> : std::bool_constant<alike<R, S> && (alike<A, B> && ...)> {};

#define SAME_FUNCTION(name, parameters)                                                                      \
  static_assert(AlikeFunctions<decltype(&::name), Result(*) parameters>::value, #name);
GM_CUDA_FUNCTIONS(SAME_FUNCTION)
#undef SAME_FUNCTION

static_assert(alike<CUresult, Result> && alike<CUdevice, DeviceId> && alike<CUdeviceptr, DevicePointer>);
static_assert(!AlikeFunctions<int (*)(int), int (*)(long)>::value &&
                  !AlikeFunctions<int (*)(int *), int (*)(long *)>::value,
              "differences are seen");

struct Number {
  const char *name;
  int ours, theirs;
};
constexpr Number kNumbers[] = {
    {"success", kSuccess, CUDA_SUCCESS},
    {"invalid value", kInvalidValue, CUDA_ERROR_INVALID_VALUE},
    {"out of memory", kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY},
    {"not initialized", kNotInitialized, CUDA_ERROR_NOT_INITIALIZED},
    {"stub library", kStubLibrary, CUDA_ERROR_STUB_LIBRARY},
    {"device unavailable", kDeviceUnavailable, CUDA_ERROR_DEVICE_UNAVAILABLE},
    {"no device", kNoDevice, CUDA_ERROR_NO_DEVICE},
    {"invalid image", kInvalidImage, CUDA_ERROR_INVALID_IMAGE},
    {"no binary", kNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU},
    {"ECC", kEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE},
    {"invalid PTX", kInvalidPtx, CUDA_ERROR_INVALID_PTX},
    {"NVLink", kNvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE},
    {"no JIT", kJitCompilerNotFound, CUDA_ERROR_JIT_COMPILER_NOT_FOUND},
    {"PTX version", kUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION},
    {"not found", kNotFound, CUDA_ERROR_NOT_FOUND},
    {"illegal address", kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS},
    {"out of resources", kLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES},
    {"timeout", kLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT},
    {"illegal instruction", kIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION},
    {"misaligned address", kMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS},
    {"launch failed", kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED},
    {"cooperative launch", kCooperativeLaunchTooLarge, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE},
    {"system not ready", kSystemNotReady, CUDA_ERROR_SYSTEM_NOT_READY},
    {"driver mismatch", kSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH},
    {"compatibility", kCompatNotSupportedOnDevice, CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE},
    {"unknown", kUnknown, CUDA_ERROR_UNKNOWN},
    {"multiprocessors", kMultiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT},
    {"major", kCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR},
    {"minor", kCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR},
    {"cooperative", kCooperativeLaunch, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH},
    {"shared", kSharedPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN},
    {"registers", kRegisters, CU_FUNC_ATTRIBUTE_NUM_REGS},
    {"dynamic shared", kMaxDynamicShared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES},
    {"error log", kJitErrorLog, CU_JIT_ERROR_LOG_BUFFER},
    {"error log bytes", kJitErrorLogBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES},
    {"stream", kStreamNonBlocking, CU_STREAM_NON_BLOCKING},
    {"event", kEventDisableTiming, CU_EVENT_DISABLE_TIMING},
};

TEST(CudaApi, numbersAreThoseOfTheToolkit) {
  for (const Number &n : kNumbers)
    EXPECT_EQ(n.ours, n.theirs) << n.name;
}

} // namespace
} // namespace gemmac::rt::cuda
