// See TemplateLexer.h. A cursor over the normalised text; outside of tags it looks for the next tag, inside
// it cuts tokens until the tag's end.
#include "frontend/TemplateLexer.h"

#include "runtime/UnicodeSpace.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

using namespace gemmac;

namespace {

bool isNameChar(char c) { return llvm::isAlnum(c) || c == '_'; }

/// "\r\n" and "\r" become "\n"; one newline at the end goes.
std::string normalise(llvm::StringRef source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r')
      text += source[i];
    else if (text += '\n'; i + 1 < source.size() && source[i + 1] == '\n')
      ++i;
  }
  if (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

class Lexer {
public:
  explicit Lexer(llvm::StringRef source, TemplateError &error) : text(normalise(source)), error(error) {}

  std::optional<std::vector<TemplateToken>> run() {
    while (!failed && at < text.size())
      lexText();
    if (failed)
      return std::nullopt;
    add(TokenKind::End, at, "");
    return std::move(tokens);
  }

private:
  llvm::StringRef rest() const { return llvm::StringRef(text).substr(at); }
  void fail(size_t where, std::string what) {
    if (failed)
      return;
    failed = true;
    TemplateToken token = positioned(where);
    error = {token.line, token.column, std::move(what)};
  }
  TemplateToken positioned(size_t where);
  void add(TokenKind kind, size_t where, std::string value) {
    TemplateToken token = positioned(where);
    token.kind = kind;
    token.text = std::move(value);
    tokens.push_back(std::move(token));
  }
  void addText(size_t where, llvm::StringRef value) {
    if (!value.empty())
      add(TokenKind::Text, where, value.str());
  }
  void skipSpace() { at = text.size() - trimLeft(std::string_view(text).substr(at)).size(); }
  llvm::StringRef stripBefore(llvm::StringRef data, char sign, bool output) const;
  void endTag(char sign, size_t length, bool trimNewline);
  bool atEnd(llvm::StringRef end, bool output);
  bool lexRaw(size_t start, llvm::StringRef data);
  void lexText();
  void lexComment(size_t start);
  void lexTag(size_t start, bool output);
  void lexToken();
  void lexNumber();
  void lexString();
  void lexOperator();
  bool escape(size_t &i, std::string &value);
  bool hexEscape(size_t &i, unsigned digits, std::string &value);

  const std::string text;
  TemplateError &error;
  size_t at = 0;
  bool lineStarting = true; ///< what was matched last ended with a newline
  bool failed = false;
  std::vector<char> open; ///< brackets that are not closed yet
  std::vector<TemplateToken> tokens;
  // positioned() goes forward from the last place it was asked for.
  size_t knownAt = 0;
  uint32_t knownLine = 1, knownColumn = 1;
};

TemplateToken Lexer::positioned(size_t where) {
  if (where < knownAt)
    knownAt = 0, knownLine = knownColumn = 1;
  for (; knownAt < where; ++knownAt) {
    if (text[knownAt] == '\n')
      ++knownLine, knownColumn = 1;
    else if ((static_cast<unsigned char>(text[knownAt]) & 0xC0) != 0x80)
      ++knownColumn;
  }
  TemplateToken token;
  token.line = knownLine;
  token.column = knownColumn;
  return token;
}

/// The text in front of a tag without what `sign` or lstrip_blocks take away.
llvm::StringRef Lexer::stripBefore(llvm::StringRef data, char sign, bool output) const {
  if (sign == '-')
    return data.take_front(trimRight(data).size());
  if (sign == '+' || output)
    return data;
  size_t line = data.rfind('\n') + 1; // npos + 1 is 0
  if (line == 0 && !lineStarting)
    return data;
  return trimLeft(data.drop_front(line)).empty() ? data.take_front(line) : data;
}

/// Moves behind a tag's end of `length` bytes, sign included.
void Lexer::endTag(char sign, size_t length, bool trimNewline) {
  at += length;
  size_t before = at;
  if (sign == '-')
    skipSpace();
  else if (sign != '+' && trimNewline && at < text.size() && text[at] == '\n')
    ++at;
  lineStarting = at > before && text[at - 1] == '\n';
}

void Lexer::lexText() {
  size_t tag = at;
  for (tag = text.find('{', tag); tag != text.npos; tag = text.find('{', tag + 1))
    if (tag + 1 < text.size() && llvm::StringRef("{%#").contains(text[tag + 1]))
      break;
  if (tag == text.npos) {
    addText(at, rest());
    at = text.size();
    return;
  }
  char kind = text[tag + 1], sign = tag + 2 < text.size() ? text[tag + 2] : 0;
  if (sign != '-' && sign != '+')
    sign = 0;
  llvm::StringRef data = rest().take_front(tag - at);
  size_t start = at;
  at = tag;
  if (kind == '%' && lexRaw(start, data))
    return;
  addText(start, stripBefore(data, sign, kind == '{'));
  at = tag + (sign ? 3 : 2);
  if (kind == '#')
    lexComment(tag);
  else
    lexTag(tag, kind == '{');
}

/// {% raw %} .. {% endraw %}, if that is what stands at `at`; `data` is the text in front.
bool Lexer::lexRaw(size_t start, llvm::StringRef data) {
  auto tagNamed = [&](size_t where, llvm::StringRef name, char &before, char &after) -> size_t {
    llvm::StringRef s = llvm::StringRef(text).substr(where);
    size_t whole = s.size();
    if (!s.consume_front("{%"))
      return 0;
    before = s.starts_with("-") || s.starts_with("+") ? s.front() : 0;
    s = s.drop_front(before ? 1 : 0);
    s = s.drop_front(s.size() - trimLeft(s).size());
    if (!s.consume_front(name))
      return 0;
    s = s.drop_front(s.size() - trimLeft(s).size());
    after = s.starts_with("-") || s.starts_with("+") ? s.front() : 0;
    s = s.drop_front(after ? 1 : 0);
    return s.consume_front("%}") ? whole - s.size() : 0;
  };
  char before = 0, after = 0;
  size_t tag = at, length = tagNamed(tag, "raw", before, after);
  if (!length || after == '+')
    return false;
  addText(start, stripBefore(data, before, false));
  at = tag;
  endTag(after, length, /*trimNewline=*/false);
  for (size_t end = text.find("{%", at); end != text.npos; end = text.find("{%", end + 1)) {
    size_t endLength = tagNamed(end, "endraw", before, after);
    if (!endLength)
      continue;
    addText(at, stripBefore(rest().take_front(end - at), before, false));
    at = end;
    endTag(after, endLength, true);
    return true;
  }
  fail(tag, "the raw block that starts here has no {% endraw %}");
  return true;
}

void Lexer::lexComment(size_t start) {
  size_t end = text.find("#}", at);
  if (end == text.npos)
    return fail(start, "the comment that starts here has no #}");
  char sign = end > at && (text[end - 1] == '-' || text[end - 1] == '+') ? text[end - 1] : 0;
  at = end;
  endTag(sign, 2, true);
}

/// True behind the end of the tag, which it then has taken.
bool Lexer::atEnd(llvm::StringRef end, bool output) {
  if (!open.empty())
    return false;
  llvm::StringRef s = rest();
  char sign = !s.empty() && (s.front() == '-' || (s.front() == '+' && !output)) ? s.front() : 0;
  if (!s.drop_front(sign ? 1 : 0).starts_with(end))
    return false;
  add(output ? TokenKind::OutputEnd : TokenKind::BlockEnd, at, "");
  endTag(sign, end.size() + (sign ? 1 : 0), !output);
  return true;
}

void Lexer::lexTag(size_t start, bool output) {
  add(output ? TokenKind::OutputBegin : TokenKind::BlockBegin, start, "");
  open.clear();
  while (!failed) {
    if (atEnd(output ? "}}" : "%}", output))
      return;
    size_t before = at;
    skipSpace();
    if (at != before)
      continue;
    if (at == text.size())
      return fail(start, std::string("the tag that starts here has no ") + (output ? "}}" : "%}"));
    lexToken();
  }
}

void Lexer::lexToken() {
  char c = text[at];
  if (llvm::isDigit(c))
    return lexNumber();
  if (c == '\'' || c == '"')
    return lexString();
  if (!isNameChar(c))
    return lexOperator();
  size_t end = at;
  while (end < text.size() && isNameChar(text[end]))
    ++end;
  add(TokenKind::Name, at, text.substr(at, end - at));
  at = end;
}

void Lexer::lexNumber() {
  size_t start = at, end = at;
  auto digits = [&](size_t i) {
    while (i < text.size() &&
           (llvm::isDigit(text[i]) || (text[i] == '_' && i + 1 < text.size() && llvm::isDigit(text[i + 1]))))
      ++i;
    return i;
  };
  auto isDigitAt = [&](size_t i) { return i < text.size() && llvm::isDigit(text[i]); };
  TokenKind kind = TokenKind::Int;
  end = digits(end);
  if (end < text.size() && text[end] == '.' && isDigitAt(end + 1)) {
    kind = TokenKind::Float;
    end = digits(end + 1);
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-'))
      ++exponent;
    if (isDigitAt(exponent)) {
      kind = TokenKind::Float;
      end = digits(exponent);
    }
  }
  if (end < text.size() && isNameChar(text[end]))
    return fail(start, "a number is followed by '" + text.substr(end, 1) + "', expected an operator");
  std::string value = text.substr(start, end - start);
  llvm::erase(value, '_');
  if (kind == TokenKind::Int && value.size() > 1 && value[0] == '0' &&
      value.find_first_not_of('0') != value.npos)
    return fail(start, "the number " + value + " starts with 0");
  add(kind, start, value);
  at = end;
}

bool Lexer::hexEscape(size_t &i, unsigned digits, std::string &value) {
  uint32_t code = 0;
  if (i + digits > text.size() || llvm::StringRef(text).substr(i, digits).getAsInteger(16, code))
    return false;
  char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = buffer;
  if (!llvm::ConvertCodePointToUTF8(code, end))
    return false;
  value.append(buffer, end);
  i += digits;
  return true;
}

/// One escape as in Python's strings; `i` stands behind the backslash and moves behind the escape.
bool Lexer::escape(size_t &i, std::string &value) {
  constexpr llvm::StringLiteral from = "\n\\'\"abfnrtv", to = "\n\\'\"\a\b\f\n\r\t\v";
  char c = text[i++];
  if (size_t k = from.find(c); k != llvm::StringRef::npos) {
    if (c != '\n') // an escaped newline joins two lines
      value += to[k];
    return true;
  }
  if (c == 'x')
    return hexEscape(i, 2, value);
  if (c == 'u')
    return hexEscape(i, 4, value);
  if (c == 'U')
    return hexEscape(i, 8, value);
  if (c == 'N' || (c >= '0' && c <= '7'))
    return false;
  value += '\\';
  value += c;
  return true;
}

void Lexer::lexString() {
  size_t start = at;
  char quote = text[at];
  std::string value;
  size_t i = at + 1;
  while (i < text.size() && text[i] != quote) {
    if (text[i] != '\\') {
      value += text[i++];
    } else if (size_t where = i++; i == text.size()) {
      break;
    } else if (char c = text[i]; !escape(i, value)) {
      return fail(where,
                  std::string("the escape \\") + c + " of a string is not supported or not a character");
    }
  }
  if (i >= text.size())
    return fail(start, "the string that starts here has no end");
  add(TokenKind::String, start, value);
  at = i + 1;
}

void Lexer::lexOperator() {
  llvm::StringRef s = rest();
  size_t length = 0;
  for (llvm::StringRef op : {"//", "**", "==", "!=", ">=", "<="})
    if (s.starts_with(op))
      length = 2;
  if (!length && llvm::StringRef("+-/*%~[](){}><=.:|,;").contains(s.front()))
    length = 1;
  if (!length) {
    int bytes = llvm::getNumBytesForUTF8(static_cast<llvm::UTF8>(s.front()));
    return fail(at, "'" + s.take_front(static_cast<size_t>(bytes)).str() + "' is no token of a template");
  }
  char c = length == 1 ? s.front() : 0;
  if (c == '(' || c == '[' || c == '{')
    open.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
  if (c == ')' || c == ']' || c == '}') {
    if (open.empty() || open.back() != c)
      return fail(at, std::string("found '") + c + "', expected " +
                          (open.empty() ? "no closing bracket" : std::string("'") + open.back() + "'"));
    open.pop_back();
  }
  add(TokenKind::Operator, at, s.take_front(length).str());
  at += length;
}

} // namespace

std::optional<std::vector<TemplateToken>> gemmac::lexTemplate(llvm::StringRef source, TemplateError &error) {
  return Lexer(source, error).run();
}
