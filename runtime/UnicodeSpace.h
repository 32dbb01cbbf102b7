// White space as Python's str.isspace() and its regular expressions' \s have it, in UTF-8. Used where
// templates are lexed (compiler) and where they strip and split text (executable), which must agree.
#pragma once

#include <cstddef>
#include <string_view>

namespace gemmac {

/// Bytes of the white-space character that `s` starts with, or 0.
inline size_t spaceLength(std::string_view s) {
  const auto byte = [&](size_t i) -> unsigned { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0; };
  const unsigned c = byte(0);
  if ((c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20))
    return s.empty() ? 0 : 1;
  if (c == 0xC2) // U+0085, U+00A0
    return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;
  if (c == 0xE1) // U+1680
    return byte(1) == 0x9A && byte(2) == 0x80 ? 3 : 0;
  if (c == 0xE2) { // U+2000..200A, 2028, 2029, 202F, 205F
    const unsigned d = byte(2);
    if (byte(1) == 0x80)
      return (d >= 0x80 && d <= 0x8A) || d == 0xA8 || d == 0xA9 || d == 0xAF ? 3 : 0;
    return byte(1) == 0x81 && d == 0x9F ? 3 : 0;
  }
  return c == 0xE3 && byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0; // U+3000
}

/// Bytes of the white-space character that `s` ends with, or 0.
inline size_t spaceLengthBack(std::string_view s) {
  for (size_t n = 1; n <= 3 && n <= s.size(); ++n)
    if (spaceLength(s.substr(s.size() - n)) == n)
      return n;
  return 0;
}

inline std::string_view trimLeft(std::string_view s) {
  while (const size_t n = spaceLength(s))
    s.remove_prefix(n);
  return s;
}
inline std::string_view trimRight(std::string_view s) {
  while (const size_t n = spaceLengthBack(s))
    s.remove_suffix(n);
  return s;
}

} // namespace gemmac
