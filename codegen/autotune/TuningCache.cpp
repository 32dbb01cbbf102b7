// See TuningCache.h.
#include "codegen/autotune/TuningCache.h"

#include "frontend/Diagnostic.h"
#include "frontend/Json.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemmac {

static constexpr int64_t kFormat = 1;
static constexpr uint64_t kMostBytes = 64 << 10; ///< an entry has some 2 KB

std::string sha256(llvm::StringRef text) {
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(text)), /*LowerCase=*/true);
}

/// The file's text: an object whose member "checksum" is that of the rest.
static std::string textOf(const TuningEntry &entry) {
  llvm::json::Object object{{"gemmac_autotune", kFormat},
                            {"key", entry.key},
                            {"candidates", llvm::json::Array(entry.candidates)},
                            {"median_ns", llvm::json::Array(entry.medians)},
                            {"choice", entry.choice},
                            {"cpu", entry.cpu}};
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object(object)))
                                   << "\n";
    return text;
  };
  object["checksum"] = sha256(print());
  return print();
}

/// The entry that `root` describes, as far as it has one; textOf() of it tells whether that is all there is.
static std::optional<TuningEntry> entryOf(const JsonValue &root) {
  TuningEntry entry;
  const JsonValue *key = root.find("key"), *candidates = root.find("candidates"),
                  *choice = root.find("choice"), *medians = root.find("median_ns"), *cpu = root.find("cpu");
  if (!key || !candidates || !choice || !medians || !cpu || !key->asString() || !choice->asInteger() ||
      !cpu->asString())
    return std::nullopt;
  entry.key = key->asString()->str();
  entry.cpu = cpu->asString()->str();
  entry.choice = *choice->asInteger();
  for (const JsonValue &candidate : candidates->elements())
    entry.candidates.push_back(candidate.asString().value_or("").str());
  for (const JsonValue &median : medians->elements())
    entry.medians.push_back(median.asInteger().value_or(-1));
  return entry;
}

/// Why `text` is no entry for the key and its candidates, or "" and the entry.
static std::string parse(llvm::StringRef text, llvm::StringRef path, llvm::StringRef key,
                         llvm::ArrayRef<std::string> candidates, TuningEntry &entry) {
  llvm::Expected<JsonDocument> document = JsonDocument::parse(text, path, "", {kMostBytes, 4096, 4});
  if (!document) {
    llvm::consumeError(document.takeError());
    return "it is torn or damaged";
  }
  const JsonValue *format = document->root().find("gemmac_autotune");
  if (!format || format->asInteger() != kFormat)
    return "it has another format";
  std::optional<TuningEntry> found = entryOf(document->root());
  if (!found || textOf(*found) != text)
    return "its checksum is wrong";
  if (found->key != key)
    return "it is for another key";
  const auto count = static_cast<int64_t>(candidates.size());
  if (!llvm::equal(found->candidates, candidates) || found->medians.size() != candidates.size() ||
      found->choice < 0 || found->choice >= count ||
      llvm::any_of(found->medians, [](int64_t median) { return median < 0; }))
    return "its choice is not among the candidates";
  entry = std::move(*found);
  return "";
}

std::string TuningCache::pathOf(llvm::StringRef key) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, sha256(key) + ".json");
  return path.str().str();
}

/// A regular file, read whole from one descriptor: links are not followed, and nothing is waited for. None
/// without a reason where there is no such file.
static std::optional<std::string> contents(const std::string &path, std::string &why) {
  const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) {
    if (errno != ENOENT && errno != ENOTDIR)
      why = errno == ELOOP ? "it is a link" : std::strerror(errno);
    return std::nullopt;
  }
  struct stat status = {};
  std::string text(kMostBytes + 1, '\0');
  ssize_t got = -1;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
    size_t size = 0;
    while (size < text.size() && (got = ::read(file, text.data() + size, text.size() - size)) > 0)
      size += static_cast<size_t>(got);
    text.resize(size);
  }
  close(file);
  if (got == 0 && text.size() <= kMostBytes)
    return text;
  why = "it is no regular file of at most " + std::to_string(kMostBytes) + " bytes";
  return std::nullopt;
}

std::optional<TuningEntry> TuningCache::find(llvm::StringRef key, llvm::ArrayRef<std::string> candidates,
                                             std::string &ignored) const {
  ignored.clear();
  if (none())
    return std::nullopt;
  const std::string path = pathOf(key);
  std::optional<std::string> text = contents(path, ignored);
  if (!text)
    return std::nullopt;
  TuningEntry entry;
  ignored = parse(*text, path, key, candidates, entry);
  if (!ignored.empty())
    return std::nullopt;
  return entry;
}

llvm::Error TuningCache::store(const TuningEntry &entry) const {
  if (none())
    return llvm::Error::success();
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return machineError(folder + ": cannot create the folder: " + error.message());
  // Renamed over whatever has the name: a link is replaced, not followed.
  const std::string path = pathOf(entry.key);
  auto failure = [&](const std::string &why) { return machineError(path + ": cannot be written: " + why); };
  llvm::Expected<llvm::sys::fs::TempFile> file = llvm::sys::fs::TempFile::create(
      path + ".%%%%%%%%", llvm::sys::fs::all_read | llvm::sys::fs::owner_write);
  if (!file)
    return failure(llvm::toString(file.takeError()));
  llvm::raw_fd_ostream out(file->FD, /*shouldClose=*/false);
  out << textOf(entry);
  out.flush();
  const std::error_code error = out.error();
  out.clear_error();
  if (error) {
    llvm::consumeError(file->discard());
    return failure(error.message());
  }
  if (llvm::Error failed = file->keep(path))
    return failure(llvm::toString(std::move(failed)));
  return llvm::Error::success();
}

std::string defaultTuningFolder() {
  for (auto [variable, below] : {std::pair("XDG_CACHE_HOME", ""), std::pair("HOME", ".cache")}) {
    const char *base = std::getenv(variable);
    if (!base || !llvm::sys::path::is_absolute(base))
      continue;
    llvm::SmallString<128> path(base);
    llvm::sys::path::append(path, below, "gemmac", "autotune");
    return path.str().str();
  }
  return "";
}

} // namespace gemmac
