// See ChatTemplate.h.
#include "frontend/ChatTemplate.h"

#include "frontend/Diagnostic.h"
#include "frontend/Json.h"
#include "frontend/MappedFile.h"
#include "frontend/TemplateParser.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <cstring>

using namespace gemmac;
namespace fs = llvm::sys::fs;

static constexpr llvm::StringLiteral advice =
    "give a template that gemmac can compile with --chat-template=FILE";

/// Bytes of `text` before the first that is not UTF-8.
static size_t validUtf8(llvm::StringRef text) {
  auto *start = reinterpret_cast<const llvm::UTF8 *>(text.begin()), *at = start;
  llvm::isLegalUTF8String(&at, reinterpret_cast<const llvm::UTF8 *>(text.end()));
  return static_cast<size_t>(at - start);
}

llvm::Expected<ChatTemplate> gemmac::parseChatTemplate(llvm::StringRef text, llvm::StringRef file,
                                                       llvm::StringRef field) {
  if (text.size() > kTemplateBytes)
    return inputError(file, field,
                      "the chat template has " + llvm::Twine(text.size()) + " bytes, expected at most " +
                          llvm::Twine(kTemplateBytes),
                      advice);
  if (size_t valid = validUtf8(text); valid != text.size())
    return inputError(file, field, "the chat template is not UTF-8 at byte " + llvm::Twine(valid), advice);
  TemplateError error;
  std::optional<TemplateProgramInput> program;
  if (auto tokens = lexTemplate(text, error))
    program = TemplateParser(std::move(*tokens), error).run();
  std::string where = field.empty() ? "" : field.str() + ", ";
  if (!program)
    return inputError(
        file, where + "line " + std::to_string(error.line) + ", column " + std::to_string(error.column),
        error.what, advice);
  ChatTemplate result;
  result.source = llvm::sys::path::filename(file).str();
  result.program = writeTemplateProgram(*program);
  std::vector<uint64_t> aligned((result.program.size() + 7) / 8);
  std::memcpy(aligned.data(), result.program.data(), result.program.size());
  if (const char *wrong = checkTemplateProgram(aligned.data(), result.program.size()))
    return inputError(file, field, wrong, advice);
  return result;
}

llvm::Expected<ChatTemplate> gemmac::readChatTemplate(llvm::StringRef path) {
  fs::file_status status;
  if (std::error_code error = fs::status(path, status))
    return inputError(path, "", "cannot be read: " + whyNoFile(path, error));
  if (!fs::is_regular_file(status))
    return inputError(path, "", "is not a file, expected a chat template");
  if (status.getSize() > kTemplateBytes)
    return inputError(path, "",
                      "has " + llvm::Twine(status.getSize()) +
                          " bytes, expected a chat template of at most " + llvm::Twine(kTemplateBytes));
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false,
                                            /*IsVolatile=*/true);
  if (!buffer)
    return inputError(path, "", "cannot be read: " + buffer.getError().message());
  return parseChatTemplate((*buffer)->getBuffer(), path, "");
}

/// The text of "chat_template" of one JSON file; nothing where the field is missing or null.
static llvm::Expected<std::optional<std::string>> templateInJson(llvm::StringRef path) {
  llvm::Expected<JsonDocument> document = JsonDocument::read(path, {});
  if (!document)
    return document.takeError();
  InputCheck check(path);
  std::optional<std::string> text;
  JsonObject root(document->root(), "", "", check);
  const JsonValue *value = root.find("chat_template");
  if (value && value->kind() == JsonValue::Kind::Array) {
    for (const JsonValue &entry : value->elements()) {
      JsonObject one(entry, "chat_template", "chat_template.", check);
      if (one.stringOr("name", "") == "default")
        text = one.string("template").str();
    }
    if (!text)
      root.mismatch("chat_template", "a list with a template named \"default\"", advice);
  } else if (value) {
    text = root.string("chat_template", "a template").str();
  }
  if (llvm::Error error = check.take())
    return error;
  return text;
}

llvm::Expected<std::optional<ChatTemplate>> gemmac::findChatTemplate(llvm::StringRef directory,
                                                                     llvm::StringRef replacement) {
  auto inDirectory = [&](llvm::StringRef name) {
    llvm::SmallString<256> path(directory);
    llvm::sys::path::append(path, name);
    return path.str().str();
  };
  std::string path = replacement.empty() ? inDirectory("chat_template.jinja") : replacement.str();
  if (!replacement.empty() || isPresent(path)) {
    llvm::Expected<ChatTemplate> found = readChatTemplate(path);
    if (!found)
      return found.takeError();
    return std::optional<ChatTemplate>(std::move(*found));
  }
  for (llvm::StringRef name : {"chat_template.json", "tokenizer_config.json"}) {
    std::string path = inDirectory(name);
    if (!isPresent(path))
      continue;
    llvm::Expected<std::optional<std::string>> text = templateInJson(path);
    if (!text)
      return text.takeError();
    if (!*text)
      continue;
    llvm::Expected<ChatTemplate> found = parseChatTemplate(**text, path, "chat_template");
    if (!found)
      return found.takeError();
    return std::optional<ChatTemplate>(std::move(*found));
  }
  return std::optional<ChatTemplate>();
}
