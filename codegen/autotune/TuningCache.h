// Where measured choices are kept: one small JSON file for each key, named by the key's SHA-256. A file is
// believed only if it is, byte for byte, what this version would write for the key that is asked for: torn,
// damaged, foreign and outdated ones are as if they were not there. Files appear whole (OutputFile), so that
// any number of compilers can share a folder.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemmac {

/// What was measured of one kernel.
struct TuningEntry {
  std::string key;                     ///< everything that the choice depends on, as text
  std::vector<std::string> candidates; ///< as KernelTuning::text()
  std::vector<int64_t> medians;        ///< nanoseconds of each candidate, none negative
  int64_t choice = 0;                  ///< of the candidates
  std::string cpu;                     ///< the machine's name, for readers
};

class TuningCache {
public:
  /// `folder` is made when first written to; empty: nothing is found or kept.
  explicit TuningCache(std::string folder) : folder(std::move(folder)) {}

  /// The entry for `key`, whose candidates are exactly `candidates`. Where there is a file without such an
  /// entry, `ignored` says why.
  std::optional<TuningEntry> find(llvm::StringRef key, llvm::ArrayRef<std::string> candidates,
                                  std::string &ignored) const;
  /// Replaces the file of the entry's key. Fails with exit code 3 or 1 (OutputFile).
  llvm::Error store(const TuningEntry &entry) const;
  /// The file of a key.
  std::string pathOf(llvm::StringRef key) const;
  bool none() const { return folder.empty(); }

private:
  std::string folder;
};

/// `$XDG_CACHE_HOME/gemmac/autotune`, else `$HOME/.cache/gemmac/autotune`, else "": of both only absolute
/// paths count.
std::string defaultTuningFolder();

/// SHA-256 of `text`, 64 hexadecimal digits.
std::string sha256(llvm::StringRef text);

} // namespace gemmac
