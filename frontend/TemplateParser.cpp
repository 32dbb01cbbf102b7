// The cursor over the tokens, the program that is built, and how the parser fails: what all of its parts use.
#include "frontend/TemplateParser.h"

using namespace gemmac;
using Op = TemplateOp;

TemplateToken TemplateParser::take() {
  TemplateToken token = current();
  at = std::min(at + 1, tokens.size() - 1);
  return token;
}

bool TemplateParser::takeOperator(llvm::StringRef op) {
  if (!current().isOperator(op))
    return false;
  take();
  return true;
}

bool TemplateParser::takeName(llvm::StringRef name) {
  if (!current().isName(name))
    return false;
  take();
  return true;
}

std::string TemplateParser::found() const {
  switch (current().kind) {
  case TokenKind::BlockEnd:
    return "'%}'";
  case TokenKind::OutputEnd:
    return "'}}'";
  case TokenKind::End:
    return "the end of the template";
  case TokenKind::String:
    return "a string";
  case TokenKind::Text:
  case TokenKind::BlockBegin:
  case TokenKind::OutputBegin:
    return "text";
  default:
    return "'" + current().text + "'";
  }
}

TemplateParser::Node TemplateParser::fail(const TemplateToken &where, std::string what) {
  if (!failed)
    error = {where.line, where.column, std::move(what)};
  failed = true;
  at = tokens.size() - 1;
  return kTemplateNone;
}

TemplateParser::Node TemplateParser::unexpected(llvm::StringRef expected) {
  return fail(current(), "found " + found() + ", expected " + expected.str());
}

void TemplateParser::expectOperator(llvm::StringRef op) {
  if (!takeOperator(op))
    unexpected("'" + op.str() + "'");
}

void TemplateParser::expectName(llvm::StringRef name) {
  if (!takeName(name))
    unexpected("'" + name.str() + "'");
}

TemplateToken TemplateParser::expectIdentifier(llvm::StringRef what) {
  if (current().kind != TokenKind::Name)
    unexpected(what);
  return take();
}

void TemplateParser::expectBlockEnd() {
  if (current().kind != TokenKind::BlockEnd)
    unexpected("'%}'");
  else
    take();
}

TemplateParser::Node TemplateParser::add(const TemplateToken &where, Op op, uint32_t a, uint32_t b,
                                         uint32_t c, uint32_t d, uint8_t aux) {
  if (failed)
    return kTemplateNone;
  TemplateNode node{
      op, aux, static_cast<uint16_t>(std::min<uint32_t>(where.column, UINT16_MAX)), where.line, a, b, c, d};
  program.nodes.push_back(node);
  return static_cast<Node>(program.nodes.size() - 1);
}

uint32_t TemplateParser::addList(llvm::ArrayRef<uint32_t> items) {
  program.lists.push_back(static_cast<uint32_t>(items.size()));
  program.lists.insert(program.lists.end(), items.begin(), items.end());
  return static_cast<uint32_t>(program.lists.size() - items.size() - 1);
}

uint32_t TemplateParser::addString(llvm::StringRef text) {
  auto [entry, fresh] = interned.try_emplace(text, static_cast<uint32_t>(program.strings.size()));
  if (fresh)
    program.strings.push_back(text.str());
  return entry->second;
}

bool TemplateParser::isString(Node node) const {
  return node < program.nodes.size() && program.nodes[node].op == Op::String;
}
llvm::StringRef TemplateParser::stringOf(Node node) const { return program.strings[program.nodes[node].a]; }
