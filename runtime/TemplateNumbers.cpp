// Filters that make or change numbers, as Python's int(), float() and round() do.
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/TemplateValue.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace gemmac::rt::jinja {

/// The number that `s` is as a whole, in Python's way: blanks around and _ between digits are allowed.
static std::optional<double> parseFloat(std::string_view s) {
  std::string plain(stripText(s, std::nullopt, true, true));
  for (size_t i = 1; i + 1 < plain.size(); ++i)
    if (plain[i] == '_' && plain[i - 1] >= '0' && plain[i - 1] <= '9' && plain[i + 1] >= '0' &&
        plain[i + 1] <= '9')
      plain.erase(i, 1);
  const bool plus = !plain.empty() && plain[0] == '+';
  if (plus && plain.size() > 1 && plain[1] == '-')
    return std::nullopt;
  const char *start = plain.data() + plus, *end = plain.data() + plain.size();
  double value = 0;
  const auto [stop, error] = std::from_chars(start, end, value);
  if (error == std::errc::result_out_of_range && stop == end)
    return plain.find("e-") != plain.npos || plain.find("E-") != plain.npos ? 0.0 : HUGE_VAL;
  if (error != std::errc() || stop != end || start == end)
    return std::nullopt;
  return value;
}

static std::optional<int64_t> parseInteger(std::string_view s, int base) {
  std::string plain(stripText(s, std::nullopt, true, true));
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  bool minus = false;
  if (!plain.empty() && (plain[0] == '+' || plain[0] == '-')) {
    minus = plain[0] == '-';
    plain.erase(0, 1);
  }
  if (plain.size() > 2 && plain[0] == '0') {
    const char kind = static_cast<char>(plain[1] | 0x20);
    if ((kind == 'x' && base == 16) || (kind == 'o' && base == 8) || (kind == 'b' && base == 2))
      plain.erase(0, 2);
  }
  int64_t value = 0;
  if (plain.empty() || plain[0] == '-')
    return std::nullopt;
  if (minus)
    plain = cat("-", plain);
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value, base);
  if (error != std::errc() || end != plain.data() + plain.size())
    return std::nullopt;
  return value;
}

static Value truncated(double d, const Value &otherwise) {
  if (!(d > -9.2e18 && d < 9.2e18))
    return otherwise;
  return integer(static_cast<int64_t>(d));
}

Value toInteger(Machine &m, const Value &in, const Arguments &args) {
  const Value otherwise = args.get(0) ? *args.get(0) : integer(0);
  const int64_t base = args.get(1) ? integerOf(m, *args.get(1), "the base of the filter 'int'") : 10;
  if (base < 2 || base > 36)
    m.fail(cat("the base of the filter 'int' is ", base, ", expected 2..36"));
  if (in.is(Kind::Undefined))
    m.fail(std::string(in.text()));
  if (in.is(Kind::BigInt))
    return in;
  if (in.isInteger())
    return integer(in.asInteger());
  if (in.is(Kind::Float))
    return truncated(in.number, otherwise);
  if (!in.is(Kind::String))
    return otherwise;
  if (const auto value = parseInteger(in.text(), static_cast<int>(base)))
    return integer(*value);
  const auto value = parseFloat(in.text());
  return value ? truncated(*value, otherwise) : otherwise;
}

Value toFloat(Machine &m, const Value &in, const Arguments &args) {
  if (in.is(Kind::Undefined))
    m.fail(std::string(in.text()));
  if (in.isNumber() && !in.is(Kind::BigInt))
    return number(in.asDouble());
  if (in.is(Kind::String) || in.is(Kind::BigInt))
    if (const auto value = parseFloat(in.text()))
      return number(*value);
  return args.get(0) ? *args.get(0) : number(0);
}

Value rounded(Machine &m, const Value &in, const Arguments &args) {
  const int64_t digits = args.get(0) ? integerOf(m, *args.get(0), "the precision of the filter 'round'") : 0;
  const std::string_view how =
      args.get(1) ? textOf(m, *args.get(1), "the method of the filter 'round'") : "common";
  if (!in.isNumber() || in.is(Kind::BigInt) || digits < 0 || digits > 15 ||
      (how != "common" && how != "ceil" && how != "floor"))
    m.fail(cat("the filter 'round' of a ", typeName(in), " to ", digits, " digits by '", how,
               "' is not supported"));
  if (how == "common") {
    if (in.isInteger())
      return integer(in.asInteger());
    char text[400]; // rounds to even as Python does, from the exact value
    std::snprintf(text, sizeof text, "%.*f", static_cast<int>(digits), in.number);
    return number(std::strtod(text, nullptr));
  }
  const double power = std::pow(10.0, static_cast<double>(digits)), scaled = in.asDouble() * power;
  return number((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power);
}

Value absolute(Machine &m, const Value &in) {
  if (in.is(Kind::Float))
    return number(std::fabs(in.number));
  const bool negative = in.isInteger() && in.asInteger() < 0;
  return negate(m, in, negative);
}

} // namespace gemmac::rt::jinja
