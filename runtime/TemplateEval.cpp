// Expressions of templates. See TemplateRender.h.
#include "runtime/Failure.h"
#include "runtime/TemplateRender.h"

#include <algorithm>

namespace gemmac::rt::jinja {

using Op = TemplateOp;

Value Renderer::eval(uint32_t index) {
  if (++depth_ > machine_.limits.depth)
    machine_.fail("it nests too deeply");
  machine_.step();
  const TemplateNode &n = node(index);
  machine_.here = &n;
  Value v = evalNode(n);
  --depth_;
  return v;
}

Value Renderer::evalNode(const TemplateNode &n) {
  switch (n.op) {
  case Op::Name:
    return evalName(n);
  case Op::List:
  case Op::Tuple:
    return evalSequence(n);
  case Op::Dict:
    return evalDict(n);
  case Op::Attr: {
    const Value object = eval(n.a);
    machine_.here = &n;
    return attribute(machine_, object, machine_.program.string(n.b));
  }
  case Op::Item: {
    const Value object = eval(n.a), key = eval(n.b);
    machine_.here = &n;
    return item(machine_, object, key);
  }
  case Op::Slice:
    return evalSlice(n);
  case Op::Not:
    return boolean(!truth(eval(n.a)));
  case Op::Neg:
  case Op::Pos: {
    const Value v = eval(n.a);
    machine_.here = &n;
    return negate(machine_, v, n.op == Op::Neg);
  }
  case Op::Binary: {
    const Value a = eval(n.a), b = eval(n.b);
    machine_.here = &n;
    return binary(machine_, static_cast<TemplateBinary>(n.aux), a, b);
  }
  case Op::And:
  case Op::Or: {
    Value v = eval(n.a);
    return truth(v) == (n.op == Op::Or) ? v : eval(n.b);
  }
  case Op::Concat:
    return evalConcat(n);
  case Op::Compare:
    return evalCompare(n);
  case Op::Cond:
    if (truth(eval(n.a)))
      return eval(n.b);
    return n.c != kTemplateNone ? eval(n.c) : machine_.undefined("the inline if is false and has no else");
  default:
    return evalBuiltin(n);
  }
}

Value Renderer::evalBuiltin(const TemplateNode &n) {
  switch (n.op) {
  case Op::Filter:
  case Op::Test:
  case Op::Method: {
    const Value in = eval(n.a);
    const Arguments args = arguments(n.b);
    machine_.here = &n;
    if (n.op == Op::Filter)
      return filter(machine_, static_cast<TemplateFilter>(n.aux), in, args);
    if (n.op == Op::Method)
      return method(machine_, static_cast<TemplateMethod>(n.aux), in, args);
    return boolean(test(machine_, static_cast<TemplateTest>(n.aux), in, args));
  }
  case Op::Function:
    return evalFunction(n);
  case Op::MacroCall:
    return evalMacroCall(n, nullptr);
  case Op::Map:
  case Op::MapAttr:
    return evalMap(n);
  case Op::Select:
    return evalSelect(n);
  case Op::Captured:
    return captured_.empty() ? fixed("") : captured_.back();
  default:
    return evalConstant(n);
  }
}

Value Renderer::evalConstant(const TemplateNode &n) {
  const uint64_t bits = n.a | static_cast<uint64_t>(n.b) << 32;
  switch (n.op) {
  case Op::None:
    return none();
  case Op::True:
  case Op::False:
    return boolean(n.op == Op::True);
  case Op::Int:
    return integer(static_cast<int64_t>(bits));
  case Op::Float: {
    double d;
    std::memcpy(&d, &bits, sizeof d);
    return number(d);
  }
  case Op::String:
    return fixed(machine_.program.string(n.a));
  default:
    machine_.fail("a damaged program: a statement stands where an expression belongs");
  }
}

Value Renderer::evalName(const TemplateNode &n) {
  if (const Value *v = lookup(n.a))
    return *v;
  const std::string_view name = machine_.program.string(n.a);
  for (uint32_t i = 0; kTemplateFunctions[i].name; ++i)
    if (name == kTemplateFunctions[i].name && name != "caller") {
      Value v;
      v.kind = Kind::Function;
      v.id = i;
      return v;
    }
  return machine_.undefined(cat("'", name, "' is undefined"));
}

Value Renderer::evalSequence(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  std::vector<Value> items;
  for (uint32_t i = 0; i < p.size(n.a); ++i)
    items.push_back(eval(p.item(n.a, i)));
  return machine_.list(std::move(items), n.op == Op::List ? Shape::List : Shape::Tuple);
}

Value Renderer::evalDict(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  std::vector<std::pair<Value, Value>> items;
  for (uint32_t i = 0; i + 1 < p.size(n.a); i += 2) {
    Value key = eval(p.item(n.a, i));
    items.emplace_back(std::move(key), eval(p.item(n.a, i + 1)));
  }
  machine_.here = &n;
  return machine_.dict(std::move(items));
}

Value Renderer::evalSlice(const TemplateNode &n) {
  const auto part = [&](uint32_t index) { return index == kTemplateNone ? none() : eval(index); };
  const Value object = eval(n.a), start = part(n.b), stop = part(n.c), step = part(n.d);
  machine_.here = &n;
  return slice(machine_, object, start, stop, step);
}

Value Renderer::evalConcat(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  std::string out;
  for (uint32_t i = 0; i < p.size(n.a); ++i) {
    const Value v = eval(p.item(n.a, i));
    machine_.here = &n;
    v.is(Kind::String) ? out += v.text() : out += str(machine_, v);
    if (out.size() > machine_.limits.text)
      break;
  }
  return machine_.text(std::move(out));
}

Value Renderer::evalCompare(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  Value left = eval(n.a);
  for (uint32_t i = 0; i < p.size(n.b); ++i) {
    const TemplateNode &step = node(p.item(n.b, i));
    if (step.op != Op::CompareStep)
      machine_.fail("a damaged program: a comparison without an operator");
    Value right = eval(step.a);
    machine_.here = &step;
    if (!compare(machine_, static_cast<TemplateCompare>(step.aux), left, right))
      return boolean(false);
    left = std::move(right);
  }
  return boolean(true);
}

Arguments Renderer::arguments(uint32_t list) {
  const TemplateProgram &p = machine_.program;
  Arguments args;
  for (uint32_t i = 0; i < p.size(list); ++i) {
    const uint32_t value = p.item(list, i);
    args.given.push_back(value != kTemplateNone);
    args.values.push_back(value != kTemplateNone ? eval(value) : Value());
  }
  return args;
}

Renderer::Pairs Renderer::pairs(uint32_t list) {
  const TemplateProgram &p = machine_.program;
  Pairs args;
  for (uint32_t i = 0; i + 1 < p.size(list); i += 2)
    args.emplace_back(p.item(list, i), eval(p.item(list, i + 1)));
  return args;
}

Value Renderer::evalMap(const TemplateNode &n) {
  const Value in = eval(n.a);
  std::vector<Value> out;
  if (n.op == Op::Map) {
    const Arguments args = arguments(n.b);
    machine_.here = &n;
    for (const Value &v : elements(machine_, in))
      out.push_back(filter(machine_, static_cast<TemplateFilter>(n.aux), v, args));
  } else {
    const Value where = eval(n.b), otherwise = n.c == kTemplateNone ? none() : eval(n.c);
    machine_.here = &n;
    for (const Value &v : elements(machine_, in))
      out.push_back(path(machine_, v, where, otherwise.is(Kind::None) ? nullptr : &otherwise));
  }
  return machine_.list(std::move(out), Shape::Iterator);
}

Value Renderer::evalSelect(const TemplateNode &n) {
  const Value in = eval(n.a);
  const Arguments args = arguments(n.b);
  const Value where = n.c == kTemplateNone ? none() : eval(n.c);
  machine_.here = &n;
  std::vector<Value> out;
  for (const Value &v : elements(machine_, in)) {
    const bool passes = n.c == kTemplateNone ? test(machine_, static_cast<TemplateTest>(n.aux), v, args)
                                             : test(machine_, static_cast<TemplateTest>(n.aux),
                                                    path(machine_, v, where), args);
    if (passes == (n.d == 0))
      out.push_back(v);
  }
  return machine_.list(std::move(out), Shape::Iterator);
}

Value Renderer::evalRange(const Pairs &args) {
  constexpr int64_t kMost = 100000; // jinja2's sandbox has the same
  int64_t bounds[3] = {0, 0, 1};
  if (args.empty() || args.size() > 3)
    machine_.fail(cat("range is given ", args.size(), " arguments, expected 1 to 3"));
  for (size_t i = 0; i < args.size(); ++i)
    bounds[i] = integerOf(machine_, args[i].second, "an argument of range");
  if (args.size() == 1)
    std::swap(bounds[0], bounds[1]);
  const auto [from, to, by] = bounds;
  if (by == 0)
    machine_.fail("the step of range is 0");
  const __int128 distance = by > 0 ? static_cast<__int128>(to) - from : static_cast<__int128>(from) - to;
  const __int128 stride = by > 0 ? by : -static_cast<__int128>(by);
  const __int128 count = distance > 0 ? (distance + stride - 1) / stride : 0;
  if (count > kMost)
    machine_.fail(cat("a range of more than ", kMost, " numbers"));
  std::vector<Value> items;
  machine_.step(static_cast<uint64_t>(count));
  for (int64_t i = 0; i < static_cast<int64_t>(count); ++i)
    items.push_back(integer(static_cast<int64_t>(from + static_cast<__int128>(i) * by)));
  return machine_.list(std::move(items), Shape::Range);
}

/// namespace(..) and dict(..): from the pairs of a dict, then from what has a name.
Value Renderer::evalNamespace(const Pairs &args, bool asDict) {
  std::vector<std::pair<Value, Value>> items;
  for (const auto &[name, value] : args) {
    if (name != kTemplateNone) {
      items.emplace_back(fixed(machine_.program.string(name)), value);
    } else {
      if (!value.is(Kind::Dict) || !items.empty())
        machine_.fail(
            cat(asDict ? "dict" : "namespace", " is given a ", typeName(value), ", expected one dict"));
      items = value.dict->items;
    }
  }
  Value made = machine_.dict(std::move(items));
  if (asDict)
    return made;
  Namespace space;
  for (const auto &[key, value] : made.dict->items)
    space.fields.emplace_back(textOf(machine_, key, "a name in a namespace"), value);
  return machine_.space(std::move(space));
}

Value Renderer::evalFunction(const TemplateNode &n) {
  const Pairs args = pairs(n.a);
  machine_.here = &n;
  switch (static_cast<TemplateFunction>(n.aux)) {
  case TemplateFunction::Range:
    return evalRange(args);
  case TemplateFunction::Namespace:
  case TemplateFunction::Dict:
    return evalNamespace(args, n.aux == static_cast<uint8_t>(TemplateFunction::Dict));
  case TemplateFunction::Caller:
    return callCaller(args);
  case TemplateFunction::RaiseException:
    throw Failure(kBadInput,
                  cat("the chat template refuses this: ", args.empty() ? "" : str(machine_, args[0].second)));
  default:
    if (args.size() != 1)
      machine_.fail("strftime_now needs a format");
    return machine_.text(now_(std::string(textOf(machine_, args[0].second, "the format of strftime_now"))));
  }
}

} // namespace gemmac::rt::jinja
