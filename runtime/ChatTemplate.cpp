// See ChatTemplate.h.
#include "runtime/ChatTemplate.h"

#include "runtime/Failure.h"
#include "runtime/TemplateInput.h"
#include "runtime/TemplateRender.h"

#include <ctime>

namespace gemmac::rt {

using namespace jinja;

ChatTemplate::ChatTemplate(std::span<const char> program,
                           std::vector<std::pair<std::string, std::string>> tokens)
    : data_(program.data()), tokens_(std::move(tokens)) {
  if (reinterpret_cast<uintptr_t>(data_) % 8 != 0) {
    copy_.resize((program.size() + 7) / 8);
    std::memcpy(copy_.data(), program.data(), program.size());
    data_ = copy_.data();
  }
  if (const char *wrong = checkTemplateProgram(data_, program.size()))
    throw Failure(kLacking, cat(wrong, "; copy the executable again or compile it again"));
}

bool ChatTemplate::uses(std::string_view variable) const {
  const TemplateProgram program(data_);
  for (uint32_t i = 0; i <= program.root(); ++i)
    if (program.node(i).op == TemplateOp::Name && program.string(program.node(i).a) == variable)
      return true;
  return false;
}

/// The local time in a format of strftime.
static std::string timeNow(const std::string &format) {
  if (format.empty())
    return "";
  const time_t now = std::time(nullptr);
  struct tm parts = {};
  localtime_r(&now, &parts);
  char text[512];
  const size_t n = std::strftime(text, sizeof text, format.c_str(), &parts);
  if (n == 0)
    throw Failure(kBadInput, "the chat template's time format gives no text, or one beyond 511 bytes");
  return {text, n};
}

namespace {
/// Variables that a template sees, collected from the conversation.
class Variables {
public:
  explicit Variables(const std::string &where) : where_(where) {
    put("messages", Value());
    put("tools", none());
    put("documents", none());
    put("add_generation_prompt", boolean(true));
  }

  void put(std::string_view name, Value value) {
    for (auto &[known, old] : list)
      if (known == name) {
        old = std::move(value);
        return;
      }
    list.emplace_back(name, std::move(value));
  }

  void read(const Value &conversation) {
    if (!conversation.is(Kind::Dict))
      wrong(cat("found a ", typeName(conversation), R"(, expected an object {"messages": [..]})"));
    for (const auto &[key, value] : conversation.dict->items) {
      const std::string_view name = key.text();
      if (name == "messages")
        checkMessages(value);
      else if (name == "options")
        options(value);
      else if ((name == "tools" || name == "documents") && !value.is(Kind::None) && !value.is(Kind::List))
        wrong(cat(name, ": found a ", typeName(value), ", expected a list"));
      if (name != "messages" && name != "tools" && name != "documents" && name != "options")
        wrong(cat("found '", name, "', expected messages, tools, documents or options"));
      if (name != "options")
        put(name, value);
    }
    if (list[0].second.is(Kind::Undefined))
      wrong("messages: missing, expected a list of messages");
  }

  std::vector<std::pair<std::string, Value>> list;

private:
  [[noreturn]] void wrong(const std::string &what) const {
    throw Failure(kBadInput, cat(where_, ": ", what));
  }

  void checkMessages(const Value &messages) {
    if (!messages.is(Kind::List))
      wrong(cat("messages: found a ", typeName(messages), ", expected a list of messages"));
    for (size_t i = 0; i < messages.list->items.size(); ++i)
      if (!messages.list->items[i].is(Kind::Dict))
        wrong(cat("messages[", i, "]: found a ", typeName(messages.list->items[i]),
                  R"(, expected an object {"role": "..", "content": ".."})"));
  }

  void options(const Value &value) {
    if (value.is(Kind::None))
      return;
    if (!value.is(Kind::Dict))
      wrong(cat("options: found a ", typeName(value), ", expected an object"));
    for (const auto &[key, option] : value.dict->items) {
      if (key.text() == "messages" || key.text() == "tools" || key.text() == "documents")
        wrong(cat("options: found '", key.text(), "', which stands beside options"));
      put(key.text(), option);
    }
  }

  const std::string &where_;
};
} // namespace

std::string ChatTemplate::render(std::string_view conversation, const std::string &where,
                                 const Limits &limits) const {
  Machine machine{TemplateProgram(data_), limits};
  Variables variables(where);
  for (const auto &[name, text] : tokens_)
    variables.put(name, fixed(text));
  variables.read(readJson(machine, conversation, where));
  return Renderer(machine, variables.list, timeNow).run();
}

} // namespace gemmac::rt
