// The chat template of an executable: a conversation as JSON -> the prompt's text, byte for byte what Hugging
// Face's apply_chat_template renders from the same Jinja text.
#pragma once

#include "runtime/TemplateValue.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemmac::rt {

class ChatTemplate {
public:
  /// `program` outlives the template; `tokens` are the names of special tokens that templates see (bos_token,
  /// ..). Fails with exit 3 if the program is damaged.
  ChatTemplate(std::span<const char> program, std::vector<std::pair<std::string, std::string>> tokens);

  /// `conversation`: {"messages": [..], "tools": [..], "documents": [..], "options": {..}}, of which only
  /// messages must be there. Options become variables; add_generation_prompt is true unless they say
  /// otherwise. Fails with exit 1, and `where` in front, if it is not that or the template refuses it.
  std::string render(std::string_view conversation, const std::string &where,
                     const jinja::Limits &limits = {}) const;

  /// Whether it looks at a variable of that name.
  bool uses(std::string_view variable) const;

private:
  std::vector<uint64_t> copy_; ///< the program, where it was not aligned
  const void *data_;
  std::vector<std::pair<std::string, std::string>> tokens_;
};

} // namespace gemmac::rt
