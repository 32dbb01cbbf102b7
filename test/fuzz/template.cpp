// Chat templates: any text is refused or becomes a program; any program, also a damaged one, renders within
// its bounds or fails with a message. An input is a template, perhaps followed by a line %% and a
// conversation as JSON; or it is a program.
#include "frontend/ChatTemplate.h"
#include "runtime/ChatTemplate.h"
#include "runtime/Failure.h"
#include "runtime/Utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

using namespace gemmac;

static constexpr std::string_view kConversation =
    R"({"messages":[{"role":"system","content":" Be brief. "},{"role":"user","content":[{"type":"text","text":"Hé"},
{"type":"image"}]},{"role":"assistant","content":null,"reasoning":"hm","tool_calls":[{"id":"1","function":{"name":"f",
"arguments":{"b":[1,2.5,true,null],"a":{"x":"y"}}}}]},{"role":"tool","tool_call_id":"1","content":"20 C"}],
"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":
{"type":"string","enum":["p","q"]}},"required":["a"]}}}],"options":{"enable_thinking":true,"n":7,"s":"aΣ ß"}})";

/// `whole`: the program is a parser's, so that text stays UTF-8; a damaged one may cut its own strings
/// anywhere.
static void renderProgram(std::span<const char> program, std::string_view conversation, bool whole) {
  rt::jinja::Limits limits;
  limits.steps = 200000;
  limits.bytes = 16 << 20;
  limits.text = 1 << 20;
  limits.depth = 1000; // frames are large where they are instrumented
  try {
    const rt::ChatTemplate chat(program, {{"bos_token", "<bos>"}});
    const std::string text = chat.render(conversation, "input", limits);
    if (text.size() > limits.text || (whole && !rt::validUtf8(text)))
      std::abort();
  } catch (const rt::Failure &) {
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view input(reinterpret_cast<const char *>(data), size);
  if (input.starts_with("GMTPL1")) {
    std::string program(input);
    if (size >= sizeof(TemplateHeader)) { // the size is right, so that what lies behind it is looked at
      const uint64_t bytes = size;
      std::memcpy(program.data() + offsetof(TemplateHeader, bytes), &bytes, sizeof bytes);
    }
    renderProgram(program, kConversation, false);
    return 0;
  }
  const size_t cut = input.find("\n%%\n");
  const std::string_view text = input.substr(0, cut);
  auto parsed = parseChatTemplate(llvm::StringRef(text.data(), text.size()), "fuzz", "");
  if (!parsed) {
    if (llvm::toString(parsed.takeError()).empty())
      std::abort();
    return 0;
  }
  renderProgram(parsed->program, cut == input.npos ? kConversation : input.substr(cut + 4), true);
  return 0;
}
