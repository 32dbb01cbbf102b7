// See GuardedMemory.h.
#include "runtime/emulate/GuardedMemory.h"

#include <sys/mman.h>
#include <unistd.h>

namespace gemmac::rt::emulate {

static size_t pageBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

static size_t wholePages(size_t bytes) { return (bytes + pageBytes() - 1) / pageBytes() * pageBytes(); }

/// A guard page and a piece.
size_t GuardedMemory::stride() const { return pageBytes() + wholePages(bytes); }

void GuardedMemory::release() {
  if (base)
    munmap(base, count * stride() + pageBytes());
  base = nullptr;
}

bool GuardedMemory::become(size_t newCount, size_t newBytes) {
  if (base && newCount == count && newBytes == bytes)
    return true;
  release();
  count = newCount;
  bytes = newBytes;
  void *memory = mmap(nullptr, count * stride() + pageBytes(), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return false;
  base = static_cast<char *>(memory);
  for (size_t i = 0; i < count; ++i)
    if (mprotect(base + i * stride() + pageBytes(), wholePages(bytes), PROT_READ | PROT_WRITE) != 0) {
      release();
      return false;
    }
  return true;
}

char *GuardedMemory::piece(size_t i) const { return base + (i + 1) * stride() - bytes; }

} // namespace gemmac::rt::emulate
