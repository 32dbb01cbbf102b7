// UTF-8, strictly (Unicode table 3-7: no surrogates, no overlong forms, at most U+10FFFF).
#pragma once

#include <cstddef>
#include <string_view>

namespace gemmac::rt {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; ///< U+FFFD
constexpr std::string_view kSpace = "\xE2\x96\x81";       ///< U+2581, how the vocabulary writes a space

/// Bytes of the character that `s` (not empty) starts with: 1..4; 0 if no character starts so; -1 if it is
/// one that ends too early.
inline int characterLength(std::string_view s) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80)
    return 1;
  const int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                     : lead >= 0xE0 && lead <= 0xEF ? 3
                     : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                    : 0;
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) >= s.size())
      return -1;
    unsigned char lo = 0x80, hi = 0xBF;
    if (i == 1) {
      lo = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
      hi = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    }
    if (byte(static_cast<size_t>(i)) < lo || byte(static_cast<size_t>(i)) > hi)
      return 0;
  }
  return length;
}

inline bool validUtf8(std::string_view s) {
  while (!s.empty()) {
    const int n = characterLength(s);
    if (n <= 0)
      return false;
    s.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

} // namespace gemmac::rt
