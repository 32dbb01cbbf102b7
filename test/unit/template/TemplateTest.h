// Template text in, rendered text or a message out.
#pragma once

#include "TestPayload.h"
#include "frontend/ChatTemplate.h"
#include "runtime/ChatTemplate.h"
#include "runtime/Failure.h"

#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace gemmac::test {

using Json = nlohmann::ordered_json;

/// The program of a template that must parse.
inline std::string programOf(const std::string &text) {
  auto parsed = parseChatTemplate(text, "t.jinja", "");
  if (!parsed) {
    ADD_FAILURE() << llvm::toString(parsed.takeError());
    return {};
  }
  return parsed->program;
}

/// The message of a template that must not parse.
inline std::string refusal(const std::string &text) {
  auto parsed = parseChatTemplate(text, "t.jinja", "");
  return parsed ? "" : llvm::toString(parsed.takeError());
}

inline std::string renderProgram(const std::string &program, const Json &conversation,
                                 const rt::jinja::Limits &limits = {}) {
  const rt::ChatTemplate chat({program.data(), program.size()},
                              {{"bos_token", "<bos>"}, {"eos_token", "<eos>"}});
  return chat.render(conversation.dump(), "input", limits);
}

/// What `text` renders of `conversation`, or "error: .." if it does not.
inline std::string render(const std::string &text, Json conversation = Json::object(),
                          const rt::jinja::Limits &limits = {}) {
  if (!conversation.contains("messages"))
    conversation["messages"] = Json::array();
  const std::string program = programOf(text);
  if (program.empty())
    return "error: no program";
  try {
    return renderProgram(program, conversation, limits);
  } catch (const rt::Failure &failure) {
    return std::string("error: ") + failure.what();
  }
}

} // namespace gemmac::test
