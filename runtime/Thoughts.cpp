// See Thoughts.h.
#include "runtime/Thoughts.h"

#include <algorithm>

namespace gemmac::rt {

static constexpr std::string_view kOpen = "<|channel>", kClose = "<channel|>";

void ThoughtFilter::show(std::string_view text) {
  if (!text.empty() && state_ != State::Name)
    (state_ == State::Thought ? thought_ : answer_)(text);
}

/// How many bytes at the end of `text` may become `delimiter`.
static size_t partial(std::string_view text, std::string_view delimiter) {
  for (size_t n = std::min(delimiter.size() - 1, text.size()); n > 0; --n)
    if (text.ends_with(delimiter.substr(0, n)))
      return n;
  return 0;
}

void ThoughtFilter::feed(std::string_view text) {
  held_ += text;
  while (true) {
    const size_t open = held_.find(kOpen), close = held_.find(kClose);
    const size_t line = state_ == State::Name ? held_.find('\n') : held_.npos;
    const size_t first = std::min({open, close, line});
    if (first == held_.npos)
      break;
    show(std::string_view(held_).substr(0, first));
    held_.erase(0, first + (first == line ? 1 : first == open ? kOpen.size() : kClose.size()));
    state_ = first == line ? State::Thought : first == open ? State::Name : State::Answer;
  }
  const size_t keep = std::max(partial(held_, kOpen), partial(held_, kClose));
  show(std::string_view(held_).substr(0, held_.size() - keep));
  held_.erase(0, held_.size() - keep);
}

void ThoughtFilter::finish() {
  show(held_);
  held_.clear();
}

} // namespace gemmac::rt
