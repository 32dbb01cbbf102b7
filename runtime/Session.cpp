// See Session.h. How a prompt is cut into steps is decided here and nowhere else.
#include "runtime/Session.h"

#include "runtime/Failure.h"
#include "runtime/Signals.h"

#include <algorithm>
#include <cstring>

namespace gemmac::rt {

static uint64_t counterBytes(const Manifest &m) {
  constexpr uint64_t kLine = 64, kOwn = 2; // runOther's
  return std::max(m.counters, kOwn) * kLine;
}

static int64_t mostRows(const Manifest &m) {
  return std::max({m.decode.rows, m.prefillNone.rows, m.prefillLast.rows, m.prefillAll.rows});
}

/// Workers' scratch starts on pages of its own: no two workers write one cache line, and no two share its TLB
/// entry.
static uint64_t scratchStride(const Manifest &m) {
  return roundUp(std::max<uint64_t>(m.scratchBytes, m.peaks.empty() ? 64 : GM_PEAK_BYTES), 4096);
}

Session::Session(const Manifest &manifest, const char *weights, int workers, int64_t context,
                 std::vector<int> cpus)
    : manifest_(manifest), context_(context), counterBytes_(counterBytes(manifest)),
      scratchStride_(scratchStride(manifest)),
      arena_(Region::anonymous(manifest.arenaBytes, true, "the arena (activations and KV caches)")),
      pool_(workers, std::move(cpus)) {
  const uint64_t idBytes = roundUp(static_cast<uint64_t>(mostRows(manifest)) * sizeof(int32_t), 64);
  const uint64_t head = roundUp(counterBytes_ + 2 * idBytes, 4096);
  uint64_t scratch = 0, total = 0;
  if (!mulOk(scratchStride_, static_cast<uint64_t>(workers), scratch) || !addOk(scratch, head, total))
    throw Failure(kLacking, cat("the scratch of ", workers, " workers, ", manifest.scratchBytes,
                                " bytes each, exceeds the address space; use fewer with -t"));
  work_ = Region::anonymous(total, false, "the workers' scratch");
  char *p = work_.data();
  proto_.counters = reinterpret_cast<int64_t *>(p);
  tokens_ = reinterpret_cast<int32_t *>(p + counterBytes_);
  positions_ = reinterpret_cast<int32_t *>(p + counterBytes_ + idBytes);
  proto_.scratch = p + head;
  proto_.arena = arena_.data();
  proto_.weights = weights;
  proto_.tokens = tokens_;
  proto_.positions = positions_;
}

void Session::checkRoom(int64_t more) const {
  if (more > context_ - position_)
    throw Failure(kBadInput, cat(position_ + more, " tokens do not fit the context of ", context_,
                                 "; shorten the input", context_ < manifest_.context ? ", raise -c" : "",
                                 " or compile with a larger --context"));
}

bool Session::canRewind(int64_t position) const {
  if (position == position_ && position == written_)
    return true;
  if (!manifest_.caches || position < 0 || position > position_)
    return false;
  // Slot s holds the last written position p with p % slots == s. A row at `position` takes it for one of its
  // own past, p - slots if p is not past: harmless where that is before the beginning or out of its window.
  return std::all_of(manifest_.caches->begin(), manifest_.caches->end(), [&](const CacheRing &ring) {
    return written_ <= ring.slots || (ring.window > 0 && written_ - position <= ring.slots - ring.window);
  });
}

void Session::zeroCounters() { std::memset(proto_.counters, 0, counterBytes_); }

float *Session::step(const Entry &entry, std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  if (interrupted() && ids.size() > 1)
    throw Interrupted();
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto &soft = manifest_.placeholders;
    tokens_[i] = std::find(soft.begin(), soft.end(), ids[i]) == soft.end() ? ids[i] : manifest_.pad;
    positions_[i] = static_cast<int32_t>(position_ + static_cast<int64_t>(i));
  }
  proto_.rows = static_cast<int64_t>(ids.size());
  zeroCounters();
  if (observer_)
    observer_->before();
  pool_.run(entry.run, proto_, scratchStride_);
  if (observer_)
    observer_->after(entry, position_, proto_.rows);
  position_ += proto_.rows;
  written_ = std::max(written_, position_);
  return reinterpret_cast<float *>(arena_.data() + entry.logits);
}

TopLogits Session::decodeTop(int32_t id) {
  const Entry &entry = manifest_.decodeTop;
  const float *values = step(entry, {&id, 1});
  const auto n = static_cast<size_t>(entry.stride);
  return {{values, n}, {reinterpret_cast<const int32_t *>(arena_.data() + entry.ids), n}};
}

void Session::runOther(GmEntry entry, int64_t rows) {
  proto_.rows = rows;
  zeroCounters();
  pool_.run(entry, proto_, scratchStride_);
}

void Session::prefill(std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Manifest &m = manifest_;
  // A model may lack the entry; its logits are then computed and not looked at.
  const Entry &entry = m.prefillNone.run ? m.prefillNone : m.prefillLast.run ? m.prefillLast : m.decode;
  while (!ids.empty()) {
    const size_t n = std::min(ids.size(), static_cast<size_t>(entry.rows));
    step(entry, ids.first(n));
    ids = ids.subspan(n);
  }
}

float *Session::prefillLast(std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Entry &last = manifest_.prefillLast.run ? manifest_.prefillLast : manifest_.decode;
  const size_t inner = manifest_.prefillNone.run ? static_cast<size_t>(manifest_.prefillNone.rows) : 1;
  while (ids.size() > static_cast<size_t>(last.rows)) {
    const size_t n = std::min(inner, ids.size() - 1); // leaves at least one token for the last step
    prefill(ids.first(n));
    ids = ids.subspan(n);
  }
  return step(ids.size() == 1 ? manifest_.decode : last, ids);
}

void Session::prefillAll(std::span<const int32_t> ids,
                         const std::function<void(int64_t, const float *)> &row) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Entry &entry = manifest_.prefillAll.run ? manifest_.prefillAll : manifest_.decode;
  for (int64_t done = 0; !ids.empty();) {
    const size_t n = std::min(ids.size(), static_cast<size_t>(entry.rows));
    const float *logits = step(entry, ids.first(n));
    for (size_t i = 0; i < n; ++i, ++done)
      row(done, logits + static_cast<int64_t>(i) * entry.stride);
    ids = ids.subspan(n);
  }
}

} // namespace gemmac::rt
