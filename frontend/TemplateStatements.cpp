// Statements of templates: text, output and the tags. Unknown tags are refused by name.
#include "frontend/TemplateParser.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace gemmac;
using Op = TemplateOp;

std::optional<TemplateProgramInput> TemplateParser::run() {
  std::vector<Node> statements;
  while (!failed && current().kind != TokenKind::End)
    statements.push_back(parseStatement());
  Node root = add(current(), Op::Block, addList(statements));
  checkCalls();
  if (failed || root == kTemplateNone)
    return std::nullopt;
  return std::move(program);
}

/// Statements up to a tag of `ends`, whose name is taken and left to the caller as the token before the
/// cursor.
TemplateParser::Node TemplateParser::parseBody(const TemplateToken &opener,
                                               llvm::ArrayRef<llvm::StringRef> ends) {
  Nesting nest(*this);
  std::vector<Node> statements;
  while (!failed) {
    if (current().kind == TokenKind::End)
      return fail(opener, "the '" + opener.text + "' that starts here has no '" + ends.back().str() + "'");
    if (current().kind == TokenKind::BlockBegin && next().kind == TokenKind::Name &&
        llvm::is_contained(ends, next().text)) {
      take();
      take();
      break;
    }
    statements.push_back(parseStatement());
  }
  return add(opener, Op::Block, addList(statements));
}

TemplateParser::Node TemplateParser::parseStatement() {
  TemplateToken where = take();
  switch (where.kind) {
  case TokenKind::Text:
    return add(where, Op::Text, addString(where.text));
  case TokenKind::OutputBegin:
    return parseOutput();
  default: {
    TemplateToken tag = expectIdentifier("the name of a tag");
    return failed ? kTemplateNone : parseTag(tag);
  }
  }
}

TemplateParser::Node TemplateParser::parseOutput() {
  TemplateToken where = current();
  Node value = parseTuple();
  if (current().kind != TokenKind::OutputEnd)
    return unexpected("'}}' or an operator");
  take();
  if (safe == value)
    safe.reset();
  return add(where, Op::Output, value);
}

TemplateParser::Node TemplateParser::parseTag(const TemplateToken &tag) {
  using Parse = Node (TemplateParser::*)(const TemplateToken &);
  constexpr std::pair<llvm::StringLiteral, Parse> tags[] = {
      {"if", &TemplateParser::parseIf},
      {"for", &TemplateParser::parseFor},
      {"set", &TemplateParser::parseSet},
      {"macro", &TemplateParser::parseMacro},
      {"call", &TemplateParser::parseCallBlock},
      {"with", &TemplateParser::parseWith},
      {"filter", &TemplateParser::parseFilterBlock},
      {"generation", &TemplateParser::parseGeneration},
      {"break", &TemplateParser::parseJump},
      {"continue", &TemplateParser::parseJump},
  };
  for (const auto &[name, parse] : tags) {
    if (tag.text != name)
      continue;
    Node node = (this->*parse)(tag);
    if (safe && !failed) {
      const TemplateNode &filter = program.nodes[*safe];
      TemplateToken where;
      where.line = filter.line;
      where.column = filter.column;
      return fail(where, "the filter 'safe' is supported at the end of an output only");
    }
    return node;
  }
  if (tag.text == "else" || tag.text == "elif" || llvm::StringRef(tag.text).starts_with("end"))
    return fail(tag, "the tag '" + tag.text + "' has no opening tag");
  return fail(tag, "the tag '" + tag.text + "' is not supported");
}

TemplateParser::Node TemplateParser::parseIf(const TemplateToken &tag) {
  struct Branch {
    TemplateToken where;
    Node test, body;
  };
  std::vector<Branch> branches;
  Node otherwise = kTemplateNone;
  for (TemplateToken where = tag; !failed;) {
    Node test = parseTuple(/*conditional=*/false);
    expectBlockEnd();
    Node body = parseBody(tag, {"elif", "else", "endif"});
    branches.push_back({where, test, body});
    if (failed)
      return kTemplateNone;
    where = tokens[at - 1];
    if (where.text == "elif")
      continue;
    if (where.text == "else") {
      expectBlockEnd();
      otherwise = parseBody(tag, {"endif"});
    }
    expectBlockEnd();
    break;
  }
  for (const Branch &branch : llvm::reverse(branches))
    otherwise = add(branch.where, Op::If, branch.test, branch.body, otherwise);
  return otherwise;
}

TemplateParser::Node TemplateParser::parseFor(const TemplateToken &tag) {
  Node target = parseTarget(/*namespaces=*/false, "in");
  expectName("in");
  Node iterable = parseTuple(/*conditional=*/false, "recursive");
  Node test = kTemplateNone, otherwise = kTemplateNone;
  if (takeName("if"))
    test = parseExpression();
  if (current().isName("recursive"))
    return fail(current(), "a recursive loop is not supported");
  expectBlockEnd();
  ++loops, ++bodies;
  Node body = parseBody(tag, {"else", "endfor"});
  --loops;
  if (!failed && tokens[at - 1].text == "else") {
    expectBlockEnd();
    otherwise = parseBody(tag, {"endfor"});
  }
  --bodies;
  expectBlockEnd();
  return add(tag, Op::For, target, iterable, body, addList({test, otherwise}));
}

TemplateParser::Node TemplateParser::parseSet(const TemplateToken &tag) {
  Node target = parseTarget(/*namespaces=*/true);
  if (takeOperator("=")) {
    Node value = parseTuple();
    expectBlockEnd();
    return add(tag, Op::Set, target, value);
  }
  Node filter = kTemplateNone;
  while (!failed && current().isOperator("|"))
    filter = parseFilter(filter == kTemplateNone ? add(tag, Op::Captured) : filter);
  expectBlockEnd();
  Node body = parseClosed(tag, "endset");
  return add(tag, Op::SetBlock, target, body, filter);
}

/// A body whose output is kept: break, continue and macros cannot stand in it.
TemplateParser::Node TemplateParser::parseClosed(const TemplateToken &tag, llvm::StringRef end) {
  unsigned outer = std::exchange(loops, 0);
  ++bodies;
  Node body = parseBody(tag, {end});
  expectBlockEnd();
  --bodies;
  loops = outer;
  return body;
}

/// "(a, b=1)" or nothing: pairs of name and default.
uint32_t TemplateParser::parseSignature() {
  std::vector<uint32_t> list;
  llvm::StringMap<bool> seen;
  if (takeOperator("(")) {
    while (!failed && !current().isOperator(")")) {
      TemplateToken name = expectIdentifier("the name of a parameter");
      if (!failed && !seen.try_emplace(name.text, true).second)
        fail(name, "the parameter '" + name.text + "' is there twice");
      if (name.text == "caller" || name.text == "varargs" || name.text == "kwargs")
        fail(name, "a parameter named '" + name.text + "' is not supported");
      list.push_back(addString(name.text));
      list.push_back(kTemplateNone);
      if (takeOperator("="))
        list.back() = parseExpression();
      else if (list.size() > 2 && list[list.size() - 3] != kTemplateNone)
        fail(name, "the parameter '" + name.text + "' without a default follows one with a default");
      if (!takeOperator(","))
        break;
    }
    expectOperator(")");
  }
  return addList(list);
}

TemplateParser::Node TemplateParser::parseMacro(const TemplateToken &tag) {
  if (bodies)
    return fail(tag, "a macro inside of a loop, a macro or a block is not supported");
  TemplateToken name = expectIdentifier("the name of a macro");
  for (const TemplateBuiltin *function = kTemplateFunctions; function->name && !failed; ++function)
    if (name.text == function->name)
      return fail(name, "a macro with the name of the function '" + name.text + "' is not supported");
  macroNames[name.text] = true;
  ++macros;
  uint32_t parameters = current().isOperator("(") ? parseSignature() : unexpected("'('");
  expectBlockEnd();
  Node body = parseClosed(tag, "endmacro");
  --macros;
  return add(tag, Op::Macro, addString(name.text), parameters, body);
}

TemplateParser::Node TemplateParser::parseCallBlock(const TemplateToken &tag) {
  uint32_t parameters = parseSignature();
  TemplateToken where = current();
  Node call = parseExpression();
  if (!failed && program.nodes[call].op != Op::MacroCall)
    return fail(where, "'call' is supported with a macro only");
  expectBlockEnd();
  Node body = parseClosed(tag, "endcall");
  return add(tag, Op::CallBlock, call, parameters, body);
}

TemplateParser::Node TemplateParser::parseWith(const TemplateToken &tag) {
  std::vector<Node> targets, values;
  while (!failed && current().kind != TokenKind::BlockEnd) {
    if (!targets.empty())
      expectOperator(",");
    targets.push_back(parseTargetPart(/*namespaces=*/false));
    expectOperator("=");
    values.push_back(parseExpression());
  }
  expectBlockEnd();
  ++bodies;
  Node body = parseBody(tag, {"endwith"});
  --bodies;
  expectBlockEnd();
  uint32_t targetList = addList(targets), valueList = addList(values);
  return add(tag, Op::With, targetList, valueList, body);
}

TemplateParser::Node TemplateParser::parseFilterBlock(const TemplateToken &tag) {
  Node filter = parseFilter(add(tag, Op::Captured));
  while (!failed && current().isOperator("|"))
    filter = parseFilter(filter);
  expectBlockEnd();
  Node body = parseClosed(tag, "endfilter");
  return add(tag, Op::FilterBlock, filter, body);
}

/// Hugging Face's mark around what the model generates: only its scope matters here.
TemplateParser::Node TemplateParser::parseGeneration(const TemplateToken &tag) {
  expectBlockEnd();
  return add(tag, Op::Scope, parseClosed(tag, "endgeneration"));
}

TemplateParser::Node TemplateParser::parseJump(const TemplateToken &tag) {
  if (!loops)
    return fail(tag, "'" + tag.text + "' outside of a loop");
  expectBlockEnd();
  return add(tag, tag.text == "break" ? Op::Break : Op::Continue);
}

TemplateParser::Node TemplateParser::parseTargetPart(bool namespaces) {
  Nesting nest(*this);
  if (takeOperator("(")) {
    Node inner = parseTarget(namespaces);
    expectOperator(")");
    return inner;
  }
  TemplateToken name = expectIdentifier("the name of a variable");
  if (failed)
    return kTemplateNone;
  for (llvm::StringRef constant : {"true", "True", "false", "False", "none", "None"})
    if (name.text == constant)
      return fail(name, "cannot assign to '" + name.text + "'");
  if (!namespaces || !takeOperator("."))
    return add(name, Op::TargetName, addString(name.text));
  TemplateToken attribute = expectIdentifier("a name behind '.'");
  uint32_t variable = addString(name.text), field = addString(attribute.text);
  return add(name, Op::TargetNamespace, variable, field);
}

TemplateParser::Node TemplateParser::parseTarget(bool namespaces, llvm::StringRef endName) {
  TemplateToken where = current();
  std::vector<Node> parts{parseTargetPart(namespaces)};
  bool tuple = false;
  while (!failed && takeOperator(",")) {
    tuple = true;
    if (atTupleEnd(endName) || current().isOperator("="))
      break;
    parts.push_back(parseTargetPart(namespaces));
  }
  return tuple ? add(where, Op::TargetTuple, addList(parts)) : parts[0];
}
