// See TemplateValue.h. Recursion over values is bounded by their height, work by the Machine's steps.
#include "runtime/TemplateValue.h"

#include "runtime/Failure.h"
#include "runtime/TemplateText.h"

#include <algorithm>
#include <unordered_map>

namespace gemmac::rt::jinja {

Value none() {
  Value v;
  v.kind = Kind::None;
  return v;
}
Value boolean(bool b) {
  Value v;
  v.kind = Kind::Bool;
  v.flag = b;
  return v;
}
Value integer(int64_t i) {
  Value v;
  v.kind = Kind::Int;
  v.integer = i;
  return v;
}
Value number(double d) {
  Value v;
  v.kind = Kind::Float;
  v.number = d;
  return v;
}
Value fixed(std::string_view text) {
  Value v;
  v.kind = Kind::String;
  v.span = {text.data(), text.size()};
  return v;
}

void Machine::fail(const std::string &what) const {
  const std::string where = here ? cat("line ", here->line, ", column ", here->column, ": ") : "";
  throw Failure(kBadInput, cat("the chat template cannot render this: ", where, what));
}

void Machine::step(uint64_t n) {
  if ((steps_ += n) > limits.steps)
    fail(cat("it takes more than ", limits.steps, " steps; shorten the conversation"));
}

void Machine::charge(uint64_t bytes) {
  if ((bytes_ += bytes) > limits.bytes)
    fail(cat("it takes more than ", limits.bytes, " bytes of text; shorten the conversation"));
}

Value Machine::text(std::string s) {
  if (s.size() > limits.text)
    fail(cat("a text grows beyond ", limits.text, " bytes; shorten the conversation"));
  charge(s.size() + sizeof s);
  auto owner = std::make_shared<const std::string>(std::move(s));
  Value v = fixed(*owner);
  v.owner = std::move(owner);
  return v;
}

static unsigned heightOf(const Value &v) {
  return v.is(Kind::List) ? v.list->height : v.is(Kind::Dict) ? v.dict->height : 0;
}

Value Machine::list(std::vector<Value> items, Shape shape) {
  charge(sizeof(List) + items.size() * sizeof(Value));
  auto owner = std::make_shared<List>();
  for (const Value &item : items)
    owner->height = std::max(owner->height, heightOf(item) + 1);
  if (owner->height > limits.height)
    fail(cat("lists are nested deeper than ", limits.height, " levels"));
  owner->items = std::move(items);
  owner->shape = shape;
  Value v;
  v.kind = Kind::List;
  v.list = owner.get();
  v.owner = std::move(owner);
  return v;
}

Value Machine::dict(std::vector<std::pair<Value, Value>> items) {
  charge(sizeof(Dict) + items.size() * 2 * sizeof(Value));
  auto owner = std::make_shared<Dict>();
  owner->items.reserve(items.size());
  std::unordered_map<std::string_view, size_t> texts; // where each key of text is, once there are many
  const bool many = items.size() > 8;
  for (auto &[key, value] : items) {
    if (key.is(Kind::List) || key.is(Kind::Dict))
      fail(cat("a ", typeName(key), " cannot be the key of a dict"));
    owner->height = std::max(owner->height, heightOf(value) + 1);
    size_t at = owner->items.size();
    if (many && key.is(Kind::String)) {
      at = texts.try_emplace(key.text(), at).first->second;
    } else {
      at = static_cast<size_t>(std::find_if(owner->items.begin(), owner->items.end(),
                                            [&](const auto &pair) { return equal(*this, pair.first, key); }) -
                               owner->items.begin());
    }
    if (at == owner->items.size())
      owner->items.emplace_back(std::move(key), std::move(value));
    else
      owner->items[at].second = std::move(value);
  }
  if (owner->height > limits.height)
    fail(cat("dicts are nested deeper than ", limits.height, " levels"));
  Value v;
  v.kind = Kind::Dict;
  v.dict = owner.get();
  v.owner = std::move(owner);
  return v;
}

Value Machine::undefined(std::string message) {
  Value v = text(std::move(message));
  v.kind = Kind::Undefined;
  return v;
}

Value Machine::space(Namespace fields) {
  charge(sizeof fields + fields.fields.size() * 80);
  spaces_.push_back(std::move(fields));
  Value v;
  v.kind = Kind::Namespace;
  v.space = &spaces_.back();
  return v;
}

const char *typeName(const Value &v) {
  constexpr const char *kNames[] = {"undefined", "NoneType", "bool",  "int",      "int",
                                    "float",     "str",      "list",  "dict",     "namespace",
                                    "loop",      "macro",    "macro", "function", "method"};
  if (v.is(Kind::List))
    return v.list->shape == Shape::Tuple      ? "tuple"
           : v.list->shape == Shape::Range    ? "range"
           : v.list->shape == Shape::Iterator ? "generator"
           : v.list->shape == Shape::List     ? "list"
                                              : "dict view";
  return kNames[static_cast<size_t>(v.kind)];
}

bool truth(const Value &v) {
  switch (v.kind) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Bool:
    return v.flag;
  case Kind::Int:
    return v.integer != 0;
  case Kind::Float:
    return v.number != 0;
  case Kind::String:
    return v.span.size != 0;
  case Kind::List:
    return v.list->shape == Shape::Iterator || !v.list->items.empty();
  case Kind::Dict:
    return !v.dict->items.empty();
  default:
    return true;
  }
}

static bool sequences(const Value &a, const Value &b) {
  return a.is(Kind::List) && b.is(Kind::List) && a.list->shape == b.list->shape &&
         a.list->shape <= Shape::Range;
}

bool equal(Machine &m, const Value &a, const Value &b) {
  m.step();
  if (a.isNumber() && b.isNumber()) {
    if (a.is(Kind::BigInt) || b.is(Kind::BigInt))
      return a.kind == b.kind && a.text() == b.text();
    if (a.isInteger() && b.isInteger())
      return a.asInteger() == b.asInteger();
    const auto wide = [](const Value &v) -> long double {
      return v.is(Kind::Float) ? v.number : static_cast<long double>(v.asInteger());
    };
    return wide(a) == wide(b);
  }
  if (a.kind != b.kind)
    return false;
  if (a.is(Kind::String))
    return a.text() == b.text();
  if (a.is(Kind::List))
    return a.list == b.list ||
           (sequences(a, b) &&
            std::equal(a.list->items.begin(), a.list->items.end(), b.list->items.begin(), b.list->items.end(),
                       [&](const Value &x, const Value &y) { return equal(m, x, y); }));
  if (a.is(Kind::Dict)) {
    if (a.dict == b.dict || a.dict->items.size() != b.dict->items.size())
      return a.dict == b.dict;
    return std::all_of(a.dict->items.begin(), a.dict->items.end(), [&](const auto &pair) {
      const Value *other = find(m, *b.dict, pair.first);
      return other && equal(m, pair.second, *other);
    });
  }
  if (a.is(Kind::Undefined) || a.is(Kind::None))
    return true;
  return a.is(Kind::Namespace) ? a.space == b.space : a.id == b.id && a.loop == b.loop;
}

int order(Machine &m, const Value &a, const Value &b) {
  m.step();
  if (a.is(Kind::Undefined) || b.is(Kind::Undefined))
    m.fail(std::string((a.is(Kind::Undefined) ? a : b).text()));
  if (a.isNumber() && b.isNumber() && !a.is(Kind::BigInt) && !b.is(Kind::BigInt)) {
    if (a.isInteger() && b.isInteger())
      return a.asInteger() < b.asInteger() ? -1 : a.asInteger() > b.asInteger();
    return a.asDouble() < b.asDouble() ? -1 : a.asDouble() > b.asDouble();
  }
  if (a.is(Kind::String) && b.is(Kind::String)) { // UTF-8 sorts as its code points do
    const int c = a.text().compare(b.text());
    return c < 0 ? -1 : c > 0;
  }
  if (!sequences(a, b) || a.list->shape == Shape::Range)
    m.fail(cat("a ", typeName(a), " and a ", typeName(b), " have no order"));
  const auto &x = a.list->items, &y = b.list->items;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i)
    if (!equal(m, x[i], y[i]))
      return order(m, x[i], y[i]);
  return x.size() < y.size() ? -1 : x.size() > y.size();
}

static void reprItems(Machine &m, const List &list, std::string &out) {
  for (size_t i = 0; i < list.items.size(); ++i)
    out += cat(i ? ", " : "", repr(m, list.items[i]));
}

std::string repr(Machine &m, const Value &v) {
  if (v.is(Kind::Undefined))
    return "Undefined";
  if (v.is(Kind::String))
    return reprText(v.text());
  return str(m, v);
}

std::string str(Machine &m, const Value &v) {
  m.step();
  std::string out;
  switch (v.kind) {
  case Kind::Undefined:
    return "";
  case Kind::None:
    return "None";
  case Kind::Bool:
    return v.flag ? "True" : "False";
  case Kind::Int:
    return std::to_string(v.integer);
  case Kind::Float:
    return floatText(v.number);
  case Kind::BigInt:
  case Kind::String:
    return std::string(v.text());
  case Kind::List: {
    const Shape shape = v.list->shape;
    if (shape == Shape::Iterator || shape == Shape::Range)
      m.fail(cat("a ", typeName(v), " has no text; use the filter 'list'"));
    const bool tuple = shape == Shape::Tuple;
    out = tuple                    ? "("
          : shape == Shape::Keys   ? "dict_keys(["
          : shape == Shape::Values ? "dict_values(["
          : shape == Shape::Items  ? "dict_items(["
                                   : "[";
    reprItems(m, *v.list, out);
    out += tuple ? (v.list->items.size() == 1 ? ",)" : ")") : shape == Shape::List ? "]" : "])";
    break;
  }
  case Kind::Dict:
    for (const auto &[key, value] : v.dict->items)
      out += cat(out.empty() ? "{" : ", ", repr(m, key), ": ", repr(m, value));
    out += out.empty() ? "{}" : "}";
    break;
  default:
    m.fail(cat("a ", typeName(v), " has no text"));
  }
  m.charge(out.size());
  return out;
}

std::vector<Value> elements(Machine &m, const Value &v) {
  std::vector<Value> list;
  switch (v.kind) {
  case Kind::Undefined:
    return list;
  case Kind::List:
    m.step(v.list->items.size());
    if (v.list->shape == Shape::Iterator && std::exchange(v.list->spent, true))
      return list;
    return v.list->items;
  case Kind::Dict:
    m.step(v.dict->items.size());
    for (const auto &pair : v.dict->items)
      list.push_back(pair.first);
    return list;
  case Kind::String:
    m.step(v.span.size);
    m.charge(v.span.size * sizeof(Value));
    for (std::string_view c : characters(v.text())) {
      Value one = fixed(c);
      one.owner = v.owner;
      list.push_back(std::move(one));
    }
    return list;
  default:
    m.fail(cat("a ", typeName(v), " cannot be iterated over"));
  }
}

int64_t length(Machine &m, const Value &v) {
  switch (v.kind) {
  case Kind::Undefined:
    return 0;
  case Kind::String:
    m.step(v.span.size / 64);
    return countPoints(v.text());
  case Kind::Dict:
    return static_cast<int64_t>(v.dict->items.size());
  case Kind::Loop:
    return static_cast<int64_t>(v.loop->items.size());
  case Kind::List:
    if (v.list->shape != Shape::Iterator)
      return static_cast<int64_t>(v.list->items.size());
    [[fallthrough]];
  default:
    m.fail(cat("a ", typeName(v), " has no length"));
  }
}

const Value *find(Machine &m, const Dict &d, const Value &key) {
  m.step(d.items.size() / 8);
  for (const auto &[known, value] : d.items)
    if (key.is(Kind::String) ? known.is(Kind::String) && known.text() == key.text() : equal(m, known, key))
      return &value;
  return nullptr;
}

bool contains(Machine &m, const Value &container, const Value &v) {
  if (container.is(Kind::String)) {
    if (!v.is(Kind::String))
      m.fail(cat("'in' a str: found a ", typeName(v), ", expected a str"));
    m.step(container.span.size / 64);
    return container.text().find(v.text()) != std::string_view::npos;
  }
  if (container.is(Kind::Dict))
    return find(m, *container.dict, v) != nullptr;
  const std::vector<Value> list = elements(m, container);
  return std::any_of(list.begin(), list.end(), [&](const Value &e) { return equal(m, e, v); });
}

} // namespace gemmac::rt::jinja
