// See Payload.h. Every number of the footer and the index is compared with the file's size before it is used.
#include "runtime/Payload.h"

#include "runtime/Failure.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gemmac::rt {

static constexpr uint64_t kMaxIndexBytes = 1 << 20;
static constexpr uint64_t kReadBytes = 16ull << 20;
static constexpr const char *kAgain = "; copy it again from the original or compile it again";

/// Reads exactly n bytes at `offset`.
static bool readAt(int fd, void *to, uint64_t n, uint64_t offset) {
  char *p = static_cast<char *>(to);
  while (n) {
    const ssize_t got = pread(fd, p, std::min(n, kReadBytes), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    p += got;
    n -= static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

/// What to call the file in messages.
static std::string nameOf(const std::string &path) {
  char target[4096];
  const ssize_t n = path == "/proc/self/exe" ? readlink(path.c_str(), target, sizeof target) : 0;
  return n > 0 && n < static_cast<ssize_t>(sizeof target) ? std::string(target, static_cast<size_t>(n))
                                                          : path;
}

Payload::Payload(const std::string &path) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0)
    throw Failure(kLacking, cat("cannot open '", path, "' to read the weights: ", std::strerror(errno)));
  try {
    readIndex(nameOf(path));
  } catch (...) {
    close(fd_);
    throw;
  }
}

Payload::~Payload() { close(fd_); }

static uint64_t parseHex(const nlohmann::json &j) {
  const std::string s = j.get<std::string>();
  if (s.empty() || s.size() > 16 || s.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
    throw Failure(kLacking, cat("'", s, "' is not a hash"));
  return std::stoull(s, nullptr, 16);
}

static Section parseSection(const nlohmann::json &j, uint64_t limit) {
  Section s{
      j.at("name").get<std::string>(), j.at("offset").get<uint64_t>(), j.at("bytes").get<uint64_t>(), {}};
  s.hash[0] = parseHex(j.at("xxh3").at(0));
  s.hash[1] = parseHex(j.at("xxh3").at(1));
  uint64_t end = 0;
  if (!addOk(s.offset, s.bytes, end) || end > limit)
    throw Failure(kLacking, cat("section '", s.name, "' ends beyond the index at byte ", limit));
  const uint64_t align = s.name == "weights" ? kPayloadAlign : 64;
  if (s.offset % align != 0)
    throw Failure(kLacking,
                  cat("section '", s.name, "' starts at ", s.offset, ", not at a multiple of ", align));
  return s;
}

void Payload::readIndex(const std::string &path) {
  struct stat st;
  PayloadFooter footer;
  if (fstat(fd_, &st) != 0 || st.st_size < 0)
    throw Failure(kLacking, cat("cannot read the size of '", path, "': ", std::strerror(errno)));
  fileBytes_ = static_cast<uint64_t>(st.st_size);
  if (fileBytes_ < sizeof footer || !readAt(fd_, &footer, sizeof footer, fileBytes_ - sizeof footer) ||
      std::memcmp(footer.magic, kFooterMagic, sizeof kFooterMagic) != 0)
    throw Failure(kLacking,
                  cat("'", path, "' has no weights at its end (", fileBytes_,
                      " bytes, no footer): it was truncated, stripped, or something was appended", kAgain));
  if (footer.fileBytes != fileBytes_)
    throw Failure(kLacking,
                  cat("'", path, "' has ", fileBytes_, " bytes, its footer says ", footer.fileBytes, kAgain));
  uint64_t indexEnd = 0;
  if (footer.indexBytes > kMaxIndexBytes || !addOk(footer.indexOffset, footer.indexBytes, indexEnd) ||
      indexEnd > fileBytes_ - sizeof footer)
    throw Failure(kLacking,
                  cat("'", path, "': the index (", footer.indexBytes, " bytes at ", footer.indexOffset,
                      ") does not fit the file's ", fileBytes_, " bytes", kAgain));
  std::string text(footer.indexBytes, 0);
  if (!readAt(fd_, text.data(), text.size(), footer.indexOffset))
    throw Failure(kLacking, cat("'", path, "': cannot read the index: ", std::strerror(errno)));
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  if (hash.low64 != footer.indexHash[0] || hash.high64 != footer.indexHash[1])
    throw Failure(kLacking, cat("'", path, "': the index does not match its hash", kAgain));
  try {
    const nlohmann::json index = nlohmann::json::parse(text);
    for (const nlohmann::json &j : index.at("sections"))
      sections_.push_back(parseSection(j, footer.indexOffset));
    find("weights");
    find("tokenizer");
  } catch (const std::exception &e) {
    throw Failure(kLacking, cat("'", path, "': the index is broken: ", e.what(), kAgain));
  }
}

const Section &Payload::find(const char *name) const {
  for (const Section &s : sections_)
    if (s.name == name)
      return s;
  throw Failure(kLacking, cat("section '", name, "' is missing"));
}

uint64_t Payload::elfBytes() const {
  uint64_t least = fileBytes_;
  for (const Section &s : sections_)
    if (s.name != "program")
      least = std::min(least, s.offset);
  return least;
}

const char *Payload::mapWeights(HugePages how) {
  const Section &s = find("weights");
  if (how == HugePages::Copy) {
    weights_ = Region::anonymous(s.bytes, true, "the copy of the weights (--hugepages=copy)");
    if (!readAt(fd_, weights_.data(), s.bytes, s.offset))
      throw Failure(kLacking, cat("cannot read the weights: ", std::strerror(errno)));
    if (s.bytes)
      mprotect(weights_.data(), s.bytes, PROT_READ);
    return weights_.data();
  }
  weights_ = Region::reserve(s.bytes, "the mapping of the weights");
  if (s.bytes && !weights_.mapFile(fd_, s.offset, s.bytes))
    throw Failure(kLacking, cat("cannot map the weights (", s.bytes, " bytes): ", std::strerror(errno)));
  if (s.bytes && how != HugePages::Off)
    madvise(weights_.data(), s.bytes, MADV_HUGEPAGE); // before the first touch; advice only
  return weights_.data();
}

std::span<const char> Payload::mapped(const char *name, Region &region) {
  const Section &s = find(name);
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); // 64 KiB on some aarch64 kernels
  const uint64_t start = s.offset / page * page, lead = s.offset - start;
  if (!region.data()) {
    region = Region::reserve(s.bytes + lead, "the mapping of a section");
    if (s.bytes && !region.mapFile(fd_, start, s.bytes + lead))
      throw Failure(kLacking,
                    cat("cannot map section '", name, "' (", s.bytes, " bytes): ", std::strerror(errno)));
  }
  return {region.data() + lead, s.bytes};
}

double Payload::hugePageShare(bool sample) const {
  if (!weights_.data() || !weights_.bytes())
    return 0;
  uint64_t touched = 0;
  if (sample) {
    const uint64_t blocks = (weights_.bytes() + kHugePage - 1) / kHugePage,
                   take = std::min<uint64_t>(blocks, 64);
    for (uint64_t i = 0; i < take; ++i) {
      const uint64_t at = blocks * i / take * kHugePage;
      (void)*static_cast<const volatile char *>(weights_.data() + at);
      touched += std::min(kHugePage, weights_.bytes() - at);
    }
  }
  const Residency r = residency(weights_.data(), weights_.bytes());
  const uint64_t whole = std::max(r.resident, touched);
  return whole ? std::min(1.0, static_cast<double>(r.huge) / static_cast<double>(whole)) : 0;
}

std::string Payload::verify() const {
  std::vector<char> buffer(kReadBytes);
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t *)> state(XXH3_createState(), XXH3_freeState);
  if (!state)
    throw Failure(kLacking, "no memory for the hash");
  for (const Section &s : sections_) {
    XXH3_128bits_reset(state.get());
    for (uint64_t done = 0; done < s.bytes;) {
      const uint64_t n = std::min(kReadBytes, s.bytes - done);
      if (!readAt(fd_, buffer.data(), n, s.offset + done))
        throw Failure(kLacking, cat("cannot read section '", s.name, "' at byte ", s.offset + done, ": ",
                                    errno ? std::strerror(errno) : "the file ends"));
      XXH3_128bits_update(state.get(), buffer.data(), n);
      done += n;
    }
    const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
    if (hash.low64 != s.hash[0] || hash.high64 != s.hash[1])
      return s.name;
  }
  return "";
}

} // namespace gemmac::rt
