// Tokens of a template -> its program (runtime/TemplateProgram.h). Jinja's own grammar and precedences; every
// filter, test, function, method and tag must be one that the runtime has, so that what parsed can be
// rendered. After the first error the cursor stands at the end, and everything runs out.
#pragma once

#include "frontend/TemplateLexer.h"
#include "runtime/TemplateProgram.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"

namespace gemmac {

class TemplateParser {
public:
  TemplateParser(std::vector<TemplateToken> tokens, TemplateError &error)
      : tokens(std::move(tokens)), error(error) {}
  /// The program, or nothing and the error.
  std::optional<TemplateProgramInput> run();

private:
  using Node = uint32_t;
  struct Argument {
    std::string name; ///< empty: by position
    Node value;
    TemplateToken where;
  };
  struct Nesting; // counts how deep the parser is

  // The cursor.
  const TemplateToken &current() const { return tokens[at]; }
  const TemplateToken &next() const { return tokens[std::min(at + 1, tokens.size() - 1)]; }
  TemplateToken take();
  bool takeOperator(llvm::StringRef op);
  bool takeName(llvm::StringRef name);
  void expectOperator(llvm::StringRef op);
  void expectName(llvm::StringRef name);
  TemplateToken expectIdentifier(llvm::StringRef what);
  void expectBlockEnd();
  std::string found() const;
  Node fail(const TemplateToken &where, std::string what);
  Node unexpected(llvm::StringRef expected);

  // The program.
  Node add(const TemplateToken &where, TemplateOp op, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0,
           uint32_t d = 0, uint8_t aux = 0);
  uint32_t addList(llvm::ArrayRef<uint32_t> items);
  uint32_t addString(llvm::StringRef text);
  bool isString(Node node) const;
  llvm::StringRef stringOf(Node node) const;

  // Expressions, from loosest to tightest (TemplateExpressions.cpp).
  Node parseExpression(bool conditional = true);
  Node parseTuple(bool conditional = true, llvm::StringRef endName = "", bool parentheses = false);
  bool atTupleEnd(llvm::StringRef endName) const;
  Node parseOr();
  Node parseAnd();
  Node parseNot();
  Node parseCompare();
  bool takeCompare(TemplateCompare &op);
  Node parseSum();
  Node parseConcat();
  Node parseProduct();
  Node parsePower();
  Node parseUnary(bool filters = true);
  Node parsePrimary();
  Node parseNameOrConstant();
  Node parseNumber();
  Node parseListLiteral();
  Node parseDictLiteral();
  Node parsePostfix(Node node);
  Node parseAttribute(Node object);
  Node parseSubscript(Node object);
  Node parseFilters(Node node);

  // What is called (TemplateCalls.cpp).
  std::vector<Argument> parseArguments();
  Node parseFilter(Node input);
  Node parseTest(Node input);
  Node parseFunction(const TemplateToken &name);
  Node parseMethod(Node object, const TemplateToken &name);
  Node parseMap(const TemplateToken &name, Node input, std::vector<Argument> arguments);
  Node parseSelect(const TemplateToken &name, Node input, std::vector<Argument> arguments);
  uint32_t bind(const TemplateToken &name, llvm::StringRef what, llvm::StringRef parameters,
                llvm::ArrayRef<Argument> arguments);
  uint32_t pairs(llvm::ArrayRef<Argument> arguments);
  std::optional<uint8_t> findTest(const TemplateToken &where, llvm::StringRef name);
  std::optional<uint8_t> findFilter(const TemplateToken &where, llvm::StringRef name);

  // Statements (TemplateStatements.cpp).
  Node parseBody(const TemplateToken &opener, llvm::ArrayRef<llvm::StringRef> ends);
  Node parseOutput();
  Node parseStatement();
  Node parseTag(const TemplateToken &tag);
  Node parseIf(const TemplateToken &tag);
  Node parseFor(const TemplateToken &tag);
  Node parseSet(const TemplateToken &tag);
  Node parseMacro(const TemplateToken &tag);
  Node parseCallBlock(const TemplateToken &tag);
  Node parseWith(const TemplateToken &tag);
  Node parseFilterBlock(const TemplateToken &tag);
  Node parseGeneration(const TemplateToken &tag);
  Node parseJump(const TemplateToken &tag);
  Node parseClosed(const TemplateToken &tag, llvm::StringRef end);
  uint32_t parseSignature();
  Node parseTarget(bool namespaces, llvm::StringRef endName = "");
  Node parseTargetPart(bool namespaces);
  void checkCalls();

  const std::vector<TemplateToken> tokens;
  TemplateError &error;
  size_t at = 0;
  bool failed = false;
  unsigned nesting = 0;
  unsigned loops = 0;       ///< loops around that break and continue can reach
  unsigned bodies = 0;      ///< loops, macros and captures around: no macro may stand there
  unsigned macros = 0;      ///< macros around
  std::optional<Node> safe; ///< a `safe` filter not yet found at the end of an output
  TemplateProgramInput program;
  llvm::StringMap<uint32_t> interned;
  llvm::StringMap<bool> macroNames;
  std::vector<TemplateToken> macroCalls;
};

/// Counts the recursion of the parser over its input, and stops it in time.
struct TemplateParser::Nesting {
  explicit Nesting(TemplateParser &parser) : parser(parser) {
    if (++parser.nesting > kTemplateDepth)
      parser.fail(parser.current(), "nested deeper than " + std::to_string(kTemplateDepth) + " levels");
  }
  ~Nesting() { --parser.nesting; }
  TemplateParser &parser;
};

} // namespace gemmac
