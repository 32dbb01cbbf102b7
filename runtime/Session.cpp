// See Session.h. How a prompt is cut into steps is decided here and nowhere else.
#include "runtime/Session.h"

#include "runtime/Failure.h"
#include "runtime/Signals.h"

#include <algorithm>

namespace gemmac::rt {

Session::Session(const Manifest &manifest, std::unique_ptr<Executor> executor, int64_t context)
    : manifest_(manifest), executor_(std::move(executor)), context_(context) {}

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

void Session::step(const Entry &entry, std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  if (interrupted() && ids.size() > 1)
    throw Interrupted();
  const std::span<int32_t> tokens = executor_->tokens(), positions = executor_->positions();
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto &soft = manifest_.placeholders;
    tokens[i] = std::find(soft.begin(), soft.end(), ids[i]) == soft.end() ? ids[i] : manifest_.pad;
    positions[i] = static_cast<int32_t>(position_ + static_cast<int64_t>(i));
  }
  const auto rows = static_cast<int64_t>(ids.size());
  if (observer_)
    observer_->before();
  executor_->run(entry, rows);
  if (observer_)
    observer_->after(entry, position_, rows);
  position_ += rows;
  written_ = std::max(written_, position_);
}

float *Session::decode(int32_t id) {
  step(manifest_.decode, {&id, 1});
  return executor_->logits(manifest_.decode, 0);
}

TopLogits Session::decodeTop(int32_t id) {
  const Entry &entry = manifest_.decodeTop;
  step(entry, {&id, 1});
  const auto n = static_cast<size_t>(entry.stride);
  return {{executor_->logits(entry, 0), n}, {executor_->ids(entry), n}};
}

void Session::prefill(std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Manifest &m = manifest_;
  // A model may lack the entry; its logits are then computed and not looked at.
  const Entry &entry = m.prefillNone ? m.prefillNone : m.prefillLast ? m.prefillLast : m.decode;
  while (!ids.empty()) {
    const size_t n = std::min(ids.size(), static_cast<size_t>(entry.rows));
    step(entry, ids.first(n));
    ids = ids.subspan(n);
  }
}

float *Session::prefillLast(std::span<const int32_t> ids) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Entry &last = manifest_.prefillLast ? manifest_.prefillLast : manifest_.decode;
  const size_t inner = manifest_.prefillNone ? static_cast<size_t>(manifest_.prefillNone.rows) : 1;
  // A lone token is a decode step. One that chunks have left over is not: it is computed as it would be if
  // chunks had another size.
  const Entry &entry = ids.size() == 1 ? manifest_.decode : last;
  while (ids.size() > static_cast<size_t>(last.rows)) {
    const size_t n = std::min(inner, ids.size() - 1); // leaves at least one token for the last step
    prefill(ids.first(n));
    ids = ids.subspan(n);
  }
  step(entry, ids);
  return executor_->logits(entry, 0);
}

void Session::prefillAll(std::span<const int32_t> ids,
                         const std::function<void(int64_t, const float *)> &row) {
  checkRoom(static_cast<int64_t>(ids.size()));
  const Entry &entry = manifest_.prefillAll ? manifest_.prefillAll : manifest_.decode;
  for (int64_t done = 0; !ids.empty();) {
    const size_t n = std::min(ids.size(), static_cast<size_t>(entry.rows));
    step(entry, ids.first(n));
    for (size_t i = 0; i < n; ++i, ++done)
      row(done, executor_->logits(entry, static_cast<int64_t>(i)));
    ids = ids.subspan(n);
  }
}

} // namespace gemmac::rt
