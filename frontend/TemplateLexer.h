// Jinja text -> tokens, with the white-space rules that Hugging Face renders chat templates by: trim_blocks,
// lstrip_blocks, no trailing newline, and the `-` and `+` markers. Columns and lines count from 1.
#pragma once

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemmac {

enum class TokenKind : uint8_t {
  Text,
  BlockBegin,
  BlockEnd,
  OutputBegin,
  OutputEnd,
  Name,
  String,
  Int,
  Float,
  Operator,
  End
};

struct TemplateToken {
  TokenKind kind = TokenKind::End;
  uint32_t line = 1, column = 1;
  std::string text; ///< of Text and String the value, of the others as written
  bool isName(llvm::StringRef name) const { return kind == TokenKind::Name && text == name; }
  bool isOperator(llvm::StringRef op) const { return kind == TokenKind::Operator && text == op; }
};

/// What is wrong with a template, and where.
struct TemplateError {
  uint32_t line = 0, column = 0;
  std::string what;
};

/// The tokens of `source`, the last of kind End; or nothing and `error`.
std::optional<std::vector<TemplateToken>> lexTemplate(llvm::StringRef source, TemplateError &error);

} // namespace gemmac
