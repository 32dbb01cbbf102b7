// NVIDIA's driver, loaded when a program needs it, and its objects, which give themselves back. Every call's
// result is looked at, and every failure becomes one Failure with exit 3: what was attempted, what the driver
// says, what to do.
#pragma once

#include "runtime/Failure.h"
#include "runtime/cuda/DriverApi.h"

#include <cstdint>
#include <utility>

namespace gemmac::rt::cuda {

/// The library and its functions, as members of their names.
class Driver {
public:
  /// Loads libcuda.so.1, which stays loaded, and initializes it. Fails if there is none, or if it is older
  /// than kOldest.
  Driver();
  Driver(const Driver &) = delete;

  static constexpr int kOldest = 12000; ///< CUDA 12.0: the first for sm_90a
  int version() const { return version_; }
  std::string versionText() const; ///< "12.8"

  /// Fails unless the result is kSuccess.
  void check(Result result, const char *attempt) const {
    if (result != kSuccess)
      throw failure(result, attempt);
  }
  /// `advice` null: what this error usually needs.
  Failure failure(Result result, const std::string &attempt, const char *advice = nullptr) const;

  /// After an error of the device nothing is asked of it any more, so that ending does not wait for it.
  void abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }

#define GM_CUDA_MEMBER(name, parameters) Result(*name) parameters = nullptr;
  GM_CUDA_FUNCTIONS(GM_CUDA_MEMBER)
#undef GM_CUDA_MEMBER

private:
  int version_ = 0;
  bool abandoned_ = false;
};

/// Owns one of the driver's objects; `Release` gives it back. The driver outlives it.
template <class T, auto Release> class Handle {
public:
  Handle() = default;
  Handle(const Driver &driver, T value) : driver_(&driver), value_(value) {}
  Handle(Handle &&other) noexcept
      : driver_(std::exchange(other.driver_, nullptr)), value_(std::exchange(other.value_, T{})) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(driver_, other.driver_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() {
    if (driver_ && !driver_->abandoned())
      (driver_->*Release)(value_); // there is nobody to tell
  }
  T get() const { return value_; }

private:
  const Driver *driver_ = nullptr;
  T value_{};
};

using OwnedModule = Handle<Module, &Driver::cuModuleUnload>;
using OwnedStream = Handle<Stream, &Driver::cuStreamDestroy_v2>;
using OwnedEvent = Handle<Event, &Driver::cuEventDestroy_v2>;
using DeviceMemory = Handle<DevicePointer, &Driver::cuMemFree_v2>;
using PinnedMemory = Handle<void *, &Driver::cuMemFreeHost>;

OwnedStream createStream(const Driver &driver);
OwnedEvent createEvent(const Driver &driver);
/// Not zeroed, aligned to at least 256 bytes; `what` names it in the failure. A context is current.
DeviceMemory allocateDevice(const Driver &driver, uint64_t bytes, const char *what);
/// Memory of the host that the device copies from and to; not zeroed.
PinnedMemory allocatePinned(const Driver &driver, uint64_t bytes, const char *what);

} // namespace gemmac::rt::cuda
