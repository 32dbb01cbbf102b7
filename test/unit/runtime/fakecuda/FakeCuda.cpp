// A libcuda.so.1 without a GPU. It keeps books of everything it hands out, does copies and kernels when they
// are waited for and not before (so that memory which is reused too early shows), and runs FakeModel's
// entries as kernels. Device addresses lie outside of any process: whoever follows one crashes. What it is
// asked to do is written to the file FAKE_CUDA_LOG, a line each; misuse is a line "violation: ..". It is told
// by environment variables what it has and where it fails:
//
//   FAKE_CUDA_DEVICES=1 FAKE_CUDA_VERSION=12080 FAKE_CUDA_CAPABILITY=90 FAKE_CUDA_SMS=4 FAKE_CUDA_BLOCKS=2
//   FAKE_CUDA_SHARED=232448 FAKE_CUDA_COOPERATIVE=1 FAKE_CUDA_MEMORY=1073741824 FAKE_CUDA_STEP_MS=0
//   FAKE_CUDA_FAIL=cuMemAlloc_v2:2:3      the third call (default: the first) fails with error 2; errors from
//                                         700 on stay, as a context's do
//
// With FAKE_CUDA_WITHOUT_COOPERATIVE_LAUNCH defined it is a library from before that function.
#include "Books.h"
#include "FakeModel.h"
#include "runtime/cuda/Images.h"

#include <chrono>
#include <map>
#include <thread>

/// A kernel has one thread here.
extern "C" void gm_barrier(const GmStep *) {}

namespace gemmac::rt::cuda {
namespace {

struct Launch {
  Function function;
  unsigned grid, block;
  DevicePointer argument;
};

/// The kernel: FakeModel's entry of that name, as one worker that does everything.
Result runKernel(const Launch &launch) {
  const std::string manifest = test::fakeManifest();
  const GmModel model = test::fakeModel(manifest);
  const std::map<std::string, GmEntry> entries{{"gm_decode", model.decode},
                                               {"gm_decode_top", model.decode_top},
                                               {"gm_prefill_none", model.prefill_none},
                                               {"gm_prefill_last", model.prefill_last},
                                               {"gm_prefill_all", model.prefill_all}};
  const Books &b = books();
  const char *argument = b.device(launch.argument, sizeof(GmStep));
  if (!argument)
    return books().violation("the step is not in device memory"), kIllegalAddress;
  GmStep step;
  std::memcpy(&step, argument, sizeof step);
  if (step.worker != 0 || step.workers != launch.grid || step.pool)
    return books().violation("worker, workers or pool of the step"), kIllegalAddress;
  const std::vector<char> *weights = b.allocation(reinterpret_cast<DevicePointer>(step.weights));
  if (!weights)
    return books().violation("the weights are not where device memory begins"), kIllegalAddress;
  if (!books().seenWeights_)
    books().say("weights %016llx", static_cast<unsigned long long>(test::fakeHash(*weights)));
  if (step.tables && !books().seenWeights_) {
    const auto tables = b.pinned_.find(step.tables);
    if (tables == b.pinned_.end())
      return books().violation("the tables are not where pinned memory begins"), kIllegalAddress;
    books().say("tables %016llx", static_cast<unsigned long long>(test::fakeHash(tables->second)));
  }
  books().seenWeights_ = true;
  const size_t rows = static_cast<size_t>(step.rows);
  step.arena = b.device(step.arena, test::kFakeArena);
  step.scratch = b.device(step.scratch, test::kFakeScratch * launch.grid);
  step.tokens = b.device(step.tokens, rows * sizeof(int32_t));
  step.positions = b.device(step.positions, rows * sizeof(int32_t));
  step.counters = b.device(step.counters, 2 * 64);
  if (!step.arena || !step.scratch || !step.tokens || !step.positions || !step.counters)
    return books().violation("a pointer of the step leaves its memory"), kIllegalAddress;
  for (int i = 0; i < 16; ++i)
    if (step.counters[i] != 0)
      return books().violation("counters are not zero"), kIllegalAddress;
  std::this_thread::sleep_for(std::chrono::milliseconds(setting("FAKE_CUDA_STEP_MS", 0)));
  books().say("run %s rows %lld from %d", launch.function->name.c_str(), static_cast<long long>(step.rows),
              step.positions[0]);
  entries.at(launch.function->name)(&step);
  std::memset(step.scratch, 0xee, test::kFakeScratch * launch.grid);
  return kSuccess;
}

} // namespace
} // namespace gemmac::rt::cuda

using namespace gemmac::rt::cuda; // the types of the functions that follow

#define EXPORT extern "C" __attribute__((visibility("default"))) Result
#define ENTER()                                                                                              \
  if (const Result error = books().enter(__func__))                                                          \
  return error

EXPORT cuInit(unsigned) {
  ENTER();
  books().initialized_ = true;
  return setting("FAKE_CUDA_DEVICES", 1) ? kSuccess : kNoDevice;
}

EXPORT cuDriverGetVersion(int *version) {
  books().restart(); // what a program calls first
  ENTER();
  *version = static_cast<int>(setting("FAKE_CUDA_VERSION", 12080));
  return kSuccess;
}

EXPORT cuGetErrorName(Result error, const char **text) {
  switch (error) {
  case kInvalidValue:
    return *text = "CUDA_ERROR_INVALID_VALUE", kSuccess;
  case kOutOfMemory:
    return *text = "CUDA_ERROR_OUT_OF_MEMORY", kSuccess;
  case kNoDevice:
    return *text = "CUDA_ERROR_NO_DEVICE", kSuccess;
  case kIllegalAddress:
    return *text = "CUDA_ERROR_ILLEGAL_ADDRESS", kSuccess;
  case kLaunchFailed:
    return *text = "CUDA_ERROR_LAUNCH_FAILED", kSuccess;
  default:
    return *text = nullptr, kInvalidValue;
  }
}

EXPORT cuGetErrorString(Result error, const char **text) {
  *text = error == kIllegalAddress ? "an illegal memory access was encountered" : nullptr;
  return *text ? kSuccess : kInvalidValue;
}

EXPORT cuDeviceGetCount(int *count) {
  ENTER();
  *count = static_cast<int>(setting("FAKE_CUDA_DEVICES", 1));
  return books().initialized_ ? kSuccess : kNotInitialized;
}

EXPORT cuDeviceGet(DeviceId *device, int ordinal) {
  ENTER();
  *device = 7 + ordinal; // a handle, not the number
  return kSuccess;
}

EXPORT cuDeviceGetName(char *name, int bytes, DeviceId device) {
  ENTER();
  std::snprintf(name, static_cast<size_t>(bytes), "Fake GPU %d", device - 7);
  return kSuccess;
}

EXPORT cuDeviceGetAttribute(int *value, int attribute, DeviceId device) {
  ENTER();
  if (device != 7)
    return books().violation("no such device");
  const auto capability = static_cast<int>(setting("FAKE_CUDA_CAPABILITY", 90));
  const std::map<int, long long> values{{kCapabilityMajor, capability / 10},
                                        {kCapabilityMinor, capability % 10},
                                        {kMultiprocessors, setting("FAKE_CUDA_SMS", 4)},
                                        {kSharedPerBlockOptin, setting("FAKE_CUDA_SHARED", 232448)},
                                        {kCooperativeLaunch, setting("FAKE_CUDA_COOPERATIVE", 1)}};
  if (!values.count(attribute))
    return books().violation("an attribute that nobody needs");
  *value = static_cast<int>(values.at(attribute));
  return kSuccess;
}

EXPORT cuDevicePrimaryCtxRetain(Context *context, DeviceId) {
  ENTER();
  static ContextObject object;
  *context = &object;
  return kSuccess;
}

EXPORT cuDevicePrimaryCtxRelease_v2(DeviceId) {
  const Books &b = books();
  books().say("release: %zu device, %zu pinned, %zu streams, %zu events, %zu modules left", b.device_.size(),
              b.pinned_.size(), b.streams_.size(), b.events_.size(), b.modules_.size());
  return kSuccess;
}

EXPORT cuCtxSetCurrent(Context context) {
  ENTER();
  books().current_ = context != nullptr;
  return kSuccess;
}

EXPORT cuMemGetInfo_v2(size_t *freeBytes, size_t *totalBytes) {
  ENTER();
  *totalBytes = 2ull << 30;
  *freeBytes = static_cast<size_t>(setting("FAKE_CUDA_MEMORY", 1 << 30)) - books().used();
  return kSuccess;
}

EXPORT cuMemAlloc_v2(DevicePointer *address, size_t bytes) {
  ENTER();
  if (!bytes || !books().current_)
    return books().violation("no bytes, or no context");
  std::vector<char> memory(bytes, static_cast<char>(0xcd));
  *address = reinterpret_cast<DevicePointer>(memory.data()) + kDevice;
  books().device_.emplace(*address, std::move(memory));
  books().say("allocate %zu", bytes);
  return kSuccess;
}

EXPORT cuMemFree_v2(DevicePointer address) {
  ENTER();
  return books().device_.erase(address) ? kSuccess : books().violation("free of what was not allocated");
}

EXPORT cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  ENTER();
  std::vector<char> memory(bytes, static_cast<char>(0xcd));
  *address = memory.data();
  books().pinned_.emplace(memory.data(), std::move(memory));
  books().say("pin %zu", bytes);
  return kSuccess;
}

EXPORT cuMemFreeHost(void *address) {
  ENTER();
  for (const auto &[stream, object] : books().streams_)
    if (!stream->pending.empty())
      books().violation("pinned memory is given back while work is pending");
  return books().pinned_.erase(static_cast<char *>(address))
             ? kSuccess
             : books().violation("free of what was not pinned");
}

EXPORT cuMemcpyHtoDAsync_v2(DevicePointer to, const void *from, size_t bytes, Stream stream) {
  ENTER();
  if (!books().device(to, bytes) || !books().isPinned(from, bytes))
    return books().violation("copy to the device leaves its memory, or comes from memory that is not pinned");
  return enqueue(stream, [=] { return std::memcpy(books().device(to, bytes), from, bytes), kSuccess; });
}

EXPORT cuMemcpyDtoHAsync_v2(void *to, DevicePointer from, size_t bytes, Stream stream) {
  ENTER();
  if (!books().device(from, bytes) || !books().isPinned(to, bytes))
    return books().violation("copy from the device leaves its memory, or goes to memory that is not pinned");
  books().say("copy %zu back", bytes);
  return enqueue(stream, [=] { return std::memcpy(to, books().device(from, bytes), bytes), kSuccess; });
}

EXPORT cuMemsetD8Async(DevicePointer to, unsigned char value, size_t bytes, Stream stream) {
  ENTER();
  if (!bytes || !books().device(to, bytes))
    return books().violation("set of nothing, or beyond its memory");
  return enqueue(stream, [=] { return std::memset(books().device(to, bytes), value, bytes), kSuccess; });
}

EXPORT cuStreamCreate(Stream *stream, unsigned) {
  ENTER();
  *stream = books().streams_.create();
  return kSuccess;
}

EXPORT cuStreamDestroy_v2(Stream stream) {
  ENTER();
  return books().streams_.erase(stream) ? kSuccess : books().violation("no such stream");
}

EXPORT cuStreamSynchronize(Stream stream) {
  ENTER();
  return advance(stream, stream->enqueued);
}

EXPORT cuEventCreate(Event *event, unsigned) {
  ENTER();
  *event = books().events_.create();
  return kSuccess;
}

EXPORT cuEventDestroy_v2(Event event) {
  ENTER();
  return books().events_.erase(event) ? kSuccess : books().violation("no such event");
}

EXPORT cuEventRecord(Event event, Stream stream) {
  ENTER();
  *event = {stream, stream->enqueued};
  return kSuccess;
}

EXPORT cuEventSynchronize(Event event) {
  ENTER();
  return event->stream ? advance(event->stream, event->position) : kSuccess;
}

/// A cubin is "\x7f" "ELF", its architecture and its kernels; PTX has ".version", ".target" and its entries.
EXPORT cuModuleLoadDataEx(Module *module, const void *image, unsigned count, int *options, void **values) {
  const std::string text = static_cast<const char *>(image);
  if (const Result error = books().enter(__func__)) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == kJitErrorLog)
        std::strcpy(static_cast<char *>(values[i]), "ptxas fatal: the first line\nthe second");
    return error;
  }
  const bool ptx = text.starts_with(".version");
  if (!ptx && !text.starts_with("\x7f"
                                "ELF"))
    return kInvalidImage;
  const size_t at = text.find("sm_");
  const std::optional<GpuArch> arch = parseArch(text.substr(at, text.find_first_of(" \n", at) - at));
  const auto here = static_cast<int>(setting("FAKE_CUDA_CAPABILITY", 90));
  const int wanted = arch ? arch->capability.major * 10 + arch->capability.minor : 0;
  if (!arch || (arch->exact ? here != wanted : here < wanted || (!ptx && here / 10 != wanted / 10)))
    return kNoBinaryForGpu;
  *module = books().modules_.create();
  (*module)->image = text;
  books().say("load %s", text.substr(ptx ? 0 : 1, text.find('(') - (ptx ? 0 : 1)).c_str());
  return kSuccess;
}

EXPORT cuModuleUnload(Module module) {
  ENTER();
  return books().modules_.erase(module) ? kSuccess : books().violation("no such module");
}

EXPORT cuModuleGetFunction(Function *function, Module module, const char *name) {
  ENTER();
  if (module->image.find(std::string(name) + "(") == std::string::npos)
    return kNotFound;
  auto &slot = module->functions[name];
  slot.reset(new FunctionObject{name});
  *function = slot.get();
  return kSuccess;
}

EXPORT cuFuncSetAttribute(Function function, int attribute, int value) {
  ENTER();
  if (attribute != kMaxDynamicShared || value > setting("FAKE_CUDA_SHARED", 232448))
    return books().violation("an attribute that cannot be set");
  function->shared = static_cast<size_t>(value);
  return kSuccess;
}

EXPORT cuFuncGetAttribute(int *value, int attribute, Function) {
  ENTER();
  *value = attribute == kRegisters ? 255 : 0;
  return kSuccess;
}

EXPORT cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function function, int threads,
                                                   size_t shared) {
  ENTER();
  if (threads != 256 || shared > function->shared)
    return books().violation("occupancy of another launch");
  // Entries differ: that of decode holds one more.
  *blocks = static_cast<int>(setting("FAKE_CUDA_BLOCKS", 2)) + (function->name == "gm_decode");
  if (!setting("FAKE_CUDA_BLOCKS", 2))
    *blocks = 0;
  return kSuccess;
}

#ifdef FAKE_CUDA_WITHOUT_COOPERATIVE_LAUNCH
#define cuLaunchCooperativeKernel cuLaunchKernel // whatever it exports instead
#endif
EXPORT cuLaunchCooperativeKernel(Function function, unsigned gridX, unsigned gridY, unsigned gridZ,
                                 unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                                 Stream stream, void **parameters) {
  ENTER();
  int most = 0;
  cuOccupancyMaxActiveBlocksPerMultiprocessor(&most, function, 256, shared);
  if (gridX > static_cast<unsigned>(most * setting("FAKE_CUDA_SMS", 4)) || gridY * gridZ != 1)
    return kCooperativeLaunchTooLarge;
  if (blockX != 256 || blockY * blockZ != 1)
    return books().violation("a block of another shape");
  DevicePointer argument = 0;
  std::memcpy(&argument, parameters[0], sizeof argument);
  books().say("launch %s %ux%u shared %u", function->name.c_str(), gridX, blockX, shared);
  return enqueue(stream, [=] { return runKernel({function, gridX, blockX, argument}); });
}
