// See Memory.h. /proc is read line by line into fixed buffers: these functions also run while memory is
// short.
#include "runtime/Memory.h"

#include "runtime/Failure.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>

namespace gemmac::rt {

Region::~Region() {
  if (base_)
    munmap(base_, baseBytes_);
}

Region Region::map(uint64_t bytes, int protection, int flags, const char *what) {
  Region r;
  r.bytes_ = bytes;
  const uint64_t align = bytes >= kHugePage ? kHugePage : 4096;
  void *p = MAP_FAILED;
  // 2^47 is the whole user address space: larger sums would wrap below.
  if (bytes < (1ull << 47)) {
    r.baseBytes_ = roundUp(bytes ? bytes : 1, align) + (align == kHugePage ? align : 0);
    p = mmap(nullptr, r.baseBytes_, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  }
  if (p == MAP_FAILED)
    throw Failure(kLacking,
                  cat(what, " needs ", bytes,
                      " bytes of memory and the system refused them (available: ", availableMemory(),
                      " bytes); free memory, raise `ulimit -v`, or compile with a "
                      "smaller --context"));
  r.base_ = p;
  r.data_ = reinterpret_cast<char *>(roundUp(reinterpret_cast<uint64_t>(p), align));
  return r;
}

Region Region::anonymous(uint64_t bytes, bool huge, const char *what) {
  Region r = map(bytes, PROT_READ | PROT_WRITE, 0, what);
  if (huge && bytes >= kHugePage)
    madvise(r.data_, bytes, MADV_HUGEPAGE); // advice: a kernel without huge pages is no error
  return r;
}

Region Region::reserve(uint64_t bytes, const char *what) {
  return map(bytes, PROT_NONE, MAP_NORESERVE, what);
}

bool Region::mapFile(int fd, uint64_t offset, uint64_t bytes) {
  return bytes <= bytes_ &&
         mmap(data_, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, static_cast<off_t>(offset)) != MAP_FAILED;
}

/// Calls f(line) for each line of a /proc file; long lines come cut.
template <class F> static void eachLine(const char *path, F f) {
  FILE *file = std::fopen(path, "re");
  if (!file)
    return;
  char line[512];
  while (std::fgets(line, sizeof line, file))
    f(line);
  std::fclose(file);
}

/// The value of a "Name:   123 kB" line in bytes, or false.
static bool kilobytes(const char *line, const char *name, uint64_t &bytes) {
  const size_t n = std::strlen(name);
  uint64_t kb = 0;
  if (std::strncmp(line, name, n) != 0 || std::sscanf(line + n, ": %" SCNu64, &kb) != 1)
    return false;
  bytes = kb * 1024;
  return true;
}

Residency residency(const void *address, uint64_t bytes) {
  const uint64_t from = reinterpret_cast<uint64_t>(address), to = from + bytes;
  Residency r;
  bool inside = false;
  eachLine("/proc/self/smaps", [&](const char *line) {
    uint64_t a = 0, b = 0, n = 0;
    char permission = 0;
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &a, &b, &permission) == 3)
      inside = a < to && b > from;
    else if (inside && kilobytes(line, "Rss", n))
      r.resident += n;
    else if (inside && (kilobytes(line, "FilePmdMapped", n) || kilobytes(line, "AnonHugePages", n) ||
                        kilobytes(line, "ShmemPmdMapped", n)))
      r.huge += n;
  });
  return r;
}

MemoryUse memoryUse() {
  MemoryUse m;
  eachLine("/proc/self/status", [&](const char *line) {
    kilobytes(line, "VmHWM", m.peakResident);
    kilobytes(line, "RssAnon", m.anonymous);
  });
  return m;
}

uint64_t availableMemory() {
  uint64_t bytes = 0;
  eachLine("/proc/meminfo", [&](const char *line) { kilobytes(line, "MemAvailable", bytes); });
  return bytes;
}

} // namespace gemmac::rt
