// See TemplateText.h.
#include "runtime/TemplateText.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace gemmac::rt {

namespace {
struct CaseRange {
  uint32_t first, last, step;
  int32_t delta;
};
struct CaseSpecial {
  uint32_t point;
  const char *text;
};
struct CodeRange {
  uint32_t first, last;
};
#include "runtime/UnicodeCase.inc"

/// The range that may hold `point`, or null.
template <class Range, size_t N> const Range *findRange(const Range (&table)[N], uint32_t point) {
  const Range *it =
      std::upper_bound(table, table + N, point, [](uint32_t p, const Range &r) { return p < r.first; });
  return it != table && point <= std::prev(it)->last ? std::prev(it) : nullptr;
}

template <size_t N> const char *findSpecial(const CaseSpecial (&table)[N], uint32_t point) {
  const CaseSpecial *it =
      std::lower_bound(table, table + N, point, [](const CaseSpecial &s, uint32_t p) { return s.point < p; });
  return it != table + N && it->point == point ? it->text : nullptr;
}

template <size_t N> uint32_t mapped(const CaseRange (&table)[N], uint32_t point) {
  const CaseRange *r = findRange(table, point);
  return r && (point - r->first) % r->step == 0
             ? static_cast<uint32_t>(static_cast<int64_t>(point) + r->delta)
             : point;
}

void appendUpper(std::string &out, uint32_t p) {
  if (p < 0x80)
    out += static_cast<char>(p >= 'a' && p <= 'z' ? p - 32 : p);
  else if (const char *special = findSpecial(kUpperSpecial, p))
    out += special;
  else
    appendPoint(out, mapped(kUpper, p));
}

void appendTitle(std::string &out, uint32_t p) {
  if (const char *special = findSpecial(kTitleSpecial, p))
    out += special;
  else
    appendUpper(out, p);
}

void appendLower(std::string &out, uint32_t p) {
  if (p < 0x80)
    out += static_cast<char>(p >= 'A' && p <= 'Z' ? p + 32 : p);
  else if (const char *special = findSpecial(kLowerSpecial, p))
    out += special;
  else
    appendPoint(out, mapped(kLower, p));
}

/// A letter that has case, as far as the tables tell.
bool isCased(uint32_t p) {
  if (p < 0x80)
    return (p >= 'a' && p <= 'z') || (p >= 'A' && p <= 'Z');
  return mapped(kUpper, p) != p || mapped(kLower, p) != p || findSpecial(kUpperSpecial, p);
}

/// Characters that do not end a word for the final sigma: apostrophes, points and combining marks.
bool isCaseIgnorable(uint32_t p) {
  return p == '\'' || p == '.' || p == ':' || p == '^' || p == '`' || p == 0xAD || p == 0xB7 || p == 0x2019 ||
         (p >= 0x300 && p <= 0x36F);
}

constexpr uint32_t kSigma = 0x3A3;

/// Whether the sigma at byte `at` of `s` ends a word: Python then writes the final form.
bool isFinalSigma(std::string_view s, size_t at) {
  bool before = false;
  for (size_t i = 0, n; i < at; i += n)
    if (const uint32_t p = decodePoint(s.substr(i), n); !isCaseIgnorable(p))
      before = isCased(p);
  if (!before)
    return false;
  for (size_t i = at + 2, n; i < s.size(); i += n)
    if (const uint32_t p = decodePoint(s.substr(i), n); !isCaseIgnorable(p))
      return !isCased(p);
  return true;
}

void appendLowerAt(std::string &out, std::string_view s, size_t at, uint32_t p) {
  if (p == kSigma)
    appendPoint(out, isFinalSigma(s, at) ? 0x3C2 : 0x3C3);
  else
    appendLower(out, p);
}

void appendHex(std::string &out, uint32_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i)
    out += "0123456789abcdef"[value >> (4 * i) & 15];
}

size_t lineEnd(std::string_view s) {
  if (s.substr(0, 2) == "\r\n")
    return 2;
  const unsigned char c = static_cast<unsigned char>(s[0]);
  if ((c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E))
    return 1;
  if (s.substr(0, 2) == "\xC2\x85")
    return 2;
  return s.substr(0, 3) == "\xE2\x80\xA8" || s.substr(0, 3) == "\xE2\x80\xA9" ? 3 : 0;
}

} // namespace

uint32_t decodePoint(std::string_view s, size_t &length) {
  const auto byte = [&](size_t i) -> uint32_t { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0; };
  const uint32_t lead = byte(0);
  length = std::min<size_t>(s.size(), lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4);
  if (lead < 0x80)
    return lead;
  if (lead < 0xE0)
    return (lead & 0x1F) << 6 | (byte(1) & 0x3F);
  if (lead < 0xF0)
    return (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

void appendPoint(std::string &out, uint32_t p) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (p >> shift & 0x3F)); };
  if (p < 0x80) {
    out += static_cast<char>(p);
  } else if (p < 0x800) {
    out += static_cast<char>(0xC0 | p >> 6), tail(0);
  } else if (p < 0x10000) {
    out += static_cast<char>(0xE0 | p >> 12), tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | p >> 18), tail(12), tail(6), tail(0);
  }
}

int64_t countPoints(std::string_view s) {
  return std::count_if(s.begin(), s.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> list;
  for (size_t i = 0, n; i < s.size(); i += n) {
    decodePoint(s.substr(i), n);
    list.push_back(s.substr(i, n));
  }
  return list;
}

std::string upperText(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0, n; i < s.size(); i += n)
    appendUpper(out, decodePoint(s.substr(i), n));
  return out;
}

std::string lowerText(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0, n; i < s.size(); i += n)
    appendLowerAt(out, s, i, decodePoint(s.substr(i), n));
  return out;
}

std::string capitalText(std::string_view s) {
  std::string out;
  for (size_t i = 0, n; i < s.size(); i += n) {
    const uint32_t p = decodePoint(s.substr(i), n);
    i == 0 ? appendTitle(out, p) : appendLowerAt(out, s, i, p);
  }
  return out;
}

std::string titleText(std::string_view s) {
  std::string out;
  bool inside = false;
  for (size_t i = 0, n; i < s.size(); i += n) {
    const uint32_t p = decodePoint(s.substr(i), n);
    inside ? appendLowerAt(out, s, i, p) : appendTitle(out, p);
    inside = isCased(p);
  }
  return out;
}

std::string_view stripText(std::string_view s, std::optional<std::string_view> chars, bool left, bool right) {
  if (!chars) {
    s = left ? trimLeft(s) : s;
    return right ? trimRight(s) : s;
  }
  const auto known = [&](std::string_view c) { return chars->find(c) != chars->npos; };
  while (left && !s.empty()) {
    size_t n;
    decodePoint(s, n);
    if (!known(s.substr(0, n)))
      break;
    s.remove_prefix(n);
  }
  while (right && !s.empty()) {
    size_t n = 1;
    while (n < s.size() && (static_cast<unsigned char>(s[s.size() - n]) & 0xC0) == 0x80)
      ++n;
    if (!known(s.substr(s.size() - n)))
      break;
    s.remove_suffix(n);
  }
  return s;
}

static std::vector<std::string_view> splitSpaces(std::string_view s, int64_t most, bool fromRight) {
  std::vector<std::string_view> parts;
  s = fromRight ? trimRight(s) : trimLeft(s);
  while (!s.empty()) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(s); // with the blanks at its far end
      break;
    }
    size_t n = 0; // bytes of the word at this end
    if (fromRight) {
      while (n < s.size() && !spaceLengthBack(s.substr(0, s.size() - n)))
        ++n;
      parts.push_back(s.substr(s.size() - n));
      s = trimRight(s.substr(0, s.size() - n));
    } else {
      while (n < s.size() && !spaceLength(s.substr(n)))
        ++n;
      parts.push_back(s.substr(0, n));
      s = trimLeft(s.substr(n));
    }
  }
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> splitText(std::string_view s, std::optional<std::string_view> separator,
                                        int64_t most, bool fromRight) {
  if (!separator)
    return splitSpaces(s, most, fromRight);
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
    const size_t found = fromRight ? s.rfind(*separator) : s.find(*separator);
    if (found == s.npos)
      break;
    const size_t behind = found + separator->size();
    parts.push_back(fromRight ? s.substr(behind) : s.substr(0, found));
    s = fromRight ? s.substr(0, found) : s.substr(behind);
  }
  parts.push_back(s);
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> splitLines(std::string_view s, bool keepEnds) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t i = 0; i < s.size();) {
    const size_t end = lineEnd(s.substr(i));
    if (end)
      lines.push_back(s.substr(start, i - start + (keepEnds ? end : 0)));
    i += end ? end : 1;
    if (end)
      start = i;
  }
  if (start < s.size())
    lines.push_back(s.substr(start));
  return lines;
}

std::string reprText(std::string_view s) {
  const char quote = s.find('\'') != s.npos && s.find('"') == s.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0, n; i < s.size(); i += n) {
    const uint32_t p = decodePoint(s.substr(i), n);
    if (p == static_cast<uint32_t>(quote) || p == '\\')
      out += '\\', out += static_cast<char>(p);
    else if (p == '\n' || p == '\r' || p == '\t')
      out += p == '\n' ? "\\n" : p == '\r' ? "\\r" : "\\t";
    else if (p >= 0x20 && (p < 0x7F || !findRange(kUnprintable, p)))
      out += s.substr(i, n);
    else
      out += p < 0x100     ? "\\x"
             : p < 0x10000 ? "\\u"
                           : "\\U",
          appendHex(out, p,
                    p < 0x100     ? 2
                    : p < 0x10000 ? 4
                                  : 8);
  }
  return out += quote;
}

std::string floatText(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  std::string digits;
  for (char c : text.substr(0, e))
    if (c >= '0' && c <= '9')
      digits += c;
  std::string out = text[0] == '-' ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1)
      out += "." + digits.substr(1);
    const std::string power = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  return out + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<size_t>(exponent) + 1);
}

std::string jsonText(std::string_view s, bool ascii) {
  std::string out = "\"";
  for (size_t i = 0, n; i < s.size(); i += n) {
    const uint32_t p = decodePoint(s.substr(i), n);
    constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
    if (const size_t k = p < 0x80 ? kFrom.find(static_cast<char>(p)) : kFrom.npos; k != kFrom.npos) {
      out += '\\', out += kTo[k];
    } else if (p < 0x20 || (ascii && p >= 0x7F)) {
      if (p >= 0x10000) {
        out += "\\u", appendHex(out, 0xD800 + ((p - 0x10000) >> 10), 4);
        out += "\\u", appendHex(out, 0xDC00 + ((p - 0x10000) & 0x3FF), 4);
      } else {
        out += "\\u", appendHex(out, p, 4);
      }
    } else {
      out += s.substr(i, n);
    }
  }
  return out += '"';
}

} // namespace gemmac::rt
