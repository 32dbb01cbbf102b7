// Memory from the kernel: regions that unmap themselves, and what /proc says of them. All memory of a session
// is taken through here before the first token.
#pragma once

#include <cstdint>
#include <utility>

namespace gemmac::rt {

constexpr uint64_t kHugePage = 2ull << 20;

/// A mapping. `data` is aligned to 2 MiB where the region is that large, else to a page.
class Region {
public:
  Region() = default;
  Region(Region &&other) noexcept { swap(other); }
  Region &operator=(Region &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Region();

  /// Zeroed private memory. `huge`: ask for 2 MiB pages. Fails with exit 3, naming `what` and both sizes.
  static Region anonymous(uint64_t bytes, bool huge, const char *what);
  /// Address space only, none of it accessible; to be filled by `mapFile`.
  static Region reserve(uint64_t bytes, const char *what);
  /// Maps [offset, offset + bytes) of `fd` privately and read-only over the start of a reserved region.
  bool mapFile(int fd, uint64_t offset, uint64_t bytes);

  char *data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

private:
  void swap(Region &other) {
    std::swap(base_, other.base_);
    std::swap(baseBytes_, other.baseBytes_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  static Region map(uint64_t bytes, int protection, int flags, const char *what);

  void *base_ = nullptr;
  uint64_t baseBytes_ = 0;
  char *data_ = nullptr;
  uint64_t bytes_ = 0;
};

/// What of an address range is resident, from /proc/self/smaps.
struct Residency {
  uint64_t resident = 0; ///< bytes
  uint64_t huge = 0;     ///< bytes of these in 2 MiB pages, of files, shared memory or anonymous
};
Residency residency(const void *address, uint64_t bytes);

/// From /proc/self/status, bytes; 0 where the kernel does not say.
struct MemoryUse {
  uint64_t peakResident = 0, anonymous = 0;
};
MemoryUse memoryUse();

/// MemAvailable of /proc/meminfo in bytes, 0 if unknown.
uint64_t availableMemory();

/// a * b or a + b, false on overflow.
inline bool mulOk(uint64_t a, uint64_t b, uint64_t &out) { return !__builtin_mul_overflow(a, b, &out); }
inline bool addOk(uint64_t a, uint64_t b, uint64_t &out) { return !__builtin_add_overflow(a, b, &out); }
inline uint64_t roundUp(uint64_t n, uint64_t align) { return (n + align - 1) / align * align; }

} // namespace gemmac::rt
