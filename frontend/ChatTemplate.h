// The checkpoint's chat template: found among its files, parsed, and turned into the program that the
// executable renders (runtime/TemplateProgram.h). A template that parsed uses nothing that the runtime lacks.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>

namespace gemmac {

struct ChatTemplate {
  std::string source;  ///< where it came from, for notes: the file's name
  std::string program; ///< serialised, ready for the executable
};

/// Parses `text`. Messages name `file`, `field` (may be empty) and line and column.
llvm::Expected<ChatTemplate> parseChatTemplate(llvm::StringRef text, llvm::StringRef file,
                                               llvm::StringRef field);

/// Reads and parses a file that holds a template and nothing else.
llvm::Expected<ChatTemplate> readChatTemplate(llvm::StringRef path);

/// The template of a checkpoint directory: `replacement`, a file, unless that is empty; else
/// chat_template.jinja, else chat_template.json, else the entry of tokenizer_config.json (one template, or a
/// list of named ones of which "default" counts); none if there is none.
llvm::Expected<std::optional<ChatTemplate>> findChatTemplate(llvm::StringRef directory,
                                                             llvm::StringRef replacement);

} // namespace gemmac
