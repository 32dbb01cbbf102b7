// Pieces of memory with pages before, between and behind them that nobody can touch: who runs over the end of
// a piece ends the process, instead of the piece behind it.
#pragma once

#include <stddef.h>

namespace gemmac::rt::emulate {

class GuardedMemory {
public:
  GuardedMemory() = default;
  GuardedMemory(const GuardedMemory &) = delete;
  ~GuardedMemory() { release(); }

  /// Makes it `count` pieces of `bytes` each; what it was before is lost unless it was the same. False: the
  /// system has no memory for it.
  bool become(size_t count, size_t bytes);
  /// Piece i: zeros at first. It ends where a page does, so that its address is as aligned as its size.
  char *piece(size_t i) const;

private:
  char *base = nullptr;
  size_t count = 0, bytes = 0;

  size_t stride() const;
  void release();
};

} // namespace gemmac::rt::emulate
