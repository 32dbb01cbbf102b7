// Operators of templates and the look-up of attributes and elements, as jinja2's sandbox does them on
// Python's values.
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/TemplateValue.h"

#include <algorithm>
#include <cmath>

namespace gemmac::rt::jinja {

static std::string_view nameOf(TemplateBinary op) {
  constexpr std::string_view kNames[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kNames[static_cast<size_t>(op)];
}

[[noreturn]] static void noOperator(Machine &m, std::string_view op, const Value &a, const Value &b) {
  m.fail(cat("'", op, "' has no meaning for a ", typeName(a), " and a ", typeName(b)));
}

static Value repeat(Machine &m, const Value &v, int64_t times) {
  const uint64_t n = times > 0 ? static_cast<uint64_t>(times) : 0;
  const uint64_t unit = v.is(Kind::String) ? v.span.size : v.list->items.size();
  if (n && unit > m.limits.text / n)
    m.fail("the product of a text or list is too long");
  m.step(n);
  if (v.is(Kind::List)) {
    std::vector<Value> items;
    for (uint64_t i = 0; i < n; ++i)
      items.insert(items.end(), v.list->items.begin(), v.list->items.end());
    m.step(items.size());
    return m.list(std::move(items), v.list->shape);
  }
  std::string out;
  for (uint64_t i = 0; i < n && unit; ++i)
    out += v.text();
  return m.text(std::move(out));
}

static Value integerPower(Machine &m, int64_t base, int64_t exponent) {
  if (exponent < 0)
    return number(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  int64_t result = 1;
  for (int64_t i = 0; i < exponent && result != 0 && !(base == 1); ++i) {
    m.step();
    if (__builtin_mul_overflow(result, base, &result))
      m.fail("a whole number grows beyond 64 bits");
  }
  return integer(result);
}

static Value integerBinary(Machine &m, TemplateBinary op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
  case TemplateBinary::Add:
    overflow = __builtin_add_overflow(a, b, &result);
    break;
  case TemplateBinary::Sub:
    overflow = __builtin_sub_overflow(a, b, &result);
    break;
  case TemplateBinary::Mul:
    overflow = __builtin_mul_overflow(a, b, &result);
    break;
  case TemplateBinary::Pow:
    return integerPower(m, a, b);
  default:
    if (b == 0)
      m.fail("a division by zero");
    if (op == TemplateBinary::Div)
      return number(static_cast<double>(a) / static_cast<double>(b));
    if (a == INT64_MIN && b == -1) {
      overflow = op == TemplateBinary::FloorDiv;
    } else { // Python rounds down
      const int64_t quotient = a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
      result = op == TemplateBinary::FloorDiv ? quotient : a - quotient * b;
    }
  }
  if (overflow)
    m.fail("a whole number grows beyond 64 bits");
  return integer(result);
}

static Value floatBinary(Machine &m, TemplateBinary op, double a, double b) {
  if (b == 0 && (op == TemplateBinary::Div || op == TemplateBinary::FloorDiv || op == TemplateBinary::Mod))
    m.fail("a division by zero");
  switch (op) {
  case TemplateBinary::Add:
    return number(a + b);
  case TemplateBinary::Sub:
    return number(a - b);
  case TemplateBinary::Mul:
    return number(a * b);
  case TemplateBinary::Div:
    return number(a / b);
  case TemplateBinary::FloorDiv:
    return number(std::floor(a / b));
  case TemplateBinary::Mod: {
    const double rest = std::fmod(a, b);
    return number(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
  }
  default:
    return number(std::pow(a, b));
  }
}

Value binary(Machine &m, TemplateBinary op, const Value &a, const Value &b) {
  for (const Value *v : {&a, &b})
    if (v->is(Kind::Undefined))
      m.fail(std::string(v->text()));
  if (a.is(Kind::BigInt) || b.is(Kind::BigInt))
    m.fail("a whole number is beyond 64 bits");
  if (a.isNumber() && b.isNumber())
    return a.isInteger() && b.isInteger() ? integerBinary(m, op, a.asInteger(), b.asInteger())
                                          : floatBinary(m, op, a.asDouble(), b.asDouble());
  const auto repeatable = [](const Value &v) {
    return v.is(Kind::String) || (v.is(Kind::List) && v.list->shape <= Shape::Tuple);
  };
  if (op == TemplateBinary::Mul && repeatable(a) && b.isInteger())
    return repeat(m, a, b.asInteger());
  if (op == TemplateBinary::Mul && repeatable(b) && a.isInteger())
    return repeat(m, b, a.asInteger());
  if (op != TemplateBinary::Add || a.kind != b.kind || !repeatable(a))
    noOperator(m, nameOf(op), a, b);
  if (a.is(Kind::String)) {
    std::string out;
    out.reserve(a.span.size + b.span.size);
    return m.text(std::move(out.append(a.text()).append(b.text())));
  }
  if (a.list->shape != b.list->shape)
    noOperator(m, nameOf(op), a, b);
  std::vector<Value> items = a.list->items;
  items.insert(items.end(), b.list->items.begin(), b.list->items.end());
  m.step(items.size());
  return m.list(std::move(items), a.list->shape);
}

Value negate(Machine &m, const Value &v, bool minus) {
  if (v.is(Kind::Undefined))
    m.fail(std::string(v.text()));
  if (v.is(Kind::Float))
    return number(minus ? -v.number : v.number);
  if (!v.isInteger() || (minus && v.asInteger() == INT64_MIN))
    m.fail(cat("a sign has no meaning for a ", typeName(v)));
  return integer(minus ? -v.asInteger() : v.asInteger());
}

bool compare(Machine &m, TemplateCompare op, const Value &a, const Value &b) {
  const bool unordered =
      (a.is(Kind::Float) && std::isnan(a.number)) || (b.is(Kind::Float) && std::isnan(b.number));
  switch (op) {
  case TemplateCompare::Eq:
    return equal(m, a, b);
  case TemplateCompare::Ne:
    return !equal(m, a, b);
  case TemplateCompare::In:
    return contains(m, b, a);
  case TemplateCompare::NotIn:
    return !contains(m, b, a);
  case TemplateCompare::Lt:
    return order(m, a, b) < 0 && !unordered;
  case TemplateCompare::Le:
    return order(m, a, b) <= 0 && !unordered;
  case TemplateCompare::Gt:
    return order(m, a, b) > 0 && !unordered;
  default:
    return order(m, a, b) >= 0 && !unordered;
  }
}

static bool oneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What Python finds as a method of the value's type: true for one that the sandbox lets through.
static bool isMethod(const Value &v, std::string_view name) {
  switch (v.kind) {
  case Kind::Dict:
    return oneOf(name, {"copy", "fromkeys", "get", "items", "keys", "values"});
  case Kind::List:
    return oneOf(name, {"count", "index"}) || (v.list->shape == Shape::List && name == "copy");
  case Kind::String:
    return oneOf(name,
                 {"capitalize",   "casefold",    "center",    "count",      "encode",       "endswith",
                  "expandtabs",   "find",        "format",    "format_map", "index",        "isalnum",
                  "isalpha",      "isascii",     "isdecimal", "isdigit",    "isidentifier", "islower",
                  "isnumeric",    "isprintable", "isspace",   "istitle",    "isupper",      "join",
                  "ljust",        "lower",       "lstrip",    "maketrans",  "partition",    "removeprefix",
                  "removesuffix", "replace",     "rfind",     "rindex",     "rjust",        "rpartition",
                  "rsplit",       "rstrip",      "split",     "splitlines", "startswith",   "strip",
                  "swapcase",     "title",       "translate", "upper",      "zfill"});
  default:
    return false;
  }
}

static Value methodOf(const Value &) {
  Value v;
  v.kind = Kind::Method;
  return v;
}

/// Methods that change their object: the sandbox gives undefined instead.
static bool isForbidden(const Value &v, std::string_view name) {
  return v.is(Kind::Dict) && oneOf(name, {"clear", "pop", "popitem", "setdefault", "update"});
}

static Value loopAttribute(Machine &m, const Loop &loop, std::string_view name) {
  const int64_t index = static_cast<int64_t>(loop.index), size = static_cast<int64_t>(loop.items.size());
  if (name == "index")
    return integer(index + 1);
  if (name == "index0")
    return integer(index);
  if (name == "revindex")
    return integer(size - index);
  if (name == "revindex0")
    return integer(size - index - 1);
  if (name == "first")
    return boolean(index == 0);
  if (name == "last")
    return boolean(index + 1 >= size);
  if (name == "length")
    return integer(size);
  if (name == "depth" || name == "depth0")
    return integer(name == "depth");
  if (name == "previtem")
    return index > 0 && index <= size ? loop.items[loop.index - 1] : m.undefined("there is no previous item");
  if (name == "nextitem")
    return index + 1 < size ? loop.items[loop.index + 1] : m.undefined("there is no next item");
  return m.undefined(cat("'loop object' has no attribute '", name, "'"));
}

static Value missing(Machine &m, const Value &object, std::string_view name) {
  return m.undefined(cat("'", typeName(object), " object' has no attribute '", name, "'"));
}

Value attribute(Machine &m, const Value &object, std::string_view name) {
  m.step();
  switch (object.kind) {
  case Kind::Undefined:
    m.fail(std::string(object.text()));
  case Kind::Namespace:
    for (const auto &[key, value] : object.space->fields)
      if (key == name)
        return value;
    return missing(m, object, name);
  case Kind::Loop:
    return loopAttribute(m, *object.loop, name);
  default:
    if (isMethod(object, name))
      return methodOf(object);
    if (object.is(Kind::Dict) && !isForbidden(object, name))
      if (const Value *found = find(m, *object.dict, fixed(name)))
        return *found;
    return missing(m, object, name);
  }
}

static Value element(Machine &m, const Value &object, int64_t index) {
  const int64_t size = length(m, object);
  const int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size)
    return m.undefined(cat(typeName(object), " object has no element ", index));
  if (object.is(Kind::List))
    return object.list->items[static_cast<size_t>(at)];
  std::string_view text = object.text();
  size_t n = 0;
  for (int64_t i = 0; i <= at; ++i) {
    text.remove_prefix(n);
    decodePoint(text, n);
  }
  Value one = fixed(text.substr(0, n));
  one.owner = object.owner;
  return one;
}

Value item(Machine &m, const Value &object, const Value &key) {
  m.step();
  if (object.is(Kind::Undefined))
    m.fail(std::string(object.text()));
  if (object.is(Kind::Dict)) {
    if (const Value *found = find(m, *object.dict, key))
      return *found;
  } else if (key.isInteger() &&
             (object.is(Kind::String) || (object.is(Kind::List) && object.list->shape <= Shape::Range))) {
    return element(m, object, key.asInteger());
  }
  if (!key.is(Kind::String))
    return m.undefined(cat("'", typeName(object), " object' has no such element"));
  if (object.is(Kind::Namespace) || object.is(Kind::Loop))
    return attribute(m, object, key.text());
  return isMethod(object, key.text()) ? methodOf(object) : missing(m, object, key.text());
}

Value slice(Machine &m, const Value &object, const Value &start, const Value &stop, const Value &step) {
  if (object.is(Kind::Undefined))
    m.fail(std::string(object.text()));
  const bool isText = object.is(Kind::String);
  if (!isText && !(object.is(Kind::List) && object.list->shape <= Shape::Range))
    m.fail(cat("a ", typeName(object), " cannot be cut by [:]"));
  const std::vector<Value> all = isText ? elements(m, object) : object.list->items;
  const int64_t size = static_cast<int64_t>(all.size());
  const int64_t by = step.is(Kind::None) ? 1 : integerOf(m, step, "the step of [::]");
  if (by == 0)
    m.fail("the step of [::] is 0");
  const auto bound = [&](const Value &v, int64_t otherwise) {
    if (v.is(Kind::None))
      return otherwise;
    int64_t i = integerOf(m, v, "a bound of [:]");
    i = i < 0 ? std::max<int64_t>(i + size, -1) : std::min(i, size);
    return by > 0 ? std::max<int64_t>(i, 0) : std::min(i, size - 1);
  };
  const int64_t from = bound(start, by > 0 ? 0 : size - 1), to = bound(stop, by > 0 ? size : -1);
  std::vector<Value> items;
  std::string text;
  // The distance is checked before each step: from + by may be beyond 64 bits.
  for (int64_t i = from; by > 0 ? i < to : i > to;) {
    isText ? (void)(text += all[static_cast<size_t>(i)].text())
           : items.push_back(all[static_cast<size_t>(i)]);
    if (by > 0 ? by >= to - i : by <= to - i)
      break;
    i += by;
  }
  m.step(static_cast<uint64_t>(size));
  return isText ? m.text(std::move(text)) : m.list(std::move(items), object.list->shape);
}

} // namespace gemmac::rt::jinja
