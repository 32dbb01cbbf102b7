// Expressions of templates, one function for each of Jinja's levels of precedence.
#include "frontend/TemplateParser.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Error.h"

#include <cstring>

using namespace gemmac;
using Op = TemplateOp;

TemplateParser::Node TemplateParser::parseExpression(bool conditional) {
  Nesting nest(*this);
  Node value = parseOr();
  while (conditional && current().isName("if")) {
    TemplateToken where = take();
    Node test = parseOr(), otherwise = kTemplateNone;
    if (takeName("else"))
      otherwise = parseExpression();
    value = add(where, Op::Cond, test, value, otherwise);
  }
  return value;
}

bool TemplateParser::atTupleEnd(llvm::StringRef endName) const {
  TokenKind kind = current().kind;
  return kind == TokenKind::OutputEnd || kind == TokenKind::BlockEnd || kind == TokenKind::End ||
         current().isOperator(")") || (!endName.empty() && current().isName(endName));
}

/// One expression, or several with commas: a tuple.
TemplateParser::Node TemplateParser::parseTuple(bool conditional, llvm::StringRef endName, bool parentheses) {
  TemplateToken where = current();
  std::vector<Node> items;
  bool tuple = false;
  while (!atTupleEnd(endName)) {
    items.push_back(parseExpression(conditional));
    if (!takeOperator(","))
      break;
    tuple = true;
  }
  if (!tuple && !items.empty())
    return items[0];
  if (!tuple && !parentheses)
    return unexpected("an expression");
  return add(where, Op::Tuple, addList(items));
}

TemplateParser::Node TemplateParser::parseOr() {
  Node left = parseAnd();
  while (current().isName("or")) {
    TemplateToken where = take();
    Node right = parseAnd();
    left = add(where, Op::Or, left, right);
  }
  return left;
}

TemplateParser::Node TemplateParser::parseAnd() {
  Node left = parseNot();
  while (current().isName("and")) {
    TemplateToken where = take();
    Node right = parseNot();
    left = add(where, Op::And, left, right);
  }
  return left;
}

TemplateParser::Node TemplateParser::parseNot() {
  if (!current().isName("not"))
    return parseCompare();
  Nesting nest(*this);
  TemplateToken where = take();
  return add(where, Op::Not, parseNot());
}

bool TemplateParser::takeCompare(TemplateCompare &op) {
  if (current().isName("not") && next().isName("in")) {
    take();
    take();
    op = TemplateCompare::NotIn;
    return true;
  }
  if (takeName("in")) {
    op = TemplateCompare::In;
    return true;
  }
  if (current().kind != TokenKind::Operator)
    return false;
  op = llvm::StringSwitch<TemplateCompare>(current().text)
           .Case("==", TemplateCompare::Eq)
           .Case("!=", TemplateCompare::Ne)
           .Case("<", TemplateCompare::Lt)
           .Case("<=", TemplateCompare::Le)
           .Case(">", TemplateCompare::Gt)
           .Case(">=", TemplateCompare::Ge)
           .Default(TemplateCompare::Count);
  if (op == TemplateCompare::Count)
    return false;
  take();
  return true;
}

TemplateParser::Node TemplateParser::parseCompare() {
  TemplateToken start = current();
  Node first = parseSum();
  std::vector<Node> steps;
  TemplateCompare op;
  for (TemplateToken where = current(); takeCompare(op); where = current()) {
    Node right = parseSum();
    steps.push_back(add(where, Op::CompareStep, right, 0, 0, 0, static_cast<uint8_t>(op)));
  }
  return steps.empty() ? first : add(start, Op::Compare, first, addList(steps));
}

TemplateParser::Node TemplateParser::parseSum() {
  Node left = parseConcat();
  while (current().isOperator("+") || current().isOperator("-")) {
    TemplateToken where = take();
    Node right = parseConcat();
    auto op = where.text == "+" ? TemplateBinary::Add : TemplateBinary::Sub;
    left = add(where, Op::Binary, left, right, 0, 0, static_cast<uint8_t>(op));
  }
  return left;
}

TemplateParser::Node TemplateParser::parseConcat() {
  TemplateToken where = current();
  std::vector<Node> parts{parseProduct()};
  while (takeOperator("~"))
    parts.push_back(parseProduct());
  return parts.size() == 1 ? parts[0] : add(where, Op::Concat, addList(parts));
}

TemplateParser::Node TemplateParser::parseProduct() {
  Node left = parsePower();
  while (current().isOperator("*") || current().isOperator("/") || current().isOperator("//") ||
         current().isOperator("%")) {
    TemplateToken where = take();
    Node right = parsePower();
    auto op = llvm::StringSwitch<TemplateBinary>(where.text)
                  .Case("*", TemplateBinary::Mul)
                  .Case("/", TemplateBinary::Div)
                  .Case("//", TemplateBinary::FloorDiv)
                  .Default(TemplateBinary::Mod);
    left = add(where, Op::Binary, left, right, 0, 0, static_cast<uint8_t>(op));
  }
  return left;
}

TemplateParser::Node TemplateParser::parsePower() {
  Node left = parseUnary();
  while (current().isOperator("**")) {
    TemplateToken where = take();
    Node right = parseUnary();
    left = add(where, Op::Binary, left, right, 0, 0, static_cast<uint8_t>(TemplateBinary::Pow));
  }
  return left;
}

TemplateParser::Node TemplateParser::parseUnary(bool filters) {
  Nesting nest(*this);
  Node node;
  if (current().isOperator("-") || current().isOperator("+")) {
    TemplateToken where = take();
    Node operand = parseUnary(false);
    node = add(where, where.text == "-" ? Op::Neg : Op::Pos, operand);
  } else {
    node = parsePrimary();
  }
  node = parsePostfix(node);
  return filters ? parseFilters(node) : node;
}

TemplateParser::Node TemplateParser::parsePrimary() {
  const TemplateToken where = current();
  switch (where.kind) {
  case TokenKind::Name:
    return parseNameOrConstant();
  case TokenKind::Int:
  case TokenKind::Float:
    return parseNumber();
  case TokenKind::String: {
    std::string text;
    while (current().kind == TokenKind::String)
      text += take().text;
    return add(where, Op::String, addString(text));
  }
  default:
    break;
  }
  if (takeOperator("(")) {
    Node node = parseTuple(true, "", /*parentheses=*/true);
    expectOperator(")");
    return node;
  }
  if (current().isOperator("["))
    return parseListLiteral();
  if (current().isOperator("{"))
    return parseDictLiteral();
  return unexpected("an expression");
}

TemplateParser::Node TemplateParser::parseNameOrConstant() {
  TemplateToken name = take();
  Op op = llvm::StringSwitch<Op>(name.text)
              .Cases({"true", "True"}, Op::True)
              .Cases({"false", "False"}, Op::False)
              .Cases({"none", "None"}, Op::None)
              .Default(Op::Name);
  if (op != Op::Name)
    return add(name, op);
  if (current().isOperator("("))
    return parseFunction(name);
  if (name.text == "self" || name.text == "super" ||
      (macros && (name.text == "varargs" || name.text == "kwargs")))
    return fail(name, "the variable '" + name.text + "' is not supported");
  return add(name, Op::Name, addString(name.text));
}

TemplateParser::Node TemplateParser::parseNumber() {
  TemplateToken where = take();
  uint64_t bits = 0;
  if (where.kind == TokenKind::Int) {
    if (llvm::StringRef(where.text).getAsInteger(10, bits) || bits > static_cast<uint64_t>(INT64_MAX))
      return fail(where, "the number " + where.text + " is beyond 64 bits");
  } else {
    llvm::APFloat value(llvm::APFloat::IEEEdouble());
    auto status = value.convertFromString(where.text, llvm::APFloat::rmNearestTiesToEven);
    if (!status) {
      llvm::consumeError(status.takeError());
      return fail(where, "'" + where.text + "' is no number");
    }
    if (!value.isFinite())
      return fail(where, "the number " + where.text + " is too large");
    bits = value.bitcastToAPInt().getZExtValue();
  }
  return add(where, where.kind == TokenKind::Int ? Op::Int : Op::Float, static_cast<uint32_t>(bits),
             static_cast<uint32_t>(bits >> 32));
}

TemplateParser::Node TemplateParser::parseListLiteral() {
  TemplateToken where = take();
  std::vector<Node> items;
  while (!failed && !current().isOperator("]")) {
    items.push_back(parseExpression());
    if (!takeOperator(","))
      break;
  }
  expectOperator("]");
  return add(where, Op::List, addList(items));
}

TemplateParser::Node TemplateParser::parseDictLiteral() {
  TemplateToken where = take();
  std::vector<Node> items;
  while (!failed && !current().isOperator("}")) {
    items.push_back(parseExpression());
    expectOperator(":");
    items.push_back(parseExpression());
    if (!takeOperator(","))
      break;
  }
  expectOperator("}");
  return add(where, Op::Dict, addList(items));
}

TemplateParser::Node TemplateParser::parsePostfix(Node node) {
  while (!failed) {
    if (current().isOperator("."))
      node = parseAttribute(node);
    else if (current().isOperator("["))
      node = parseSubscript(node);
    else if (current().isOperator("("))
      return fail(current(), "a call of what is neither a function nor a method is not supported");
    else
      break;
  }
  return node;
}

TemplateParser::Node TemplateParser::parseAttribute(Node object) {
  TemplateToken dot = take();
  if (current().kind == TokenKind::Int)
    return add(dot, Op::Item, object, parseNumber());
  TemplateToken name = expectIdentifier("a name behind '.'");
  if (failed)
    return kTemplateNone;
  if (name.text[0] == '_')
    return fail(name, "the attribute '" + name.text + "' is not allowed in a template");
  if (current().isOperator("("))
    return parseMethod(object, name);
  return add(name, Op::Attr, object, addString(name.text));
}

TemplateParser::Node TemplateParser::parseSubscript(Node object) {
  TemplateToken where = take();
  Node parts[3] = {kTemplateNone, kTemplateNone, kTemplateNone};
  bool slice = false;
  unsigned n = 0;
  if (!current().isOperator(":"))
    parts[0] = parseExpression();
  while (n < 2 && takeOperator(":")) {
    slice = true;
    ++n;
    if (!current().isOperator(":") && !current().isOperator("]"))
      parts[n] = parseExpression();
  }
  if (current().isOperator(","))
    return fail(current(), "a subscript of several parts is not supported");
  expectOperator("]");
  return slice ? add(where, Op::Slice, object, parts[0], parts[1], parts[2])
               : add(where, Op::Item, object, parts[0]);
}

TemplateParser::Node TemplateParser::parseFilters(Node node) {
  while (!failed) {
    if (current().isOperator("|"))
      node = parseFilter(node);
    else if (current().isName("is"))
      node = parseTest(node);
    else if (current().isOperator("("))
      return fail(current(), "a call of what is neither a function nor a method is not supported");
    else
      break;
  }
  return node;
}
