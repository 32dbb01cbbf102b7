// Values of a template while it is rendered: Python's, as far as templates see them. Lists and dicts never
// change once made, so they are shared; what does change (namespaces) belongs to the Machine, and so no value
// can keep itself alive. The Machine also counts work and memory, so that no template runs away.
#pragma once

#include "runtime/TemplateProgram.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemmac::rt::jinja {

struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Closure;

enum class Kind : uint8_t {
  Undefined,
  None,
  Bool,
  Int,
  BigInt,
  Float,
  String,
  List,
  Dict,
  Namespace,
  Loop,
  Macro,
  Caller,
  Function,
  Method
};

struct Value {
  Kind kind = Kind::Undefined;
  uint32_t id = 0; ///< Macro: its node; Function: which; Method: nothing, a method is only called by name
  struct Span {
    const char *data;
    size_t size;
  };
  union {
    Span span = {nullptr,
                 0}; ///< String: the text; BigInt: its digits; Undefined: what is missing, for messages
    bool flag;
    int64_t integer;
    double number;
    const List *list;
    const Dict *dict;
    Namespace *space;
    Loop *loop;
    Closure *closure;
  };
  std::shared_ptr<const void> owner; ///< of text, list, dict or loop; null for text of the program

  std::string_view text() const { return {span.data, span.size}; }
  bool is(Kind k) const { return kind == k; }
  bool isNumber() const { return kind >= Kind::Bool && kind <= Kind::Float; }
  bool isInteger() const { return kind == Kind::Bool || kind == Kind::Int; }
  int64_t asInteger() const { return kind == Kind::Bool ? flag : integer; }
  double asDouble() const { return kind == Kind::Float ? number : static_cast<double>(asInteger()); }
};

Value none();
Value boolean(bool b);
Value integer(int64_t i);
Value number(double d);
/// Text that outlives rendering.
Value fixed(std::string_view text);

/// How a list came to be, for what it may do: an Iterator can be walked once, a view has no elements by
/// index.
enum class Shape : uint8_t { List, Tuple, Range, Keys, Values, Items, Iterator };
struct List {
  std::vector<Value> items;
  Shape shape = Shape::List;
  unsigned height = 1;
  mutable bool spent = false; ///< an Iterator that was walked
};
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  unsigned height = 1;
};
struct Namespace {
  std::vector<std::pair<std::string, Value>> fields;
};
struct Loop {
  std::vector<Value> items;
  size_t index = 0;
  Value changed;
  bool everChanged = false;
};

/// Bounds of one rendering. Past any of them it fails.
struct Limits {
  uint64_t steps = 1'000'000'000; ///< nodes run and elements looked at
  uint64_t bytes = 1ull << 30;    ///< of all text and elements made
  uint64_t text = 64ull << 20;    ///< longest text
  unsigned height = 200;          ///< deepest list of lists
  unsigned depth = 2000;          ///< deepest nesting of running nodes
};

/// Makes values, counts what that takes, and fails with the place in the template.
class Machine {
public:
  Machine(const TemplateProgram &program, const Limits &limits) : program(program), limits(limits) {}

  [[noreturn]] void fail(const std::string &what) const;
  void step(uint64_t n = 1);
  void charge(uint64_t bytes);

  Value text(std::string s);
  Value list(std::vector<Value> items, Shape shape = Shape::List);
  /// Later pairs of equal keys win, at the place of the first.
  Value dict(std::vector<std::pair<Value, Value>> items);
  Value undefined(std::string message);
  Value space(Namespace fields);

  const TemplateProgram program;
  const Limits limits;
  const TemplateNode *here = nullptr; ///< what is running

private:
  uint64_t steps_ = 0, bytes_ = 0;
  std::deque<Namespace> spaces_;
};

// Python's view of values (TemplateValue.cpp).
const char *typeName(const Value &v);
bool truth(const Value &v);
bool equal(Machine &m, const Value &a, const Value &b);
/// -1, 0 or 1; fails where Python has no order.
int order(Machine &m, const Value &a, const Value &b);
std::string str(Machine &m, const Value &v);
std::string repr(Machine &m, const Value &v);
struct JsonStyle {
  bool ascii = false, sortKeys = false, lines = false;
  std::string indent, comma = ", ", colon = ": ";
};
std::string toJson(Machine &m, const Value &v, const JsonStyle &style);
std::vector<Value> elements(Machine &m, const Value &v);
int64_t length(Machine &m, const Value &v);
const Value *find(Machine &m, const Dict &d, const Value &key);
bool contains(Machine &m, const Value &container, const Value &v);

// Operators and look-up (TemplateOperators.cpp).
Value binary(Machine &m, TemplateBinary op, const Value &a, const Value &b);
Value negate(Machine &m, const Value &v, bool minus);
bool compare(Machine &m, TemplateCompare op, const Value &a, const Value &b);
Value attribute(Machine &m, const Value &object, std::string_view name);
Value item(Machine &m, const Value &object, const Value &key);
Value slice(Machine &m, const Value &object, const Value &start, const Value &stop, const Value &step);

// Built-ins (TemplateFilters.cpp, TemplateMethods.cpp, TemplateTests.cpp).
/// Arguments in the order of the parameters; a null is one that was not given.
class Arguments {
public:
  std::vector<Value> values;
  std::vector<bool> given;
  const Value *get(size_t i) const { return i < given.size() && given[i] ? &values[i] : nullptr; }
};
Value filter(Machine &m, TemplateFilter which, const Value &in, const Arguments &args);
Value toInteger(Machine &m, const Value &in, const Arguments &args);
Value toFloat(Machine &m, const Value &in, const Arguments &args);
Value rounded(Machine &m, const Value &in, const Arguments &args);
Value absolute(Machine &m, const Value &in);
bool test(Machine &m, TemplateTest which, const Value &in, const Arguments &args);
Value method(Machine &m, TemplateMethod which, const Value &object, const Arguments &args);
/// Indices of `keys` in order, equal ones as they were.
std::vector<size_t> sorted(Machine &m, const std::vector<Value> &keys, bool reverse);
/// The element at a dotted path ("function.name") or an index; `otherwise` in the place of what is undefined
/// on the way.
Value path(Machine &m, const Value &object, const Value &attribute, const Value *otherwise = nullptr);
int64_t integerOf(Machine &m, const Value &v, const char *what);
std::string_view textOf(Machine &m, const Value &v, const char *what);

} // namespace gemmac::rt::jinja
