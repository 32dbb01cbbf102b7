// Methods of Python's str, dict and list, of jinja2's loop, and the tests of templates.
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/TemplateValue.h"

#include <algorithm>

namespace gemmac::rt::jinja {

static const char *nameOf(TemplateMethod which) { return kTemplateMethods[static_cast<size_t>(which)].name; }

[[noreturn]] static void noMethod(Machine &m, TemplateMethod which, const Value &object) {
  m.fail(object.is(Kind::Undefined) ? std::string(object.text())
                                    : cat("a ", typeName(object), " has no method '", nameOf(which), "'"));
}

static std::optional<std::string_view> optionalText(Machine &m, const Arguments &args, size_t i) {
  if (!args.get(i) || args.get(i)->is(Kind::None))
    return std::nullopt;
  return textOf(m, *args.get(i), "an argument of a str's method");
}

static Value listOf(Machine &m, const Value &owner, const std::vector<std::string_view> &parts,
                    Shape shape = Shape::List) {
  std::vector<Value> items;
  items.reserve(parts.size());
  m.step(parts.size());
  for (std::string_view part : parts) {
    Value v = fixed(part);
    v.owner = owner.owner;
    items.push_back(std::move(v));
  }
  return m.list(std::move(items), shape);
}

static Value split(Machine &m, const Value &object, const Arguments &args, bool fromRight) {
  const auto separator = optionalText(m, args, 0);
  if (separator && separator->empty())
    m.fail("the separator of split is empty");
  const int64_t most = args.get(1) ? integerOf(m, *args.get(1), "the argument 'maxsplit' of split") : -1;
  return listOf(m, object, splitText(object.text(), separator, most, fromRight));
}

static Value partition(Machine &m, const Value &object, const Arguments &args, bool fromRight) {
  const std::string_view text = object.text(),
                         separator = textOf(m, *args.get(0), "the separator of partition");
  if (separator.empty())
    m.fail("the separator of partition is empty");
  const size_t at = fromRight ? text.rfind(separator) : text.find(separator);
  if (at == text.npos)
    return listOf(m, object,
                  fromRight ? std::vector<std::string_view>{"", "", text}
                            : std::vector<std::string_view>{text, "", ""},
                  Shape::Tuple);
  return listOf(m, object,
                {text.substr(0, at), text.substr(at, separator.size()), text.substr(at + separator.size())},
                Shape::Tuple);
}

/// startswith and endswith: one text, or a tuple of which one must fit.
static bool affix(Machine &m, std::string_view text, const Value &wanted, bool atEnd) {
  const auto fits = [&](const Value &v) {
    const std::string_view s = textOf(m, v, "the argument of startswith or endswith");
    return atEnd ? text.ends_with(s) : text.starts_with(s);
  };
  if (wanted.is(Kind::List) && wanted.list->shape == Shape::Tuple)
    return std::any_of(wanted.list->items.begin(), wanted.list->items.end(), fits);
  return fits(wanted);
}

static Value findText(Machine &m, std::string_view text, const Value &wanted, TemplateMethod which) {
  const std::string_view s = textOf(m, wanted, "the argument of a str's method");
  m.step(text.size() / 64);
  const size_t at = which == TemplateMethod::Rfind ? text.rfind(s) : text.find(s);
  if (at == text.npos && which == TemplateMethod::Index)
    m.fail("the substring is not found");
  return integer(at == text.npos ? -1 : countPoints(text.substr(0, at)));
}

static Value countText(Machine &m, std::string_view text, const Value &wanted) {
  const std::string_view s = textOf(m, wanted, "the argument of count");
  int64_t n = 0;
  if (s.empty())
    return integer(countPoints(text) + 1);
  for (size_t at = text.find(s); at != text.npos; at = text.find(s, at + s.size()))
    ++n;
  m.step(text.size() / 64);
  return integer(n);
}

static Value joinText(Machine &m, std::string_view between, const Value &in) {
  std::string out;
  bool first = true;
  for (const Value &v : elements(m, in)) {
    if (!std::exchange(first, false))
      out += between;
    out += textOf(m, v, "an element of what join is given");
    if (out.size() > m.limits.text)
      break;
  }
  return m.text(std::move(out));
}

static Value stripped(Machine &m, const Value &object, const Arguments &args, bool left, bool right) {
  Value v = fixed(stripText(object.text(), optionalText(m, args, 0), left, right));
  v.owner = object.owner;
  return v;
}

static Value withoutAffix(Machine &m, const Value &object, const Arguments &args, bool atEnd) {
  std::string_view text = object.text();
  const std::string_view s = textOf(m, *args.get(0), "the argument of removeprefix or removesuffix");
  if (atEnd ? text.ends_with(s) : text.starts_with(s))
    atEnd ? text.remove_suffix(s.size()) : text.remove_prefix(s.size());
  Value v = fixed(text);
  v.owner = object.owner;
  return v;
}

static Value textMethod(Machine &m, TemplateMethod which, const Value &object, const Arguments &args) {
  const std::string_view text = object.text();
  switch (which) {
  case TemplateMethod::Capitalize:
    return m.text(capitalText(text));
  case TemplateMethod::CountOf:
    return countText(m, text, *args.get(0));
  case TemplateMethod::StartsWith:
  case TemplateMethod::EndsWith:
    return boolean(affix(m, text, *args.get(0), which == TemplateMethod::EndsWith));
  case TemplateMethod::Find:
  case TemplateMethod::Rfind:
  case TemplateMethod::Index:
    return findText(m, text, *args.get(0), which);
  case TemplateMethod::IsDigit:
    return boolean(!text.empty() && text.find_first_not_of("0123456789") == text.npos);
  case TemplateMethod::Join:
    return joinText(m, text, *args.get(0));
  case TemplateMethod::Lower:
    return m.text(lowerText(text));
  case TemplateMethod::Upper:
    return m.text(upperText(text));
  case TemplateMethod::Title:
    return m.text(titleText(text));
  case TemplateMethod::Lstrip:
    return stripped(m, object, args, true, false);
  case TemplateMethod::Rstrip:
    return stripped(m, object, args, false, true);
  case TemplateMethod::Strip:
    return stripped(m, object, args, true, true);
  case TemplateMethod::Partition:
  case TemplateMethod::Rpartition:
    return partition(m, object, args, which == TemplateMethod::Rpartition);
  case TemplateMethod::RemovePrefix:
  case TemplateMethod::RemoveSuffix:
    return withoutAffix(m, object, args, which == TemplateMethod::RemoveSuffix);
  case TemplateMethod::Replace: {
    for (size_t i : {0, 1})
      textOf(m, *args.get(i), "an argument of replace");
    return filter(m, TemplateFilter::Replace, object, args);
  }
  case TemplateMethod::Split:
  case TemplateMethod::Rsplit:
    return split(m, object, args, which == TemplateMethod::Rsplit);
  case TemplateMethod::SplitLines:
    return listOf(m, object, splitLines(text, args.get(0) && truth(*args.get(0))));
  default:
    noMethod(m, which, object);
  }
}

static Value dictMethod(Machine &m, TemplateMethod which, const Value &object, const Arguments &args) {
  const Dict &d = *object.dict;
  std::vector<Value> out;
  switch (which) {
  case TemplateMethod::Get:
    if (const Value *found = find(m, d, *args.get(0)))
      return *found;
    return args.get(1) ? *args.get(1) : none();
  case TemplateMethod::Copy:
    return object;
  case TemplateMethod::Keys:
  case TemplateMethod::Values:
  case TemplateMethod::Items:
    m.step(d.items.size());
    for (const auto &[key, value] : d.items)
      out.push_back(which == TemplateMethod::Keys     ? key
                    : which == TemplateMethod::Values ? value
                                                      : m.list({key, value}, Shape::Tuple));
    return m.list(std::move(out), which == TemplateMethod::Keys     ? Shape::Keys
                                  : which == TemplateMethod::Values ? Shape::Values
                                                                    : Shape::Items);
  default:
    noMethod(m, which, object);
  }
}

static Value listMethod(Machine &m, TemplateMethod which, const Value &object, const Arguments &args) {
  const std::vector<Value> &items = object.list->items;
  if (object.list->shape > Shape::Range)
    noMethod(m, which, object);
  const auto same = [&](const Value &v) { return equal(m, v, *args.get(0)); };
  if (which == TemplateMethod::CountOf)
    return integer(std::count_if(items.begin(), items.end(), same));
  if (which == TemplateMethod::Copy && object.list->shape == Shape::List)
    return object;
  if (which != TemplateMethod::Index)
    noMethod(m, which, object);
  const auto found = std::find_if(items.begin(), items.end(), same);
  if (found == items.end())
    m.fail("the value is not in the list");
  return integer(found - items.begin());
}

static Value loopMethod(Machine &m, TemplateMethod which, const Value &object, const Arguments &args) {
  Loop &loop = *object.loop;
  if (which == TemplateMethod::Cycle) {
    if (args.values.empty())
      m.fail("loop.cycle is given nothing");
    return args.values[loop.index % args.values.size()];
  }
  if (which != TemplateMethod::Changed)
    noMethod(m, which, object);
  for (const Value &v : args.values)
    if (v.is(Kind::Loop))
      m.fail("loop.changed is given a loop");
  Value now = m.list(args.values, Shape::Tuple);
  const bool changed = !loop.everChanged || !equal(m, loop.changed, now);
  loop.everChanged = true;
  loop.changed = std::move(now);
  return boolean(changed);
}

Value method(Machine &m, TemplateMethod which, const Value &object, const Arguments &args) {
  m.step();
  switch (object.kind) {
  case Kind::String:
    return textMethod(m, which, object, args);
  case Kind::Dict:
    return dictMethod(m, which, object, args);
  case Kind::List:
    return listMethod(m, which, object, args);
  case Kind::Loop:
    return loopMethod(m, which, object, args);
  default:
    noMethod(m, which, object);
  }
}

/// str.islower() and isupper(): some letter has case, and all that have are of this one.
static bool hasCase(const std::string &text, bool upper) {
  const std::string same = upper ? upperText(text) : lowerText(text),
                    other = upper ? lowerText(text) : upperText(text);
  return text == same && text != other;
}

static bool isIterable(const Value &v) {
  return v.is(Kind::Undefined) || v.is(Kind::String) || v.is(Kind::List) || v.is(Kind::Dict) ||
         v.is(Kind::Loop);
}

/// As Python's `is`, as far as values tell: templates ask it of constants.
static bool isSame(Machine &m, const Value &a, const Value &b) {
  if (a.is(Kind::Dict) || a.is(Kind::List))
    return a.kind == b.kind && a.list == b.list;
  return a.kind == b.kind && equal(m, a, b);
}

static bool divides(Machine &m, const Value &in, const Value &by) {
  return equal(m, binary(m, TemplateBinary::Mod, in, by), integer(0));
}

static bool kindTest(TemplateTest which, const Value &in) {
  switch (which) {
  case TemplateTest::Boolean:
    return in.is(Kind::Bool);
  case TemplateTest::Callable:
    return in.is(Kind::Undefined) || in.kind >= Kind::Macro;
  case TemplateTest::Defined:
    return !in.is(Kind::Undefined);
  case TemplateTest::Undefined:
    return in.is(Kind::Undefined);
  case TemplateTest::True:
    return in.is(Kind::Bool) && in.flag;
  case TemplateTest::False:
    return in.is(Kind::Bool) && !in.flag;
  case TemplateTest::Float:
    return in.is(Kind::Float);
  case TemplateTest::Integer:
    return in.is(Kind::Int) || in.is(Kind::BigInt);
  case TemplateTest::Iterable:
    return isIterable(in);
  case TemplateTest::Mapping:
    return in.is(Kind::Dict);
  case TemplateTest::None:
    return in.is(Kind::None);
  case TemplateTest::Number:
    return in.isNumber();
  case TemplateTest::Sequence:
    return in.is(Kind::Undefined) || in.is(Kind::String) || in.is(Kind::Dict) ||
           (in.is(Kind::List) && in.list->shape <= Shape::Range);
  case TemplateTest::String:
    return in.is(Kind::String);
  default:
    return truth(in);
  }
}

bool test(Machine &m, TemplateTest which, const Value &in, const Arguments &args) {
  m.step();
  switch (which) {
  case TemplateTest::DivisibleBy:
    return divides(m, in, *args.get(0));
  case TemplateTest::Even:
    return divides(m, in, integer(2));
  case TemplateTest::Odd:
    return equal(m, binary(m, TemplateBinary::Mod, in, integer(2)), integer(1));
  case TemplateTest::Eq:
    return compare(m, TemplateCompare::Eq, in, *args.get(0));
  case TemplateTest::Ne:
    return compare(m, TemplateCompare::Ne, in, *args.get(0));
  case TemplateTest::Lt:
    return compare(m, TemplateCompare::Lt, in, *args.get(0));
  case TemplateTest::Le:
    return compare(m, TemplateCompare::Le, in, *args.get(0));
  case TemplateTest::Gt:
    return compare(m, TemplateCompare::Gt, in, *args.get(0));
  case TemplateTest::Ge:
    return compare(m, TemplateCompare::Ge, in, *args.get(0));
  case TemplateTest::In:
    return contains(m, *args.get(0), in);
  case TemplateTest::SameAs:
    return isSame(m, in, *args.get(0));
  case TemplateTest::Lower:
  case TemplateTest::Upper:
    return hasCase(str(m, in), which == TemplateTest::Upper);
  default:
    return kindTest(which, in);
  }
}

} // namespace gemmac::rt::jinja
