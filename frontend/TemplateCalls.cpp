// Filters, tests, functions and methods of templates: found by name in the runtime's tables, their arguments
// put into the order of the parameters. What is not in a table is refused here, by name.
#include "frontend/TemplateParser.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace gemmac;
using Op = TemplateOp;

static std::optional<uint8_t> findBuiltin(const TemplateBuiltin *table, llvm::StringRef name) {
  for (uint8_t i = 0; table[i].name; ++i)
    if (name == table[i].name)
      return i;
  return std::nullopt;
}

std::optional<uint8_t> TemplateParser::findFilter(const TemplateToken &where, llvm::StringRef name) {
  llvm::StringRef plain =
      llvm::StringSwitch<llvm::StringRef>(name).Case("count", "length").Case("d", "default").Default(name);
  std::optional<uint8_t> found = findBuiltin(kTemplateFilters, plain);
  if (!found)
    fail(where, "the filter '" + name.str() + "' is not supported");
  return found;
}

std::optional<uint8_t> TemplateParser::findTest(const TemplateToken &where, llvm::StringRef name) {
  llvm::StringRef plain = llvm::StringSwitch<llvm::StringRef>(name)
                              .Cases({"equalto", "=="}, "eq")
                              .Case("!=", "ne")
                              .Cases({"lessthan", "<"}, "lt")
                              .Case("<=", "le")
                              .Cases({"greaterthan", ">"}, "gt")
                              .Case(">=", "ge")
                              .Default(name);
  std::optional<uint8_t> found = findBuiltin(kTemplateTests, plain);
  if (!found)
    fail(where, "the test '" + name.str() + "' is not supported");
  return found;
}

/// "(a, b, name=c)" with the cursor on the bracket.
std::vector<TemplateParser::Argument> TemplateParser::parseArguments() {
  std::vector<Argument> arguments;
  expectOperator("(");
  while (!failed && !current().isOperator(")")) {
    TemplateToken where = current();
    std::string name;
    if (where.isOperator("*") || where.isOperator("**")) {
      fail(where, "'" + where.text + "' in arguments is not supported");
    } else if (where.kind == TokenKind::Name && next().isOperator("=")) {
      name = take().text;
      take();
    } else if (!arguments.empty() && !arguments.back().name.empty()) {
      fail(where, "an argument without a name follows one with a name");
    }
    Node value = parseExpression();
    arguments.push_back({std::move(name), value, std::move(where)});
    if (!takeOperator(","))
      break;
  }
  expectOperator(")");
  return arguments;
}

/// Arguments in the order of `parameters` (TemplateBuiltin), as a list with none where there is none.
uint32_t TemplateParser::bind(const TemplateToken &name, llvm::StringRef what, llvm::StringRef parameters,
                              llvm::ArrayRef<Argument> arguments) {
  llvm::SmallVector<llvm::StringRef> names;
  parameters.split(names, ',', -1, /*KeepEmpty=*/false);
  bool any = parameters == "*";
  std::vector<uint32_t> slots(any ? 0 : names.size(), kTemplateNone);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Argument &argument = arguments[i];
    if (any && argument.name.empty()) {
      slots.push_back(argument.value);
      continue;
    }
    size_t slot = i;
    if (!argument.name.empty())
      slot = static_cast<size_t>(
          llvm::find_if(names, [&](llvm::StringRef n) { return n.ltrim('!') == argument.name; }) -
          names.begin());
    if (any || (slot >= names.size() && !argument.name.empty()))
      return fail(argument.where, what.str() + " '" + name.text + "' has no parameter '" + argument.name +
                                      "' that is supported");
    if (slot >= names.size())
      return fail(argument.where, what.str() + " '" + name.text + "' takes at most " +
                                      llvm::utostr(names.size()) + " arguments");
    if (slots[slot] != kTemplateNone)
      return fail(argument.where,
                  what.str() + " '" + name.text + "' is given '" + names[slot].ltrim('!').str() + "' twice");
    slots[slot] = argument.value;
  }
  for (size_t i = 0; i < names.size() && !any; ++i)
    if (names[i].starts_with("!") && slots[i] == kTemplateNone)
      return fail(name,
                  what.str() + " '" + name.text + "' lacks its argument '" + names[i].ltrim('!').str() + "'");
  return addList(slots);
}

uint32_t TemplateParser::pairs(llvm::ArrayRef<Argument> arguments) {
  std::vector<uint32_t> list;
  for (const Argument &argument : arguments) {
    list.push_back(argument.name.empty() ? kTemplateNone : addString(argument.name));
    list.push_back(argument.value);
  }
  return addList(list);
}

TemplateParser::Node TemplateParser::parseFilter(Node input) {
  Nesting nest(*this);
  takeOperator("|"); // a filter block starts without
  TemplateToken name = expectIdentifier("the name of a filter");
  std::vector<Argument> arguments;
  if (current().isOperator("("))
    arguments = parseArguments();
  if (failed)
    return kTemplateNone;
  if (name.text == "map")
    return parseMap(name, input, std::move(arguments));
  if (name.text == "select" || name.text == "reject" || name.text == "selectattr" ||
      name.text == "rejectattr")
    return parseSelect(name, input, std::move(arguments));
  std::optional<uint8_t> filter = findFilter(name, name.text);
  if (!filter)
    return kTemplateNone;
  uint32_t list = bind(name, "the filter", kTemplateFilters[*filter].parameters, arguments);
  Node node = add(name, Op::Filter, input, list, 0, 0, *filter);
  if (*filter == static_cast<uint8_t>(TemplateFilter::Safe))
    safe = node;
  return node;
}

TemplateParser::Node TemplateParser::parseMap(const TemplateToken &name, Node input,
                                              std::vector<Argument> arguments) {
  Node attribute = kTemplateNone, otherwise = kTemplateNone;
  if (!arguments.empty() && arguments[0].name.empty()) {
    if (!isString(arguments[0].value))
      return fail(arguments[0].where,
                  "the filter 'map' is supported with the name of a filter as a string only");
    TemplateToken inner = arguments[0].where;
    inner.text = stringOf(arguments[0].value).str();
    std::optional<uint8_t> filter = findFilter(inner, inner.text);
    if (!filter)
      return kTemplateNone;
    if (*filter == static_cast<uint8_t>(TemplateFilter::Safe))
      return fail(inner, "the filter 'safe' is supported at the end of an output only");
    arguments.erase(arguments.begin());
    uint32_t list = bind(inner, "the filter", kTemplateFilters[*filter].parameters, arguments);
    return add(name, Op::Map, input, list, 0, 0, *filter);
  }
  for (const Argument &argument : arguments) {
    if (argument.name != "attribute" && argument.name != "default")
      return fail(argument.where,
                  "the filter 'map' has no parameter '" + argument.name + "' that is supported");
    (argument.name == "attribute" ? attribute : otherwise) = argument.value;
  }
  if (attribute == kTemplateNone)
    return fail(name, "the filter 'map' lacks the name of a filter or an attribute");
  return add(name, Op::MapAttr, input, attribute, otherwise);
}

TemplateParser::Node TemplateParser::parseSelect(const TemplateToken &name, Node input,
                                                 std::vector<Argument> arguments) {
  llvm::StringRef text = name.text;
  const bool reject = text.starts_with("reject"), byAttribute = text.ends_with("attr");
  Node attribute = kTemplateNone;
  if (byAttribute) {
    if (arguments.empty() || !arguments[0].name.empty())
      return fail(name, "the filter '" + name.text + "' lacks the name of an attribute");
    attribute = arguments[0].value;
    arguments.erase(arguments.begin());
  }
  if (arguments.empty())
    return add(name, Op::Select, input, addList({}), attribute, reject,
               static_cast<uint8_t>(TemplateTest::Truth));
  if (!isString(arguments[0].value) || !arguments[0].name.empty())
    return fail(arguments[0].where,
                "the filter '" + name.text + "' is supported with the name of a test as a string only");
  TemplateToken inner = arguments[0].where;
  inner.text = stringOf(arguments[0].value).str();
  std::optional<uint8_t> test = findTest(inner, inner.text);
  if (!test)
    return kTemplateNone;
  arguments.erase(arguments.begin());
  uint32_t list = bind(inner, "the test", kTemplateTests[*test].parameters, arguments);
  return add(name, Op::Select, input, list, attribute, reject, *test);
}

TemplateParser::Node TemplateParser::parseTest(Node input) {
  Nesting nest(*this);
  take(); // is
  const bool negated = takeName("not");
  TemplateToken name = expectIdentifier("the name of a test");
  std::vector<Argument> arguments;
  TokenKind kind = current().kind;
  const bool literal = kind == TokenKind::String || kind == TokenKind::Int || kind == TokenKind::Float ||
                       current().isOperator("[") || current().isOperator("{");
  const bool word = kind == TokenKind::Name && !current().isName("else") && !current().isName("or") &&
                    !current().isName("and");
  if (current().isName("is"))
    return fail(current(), "tests cannot be chained");
  if (current().isOperator("("))
    arguments = parseArguments();
  else if (literal || (word && !current().isName("if"))) {
    TemplateToken where = current();
    Node value = parsePostfix(parsePrimary());
    arguments.push_back({"", value, where});
  }
  std::optional<uint8_t> test = failed ? std::nullopt : findTest(name, name.text);
  if (!test)
    return kTemplateNone;
  uint32_t list = bind(name, "the test", kTemplateTests[*test].parameters, arguments);
  Node node = add(name, Op::Test, input, list, 0, 0, *test);
  return negated ? add(name, Op::Not, node) : node;
}

TemplateParser::Node TemplateParser::parseFunction(const TemplateToken &name) {
  Nesting nest(*this);
  std::vector<Argument> arguments = parseArguments();
  if (failed)
    return kTemplateNone;
  std::optional<uint8_t> function = findBuiltin(kTemplateFunctions, name.text);
  if (!function) {
    macroCalls.push_back(name); // it may be defined further down
    return add(name, Op::MacroCall, addString(name.text), pairs(arguments));
  }
  if (*function == static_cast<uint8_t>(TemplateFunction::Caller))
    addString(name.text); // the runtime looks it up as a variable
  llvm::StringRef parameters = kTemplateFunctions[*function].parameters;
  if (parameters == "**")
    return add(name, Op::Function, pairs(arguments), 0, 0, 0, *function);
  uint32_t list = bind(name, "the function", parameters, arguments);
  if (failed)
    return kTemplateNone;
  std::vector<Argument> ordered;
  for (uint32_t i = 0; i < program.lists[list] && program.lists[list + 1 + i] != kTemplateNone; ++i)
    ordered.push_back({"", program.lists[list + 1 + i], name});
  return add(name, Op::Function, pairs(ordered), 0, 0, 0, *function);
}

TemplateParser::Node TemplateParser::parseMethod(Node object, const TemplateToken &name) {
  Nesting nest(*this);
  std::optional<uint8_t> method = findBuiltin(kTemplateMethods, name.text);
  if (!method)
    return fail(name, "the method '" + name.text + "' is not supported");
  std::vector<Argument> arguments = parseArguments();
  uint32_t list = bind(name, "the method", kTemplateMethods[*method].parameters, arguments);
  return add(name, Op::Method, object, list, 0, 0, *method);
}

void TemplateParser::checkCalls() {
  for (const TemplateToken &name : macroCalls)
    if (!macroNames.count(name.text))
      fail(name, "the function '" + name.text + "' is not supported");
}
