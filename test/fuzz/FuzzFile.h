// The input of a fuzz target as a file with a path, in memory: the readers under test map files and check
// their sizes.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

namespace gemmac::fuzz {

class FuzzFile {
public:
  FuzzFile(const uint8_t *data, size_t size) : descriptor(memfd_create("input", MFD_CLOEXEC)) {
    for (size_t done = 0; done < size;) {
      const ssize_t n = write(descriptor, data + done, size - done);
      if (n <= 0)
        abort();
      done += static_cast<size_t>(n);
    }
    path = "/proc/self/fd/" + std::to_string(descriptor);
  }
  ~FuzzFile() { close(descriptor); }
  FuzzFile(const FuzzFile &) = delete;
  FuzzFile &operator=(const FuzzFile &) = delete;

  std::string path;

private:
  int descriptor;
};

} // namespace gemmac::fuzz
