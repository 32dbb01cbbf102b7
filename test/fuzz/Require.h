// What a fuzz target claims of the code under test.
#pragma once

#include "llvm/Support/Error.h"

#include <cstdio>
#include <cstdlib>

namespace gemmac::fuzz {

/// Ends the run with `what`, which the fuzzer then reports with its input, unless it holds.
inline void require(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

/// Whether a reader refused its input, which it must do with a message.
template <typename T> bool refused(llvm::Expected<T> &result) {
  if (result)
    return false;
  require(!llvm::toString(result.takeError()).empty(), "an error without a message");
  return true;
}

} // namespace gemmac::fuzz
