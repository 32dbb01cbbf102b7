// What gemmac appended to the executable (PayloadFormat.h): weights, tokenizer, chat template. Opening checks
// footer, sizes and the index, so that nothing after it can read beyond the file; contents are hashed by
// `verify` only. The open descriptor keeps the file alive: it may be replaced or deleted while the program
// runs.
#pragma once

#include "runtime/Memory.h"
#include "runtime/PayloadFormat.h"

#include <span>
#include <string>
#include <vector>

namespace gemmac::rt {

/// auto and map: map the file and ask for 2 MiB pages. copy: read into anonymous 2 MiB pages (seconds per
/// GiB). off: map and ask for nothing.
enum class HugePages { Auto, Map, Copy, Off };

struct Section {
  std::string name;
  uint64_t offset, bytes; ///< in the file
  uint64_t hash[2];       ///< XXH3 128, low and high
};

class Payload {
public:
  /// Fails with exit 3 if `path` does not end in a whole payload.
  explicit Payload(const std::string &path);
  Payload(const Payload &) = delete;
  ~Payload();

  const std::vector<Section> &sections() const { return sections_; }
  uint64_t fileBytes() const { return fileBytes_; }
  uint64_t elfBytes() const; ///< up to the first section: the executable without its weights
  int fd() const { return fd_; }

  /// The weights at a 2 MiB aligned address; call once.
  const char *mapWeights(HugePages how);
  uint64_t weightBytes() const { return find("weights").bytes; }
  /// The tokenizer's bytes, mapped on the first call.
  std::span<const char> tokenizer() { return mapped("tokenizer", tokenizer_); }
  /// The chat template's program (TemplateProgram.h), mapped on the first call; fails if there is none.
  std::span<const char> chatTemplate() { return mapped("template", template_); }

  /// Share of the weights' resident pages that are 2 MiB pages, 0..1. Touches up to 64 blocks of the mapping
  /// if `sample`, for commands that do not run the model.
  double hugePageShare(bool sample) const;
  /// Reads every byte; the name of the first section whose hash is wrong, or "" if all are right.
  std::string verify() const;

private:
  const Section &find(const char *name) const;
  std::span<const char> mapped(const char *name, Region &region);
  void readIndex(const std::string &path);

  int fd_ = -1;
  uint64_t fileBytes_ = 0;
  std::vector<Section> sections_;
  Region weights_, tokenizer_, template_;
};

} // namespace gemmac::rt
