// Text as Python's str has it, for templates: characters are code points, case mappings are Unicode's, white
// space is str.isspace(). All text is valid UTF-8.
#pragma once

#include "runtime/UnicodeSpace.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemmac::rt {

/// The code point that `s` (not empty) starts with; `length` gets its bytes.
uint32_t decodePoint(std::string_view s, size_t &length);
void appendPoint(std::string &out, uint32_t point);
int64_t countPoints(std::string_view s);
/// Each character of `s`.
std::vector<std::string_view> characters(std::string_view s);

std::string upperText(std::string_view s);
std::string lowerText(std::string_view s);
/// First character in title case, the rest lower.
std::string capitalText(std::string_view s);
/// str.title(): a capital wherever letters begin.
std::string titleText(std::string_view s);

/// str.strip() and its halves; `chars`: what to take away instead of white space.
std::string_view stripText(std::string_view s, std::optional<std::string_view> chars, bool left, bool right);
/// str.split() and rsplit(); no separator: at runs of white space. most < 0: no limit.
std::vector<std::string_view> splitText(std::string_view s, std::optional<std::string_view> separator,
                                        int64_t most, bool fromRight);
/// str.splitlines().
std::vector<std::string_view> splitLines(std::string_view s, bool keepEnds);

/// repr() of a str, a float as Python writes it, and a JSON string with its quotes.
std::string reprText(std::string_view s);
std::string floatText(double value);
std::string jsonText(std::string_view s, bool ascii);

} // namespace gemmac::rt
