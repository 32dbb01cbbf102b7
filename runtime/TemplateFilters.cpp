// Filters of templates, as jinja2 3.1 has them, and tojson as Hugging Face does.
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/TemplateValue.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace gemmac::rt::jinja {

int64_t integerOf(Machine &m, const Value &v, const char *what) {
  if (!v.isInteger())
    m.fail(cat(what, " is a ", typeName(v), ", expected an int"));
  return v.asInteger();
}

std::string_view textOf(Machine &m, const Value &v, const char *what) {
  if (!v.is(Kind::String))
    m.fail(cat(what, " is a ", typeName(v), ", expected a str"));
  return v.text();
}

static bool flag(const Arguments &args, size_t i) { return args.get(i) && truth(*args.get(i)); }

Value path(Machine &m, const Value &object, const Value &where, const Value *otherwise) {
  const auto step = [&](const Value &from, const Value &key) {
    Value found = item(m, from, key);
    return otherwise && found.is(Kind::Undefined) ? *otherwise : found;
  };
  if (where.isInteger())
    return step(object, where);
  Value found = object;
  for (std::string_view part : splitText(textOf(m, where, "the attribute"), ".", -1, false)) {
    int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == part.npos &&
                        error == std::errc() && end == part.data() + part.size();
    Value key = m.text(std::string(part));
    found = step(found, digits ? integer(index) : key);
  }
  return found;
}

/// The element or its attribute; text without its case unless `sensitive`.
static Value sortKey(Machine &m, const Value &v, const Value *attribute, bool sensitive) {
  Value key = attribute && !attribute->is(Kind::None) ? path(m, v, *attribute) : v;
  return key.is(Kind::String) && !sensitive ? m.text(lowerText(key.text())) : key;
}

/// By merging: unlike std::sort it keeps to its bounds whatever NaN compares to.
std::vector<size_t> sorted(Machine &m, const std::vector<Value> &keys, bool reverse) {
  std::vector<size_t> at(keys.size()), next(keys.size());
  for (size_t i = 0; i < at.size(); ++i)
    at[i] = i;
  const auto before = [&](size_t a, size_t b) {
    return reverse ? order(m, keys[b], keys[a]) < 0 : order(m, keys[a], keys[b]) < 0;
  };
  for (size_t width = 1; width < at.size(); width *= 2) {
    for (size_t i = 0; i < at.size(); i += 2 * width) {
      const auto place = [&](size_t n) {
        return at.begin() + static_cast<ptrdiff_t>(std::min(n, at.size()));
      };
      std::merge(place(i), place(i + width), place(i + width), place(i + 2 * width),
                 next.begin() + static_cast<ptrdiff_t>(i), before);
    }
    at.swap(next);
  }
  return at;
}

static Value sortFilter(Machine &m, const Value &in, const Arguments &args) {
  const std::vector<Value> items = elements(m, in);
  if (args.get(2) && args.get(2)->is(Kind::String) && args.get(2)->text().find(',') != std::string_view::npos)
    m.fail("the filter 'sort' by several attributes is not supported");
  std::vector<Value> keys, out;
  for (const Value &v : items)
    keys.push_back(sortKey(m, v, args.get(2), flag(args, 1)));
  for (size_t i : sorted(m, keys, flag(args, 0)))
    out.push_back(items[i]);
  return m.list(std::move(out));
}

static Value pairOf(Machine &m, const std::pair<Value, Value> &pair) {
  return m.list({pair.first, pair.second}, Shape::Tuple);
}

static Value dictsort(Machine &m, const Value &in, const Arguments &args) {
  if (!in.is(Kind::Dict))
    m.fail(in.is(Kind::Undefined)
               ? std::string(in.text())
               : cat("the filter 'dictsort' is given a ", typeName(in), ", expected a dict"));
  const std::string_view by = args.get(1) ? textOf(m, *args.get(1), "the argument 'by' of dictsort") : "key";
  if (by != "key" && by != "value")
    m.fail(cat("the filter 'dictsort' is by '", by, "', expected 'key' or 'value'"));
  std::vector<Value> keys, out;
  for (const auto &[key, value] : in.dict->items)
    keys.push_back(sortKey(m, by == "key" ? key : value, nullptr, flag(args, 0)));
  for (size_t i : sorted(m, keys, flag(args, 2)))
    out.push_back(pairOf(m, in.dict->items[i]));
  return m.list(std::move(out));
}

static Value extreme(Machine &m, const Value &in, const Arguments &args, int sign) {
  const std::vector<Value> items = elements(m, in);
  if (items.empty())
    return m.undefined("the sequence is empty");
  size_t best = 0;
  Value bestKey = sortKey(m, items[0], args.get(1), flag(args, 0));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = sortKey(m, items[i], args.get(1), flag(args, 0));
    if (order(m, key, bestKey) * sign > 0)
      best = i, bestKey = std::move(key);
  }
  return items[best];
}

static Value unique(Machine &m, const Value &in, const Arguments &args) {
  std::vector<Value> seen, out;
  for (const Value &v : elements(m, in)) {
    Value key = sortKey(m, v, args.get(1), flag(args, 0));
    if (std::any_of(seen.begin(), seen.end(), [&](const Value &k) { return equal(m, k, key); }))
      continue;
    seen.push_back(std::move(key));
    out.push_back(v);
  }
  return m.list(std::move(out), Shape::Iterator);
}

static Value join(Machine &m, const Value &in, const Arguments &args) {
  const std::string between = args.get(0) ? str(m, *args.get(0)) : "";
  std::string out;
  bool first = true;
  for (const Value &v : elements(m, in)) {
    if (!std::exchange(first, false))
      out += between;
    const Value *attribute = args.get(1);
    out += str(m, attribute && !attribute->is(Kind::None) ? path(m, v, *attribute) : v);
    if (out.size() > m.limits.text)
      break;
  }
  return m.text(std::move(out));
}

static Value sum(Machine &m, const Value &in, const Arguments &args) {
  Value total = args.get(1) ? *args.get(1) : integer(0);
  for (const Value &v : elements(m, in))
    total = binary(m, TemplateBinary::Add, total,
                   args.get(0) && !args.get(0)->is(Kind::None) ? path(m, v, *args.get(0)) : v);
  return total;
}

static std::string replaced(Machine &m, std::string_view s, std::string_view old, std::string_view with,
                            int64_t most) {
  std::string out;
  size_t at = 0;
  for (int64_t n = 0; most < 0 || n < most; ++n) {
    m.step();
    size_t found = s.find(old, at);
    if (old.empty()) { // between all characters, and at both ends
      size_t length = 0;
      if (n > 0 && at < s.size()) {
        decodePoint(s.substr(at), length);
        out += s.substr(at, length);
      } else if (n > 0) {
        break;
      }
      at += length;
      out += with;
    } else if (found == s.npos) {
      break;
    } else {
      out.append(s, at, found - at).append(with);
      at = found + old.size();
    }
    if (out.size() > m.limits.text)
      break;
  }
  return out.append(s.substr(std::min(at, s.size())));
}

static Value indent(Machine &m, const Value &in, const Arguments &args) {
  const Value *width = args.get(0);
  if (width && width->isInteger() && width->asInteger() > 10000)
    m.fail(cat("the filter 'indent' is given the width ", width->asInteger(), ", expected at most 10000"));
  const std::string pad =
      !width ? "    "
      : width->is(Kind::String)
          ? std::string(width->text())
          : std::string(
                static_cast<size_t>(std::max<int64_t>(0, integerOf(m, *width, "the width of indent"))), ' ');
  const bool blank = flag(args, 2);
  const std::string text = std::string(textOf(m, in, "the input of the filter 'indent'")) + "\n";
  const std::vector<std::string_view> lines = splitLines(text, false);
  std::string out = flag(args, 1) ? pad : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    m.step();
    out += cat(i ? "\n" : "", i && (blank || !lines[i].empty()) ? pad : "", lines[i]);
    if (out.size() > m.limits.text)
      break;
  }
  return m.text(std::move(out));
}

static Value tojson(Machine &m, const Value &in, const Arguments &args) {
  JsonStyle style;
  style.ascii = flag(args, 0);
  style.sortKeys = flag(args, 3);
  if (const Value *width = args.get(1); width && !width->is(Kind::None)) {
    style.lines = true;
    style.comma = ",";
    if (width->is(Kind::String))
      style.indent = width->text();
    else
      style.indent = std::string(static_cast<size_t>(std::clamp<int64_t>(
                                     integerOf(m, *width, "the argument 'indent' of tojson"), 0, 1000)),
                                 ' ');
  }
  if (const Value *pair = args.get(2); pair && !pair->is(Kind::None)) {
    const std::vector<Value> parts = elements(m, *pair);
    if (parts.size() != 2)
      m.fail(cat("the argument 'separators' of tojson has ", parts.size(), " parts, expected 2"));
    style.comma = textOf(m, parts[0], "a separator of tojson");
    style.colon = textOf(m, parts[1], "a separator of tojson");
  }
  return m.text(toJson(m, in, style));
}

/// The filter `title`: a capital behind blanks, hyphens and opening brackets.
static std::string titleWords(std::string_view s) {
  std::string out;
  const auto separator = [](std::string_view rest) -> size_t {
    const size_t space = spaceLength(rest);
    return space ? space : std::string_view("-({[<").find(rest[0]) != std::string_view::npos;
  };
  for (size_t i = 0, start = 0; i <= s.size();) {
    const size_t n = i < s.size() ? separator(s.substr(i)) : 1;
    if (!n) {
      ++i;
      continue;
    }
    const std::string_view word = s.substr(start, i - start);
    size_t first = 0;
    if (!word.empty()) {
      decodePoint(word, first);
      out += upperText(word.substr(0, first)) + lowerText(word.substr(first));
    }
    out += i < s.size() ? s.substr(i, n) : "";
    start = i += n;
  }
  return out;
}

static Value edge(Machine &m, const Value &in, bool last) {
  if (last && in.is(Kind::List) && in.list->shape == Shape::Iterator)
    m.fail("the filter 'last' is given a generator; use the filter 'list'");
  const std::vector<Value> items = elements(m, in);
  if (items.empty())
    return m.undefined(last ? "there is no last item, the sequence is empty"
                            : "there is no first item, the sequence is empty");
  return last ? items.back() : items.front();
}

static Value reversed(Machine &m, const Value &in) {
  std::vector<Value> items = elements(m, in);
  std::reverse(items.begin(), items.end());
  if (!in.is(Kind::String))
    return m.list(std::move(items), Shape::Iterator);
  std::string out;
  for (const Value &c : items)
    out += c.text();
  return m.text(std::move(out));
}

static Value itemsOf(Machine &m, const Value &in) {
  std::vector<Value> out;
  if (!in.is(Kind::Undefined) && !in.is(Kind::Dict))
    m.fail(cat("the filter 'items' is given a ", typeName(in), ", expected a dict"));
  if (in.is(Kind::Dict))
    for (const auto &pair : in.dict->items)
      out.push_back(pairOf(m, pair));
  return m.list(std::move(out), Shape::Iterator);
}

static Value textFilter(Machine &m, TemplateFilter which, const Value &in, const Arguments &args) {
  const std::string text = str(m, in);
  switch (which) {
  case TemplateFilter::Capitalize:
    return m.text(capitalText(text));
  case TemplateFilter::Lower:
    return m.text(lowerText(text));
  case TemplateFilter::Upper:
    return m.text(upperText(text));
  case TemplateFilter::Title:
    return m.text(titleWords(text));
  case TemplateFilter::Trim: {
    const Value *chars = args.get(0);
    std::optional<std::string_view> set;
    if (chars && !chars->is(Kind::None))
      set = textOf(m, *chars, "the argument of the filter 'trim'");
    return m.text(std::string(stripText(text, set, true, true)));
  }
  case TemplateFilter::Replace: {
    const std::string old = str(m, *args.get(0)), with = str(m, *args.get(1));
    const Value *count = args.get(2);
    const int64_t most =
        count && !count->is(Kind::None) ? integerOf(m, *count, "the argument 'count' of replace") : -1;
    return m.text(replaced(m, text, old, with, most));
  }
  default:
    return m.text(text);
  }
}

Value filter(Machine &m, TemplateFilter which, const Value &in, const Arguments &args) {
  m.step();
  switch (which) {
  case TemplateFilter::Abs:
    return absolute(m, in);
  case TemplateFilter::Default:
    if (!in.is(Kind::Undefined) && !(flag(args, 1) && !truth(in)))
      return in;
    return args.get(0) ? *args.get(0) : fixed("");
  case TemplateFilter::Dictsort:
    return dictsort(m, in, args);
  case TemplateFilter::First:
  case TemplateFilter::Last:
    return edge(m, in, which == TemplateFilter::Last);
  case TemplateFilter::Float:
    return toFloat(m, in, args);
  case TemplateFilter::Indent:
    return indent(m, in, args);
  case TemplateFilter::Int:
    return toInteger(m, in, args);
  case TemplateFilter::Items:
    return itemsOf(m, in);
  case TemplateFilter::Join:
    return join(m, in, args);
  case TemplateFilter::Length:
    return integer(length(m, in));
  case TemplateFilter::List:
    return m.list(elements(m, in));
  case TemplateFilter::Max:
  case TemplateFilter::Min:
    return extreme(m, in, args, which == TemplateFilter::Max ? 1 : -1);
  case TemplateFilter::Reverse:
    return reversed(m, in);
  case TemplateFilter::Round:
    return rounded(m, in, args);
  case TemplateFilter::Sort:
    return sortFilter(m, in, args);
  case TemplateFilter::Sum:
    return sum(m, in, args);
  case TemplateFilter::Tojson:
    return tojson(m, in, args);
  case TemplateFilter::Unique:
    return unique(m, in, args);
  case TemplateFilter::String:
  case TemplateFilter::Safe:
    return in.is(Kind::String) ? in : textFilter(m, which, in, args);
  default:
    return textFilter(m, which, in, args);
  }
}

} // namespace gemmac::rt::jinja
