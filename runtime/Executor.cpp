// See Executor.h.
#include "runtime/Executor.h"

#include <cstdio>

namespace gemmac::rt {

uint64_t totalBytes(const std::vector<MemoryPart> &parts) {
  uint64_t total = 0;
  for (const MemoryPart &part : parts)
    total += part.bytes;
  return total;
}

std::string sizeText(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string memoryText(const std::vector<MemoryPart> &parts) {
  std::string text;
  for (const MemoryPart &part : parts)
    text += (text.empty() ? "" : ", ") + part.name + " " + sizeText(part.bytes);
  return text;
}

} // namespace gemmac::rt
