// How the runtime fails: one exception with an exit code and one message (lower case, no full stop: what,
// where, found, expected, what to do). Thrown anywhere, printed once in rtMain. Nothing in the runtime
// asserts or aborts on input.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gemmac::rt {

/// Exit codes of the executable (docs/architecture.md).
enum Exit : int { kDone = 0, kBadInput = 1, kBadUsage = 2, kLacking = 3, kInterrupted = 130 };

class Failure : public std::runtime_error {
public:
  Failure(Exit code, const std::string &message) : std::runtime_error(message), code(code) {}
  Exit code;
};

/// The reader of stdout has gone away: stop without a message.
struct BrokenPipe {};
/// Ctrl-C during something that cannot hand back a part of its result.
struct Interrupted {};

namespace detail {
inline void append(std::string &s, std::string_view v) { s += v; }
template <class T>
  requires std::is_arithmetic_v<T>
void append(std::string &s, T v) {
  s += std::to_string(v);
}
} // namespace detail

/// Concatenates strings and numbers.
template <class... Args> std::string cat(const Args &...args) {
  std::string s;
  (detail::append(s, args), ...);
  return s;
}

inline std::string join(const std::vector<std::string> &list, std::string_view separator = ", ") {
  std::string s;
  for (const std::string &item : list)
    s.append(&item == list.data() ? "" : separator).append(item);
  return s;
}

} // namespace gemmac::rt
