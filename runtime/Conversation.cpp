// See Conversation.h.
#include "runtime/Conversation.h"

#include "runtime/Commands.h"
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/Utf8.h"

namespace gemmac::rt {

ChatTemplate openTemplate(const Program &program, const Tokenizer &tokenizer) {
  if (!program.manifest.hasTemplate)
    throw Failure(kBadUsage, "this checkpoint has no chat template; compile it with --chat-template=FILE");
  std::vector<std::pair<std::string, std::string>> tokens;
  const auto add = [&](const char *name, int32_t id) {
    if (id >= 0)
      tokens.emplace_back(name, tokenizer.decode(std::span(&id, 1)));
  };
  add("bos_token", tokenizer.bos());
  add("eos_token", tokenizer.eos());
  add("unk_token", tokenizer.unk());
  add("pad_token", tokenizer.pad());
  return ChatTemplate(program.payload.chatTemplate(), std::move(tokens));
}

Conversation::Conversation(const Program &program, const Options &options, const Tokenizer &tokenizer)
    : options_(options), tokenizer_(tokenizer), template_(openTemplate(program, tokenizer)) {
  if (options.think.value_or(false) && !template_.uses("enable_thinking"))
    throw Failure(kBadUsage, "--think on: this checkpoint's chat template knows no thinking");
  clear();
}

void Conversation::add(const char *role, const std::string &text, const std::string &thought) {
  if (!validUtf8(text))
    throw Failure(kBadInput, cat("the text of role ", role, " is not UTF-8; convert it, or use --raw"));
  std::string message = cat(R"({"role":")", role, R"(","content":)", jsonText(text, false));
  if (!thought.empty())
    message += cat(R"(,"reasoning_content":)", jsonText(thought, false));
  messages_.push_back(message + "}");
}

void Conversation::user(const std::string &text) { add("user", text, ""); }

void Conversation::model(const std::string &text, const std::string &thought) {
  add("assistant", text, thought);
}

void Conversation::clear() {
  messages_.clear();
  if (options_.system)
    add("system", *options_.system, "");
}

std::vector<int32_t> Conversation::prompt() const {
  std::string json = R"({"messages":[)";
  for (size_t i = 0; i < messages_.size(); ++i)
    json += cat(i ? "," : "", messages_[i]);
  json += R"(],"options":{"add_generation_prompt":true)";
  if (options_.think)
    json += *options_.think ? R"(,"enable_thinking":true)" : R"(,"enable_thinking":false)";
  std::vector<int32_t> ids = tokenizer_.encode(template_.render(json + "}}", "the conversation"));
  if (tokenizer_.bos() >= 0 && (ids.empty() || ids[0] != tokenizer_.bos()))
    ids.insert(ids.begin(), tokenizer_.bos());
  return ids;
}

} // namespace gemmac::rt
