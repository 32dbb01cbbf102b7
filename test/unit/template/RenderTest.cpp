// Rendered text against jinja2's own (test/Inputs/template/cases.json) and against the golden conversations.
#include "TemplateTest.h"

#include <filesystem>

namespace gemmac::test {
namespace {

const std::string kInputs = GEMMAC_TEST_INPUTS;

TEST(Render, asJinja2Does) {
  const Json all = Json::parse(slurp(kInputs + "/template/cases.json"));
  ASSERT_GT(all["cases"].size(), 70u);
  for (const Json &c : all["cases"]) {
    const std::string source = c["template"], got = render(source, all["input"]);
    if (c.contains("error"))
      EXPECT_EQ(got.compare(0, 7, "error: "), 0) << source << "\n" << got;
    else
      EXPECT_EQ(got, c["text"].get<std::string>()) << source;
  }
}

TEST(Render, whiteSpaceAsJinja2Does) {
  const Json all = Json::parse(slurp(kInputs + "/template/cases.json"));
  ASSERT_GT(all["spaces"].size(), 500u);
  for (const Json &c : all["spaces"])
    EXPECT_EQ(render(c[0]), c[1].get<std::string>()) << c[0];
}

TEST(Render, goldenConversations) {
  const Json all = Json::parse(slurp(kInputs + "/template/conversations.json"));
  ASSERT_EQ(all.size(), 37u);
  for (const auto &[key, model] : {std::pair("large", "a4b-tiny"), std::pair("small", "e2b-tiny")}) {
    const std::string program = programOf(slurp(kInputs + "/goldens/" + model + "/chat_template.jinja"));
    for (const Json &c : all)
      EXPECT_EQ(renderProgram(
                    program, {{"messages", c["messages"]}, {"tools", c["tools"]}, {"options", c["options"]}}),
                c[key].get<std::string>())
          << key << " " << c["name"];
  }
}

/// The templates as published, where GEMMAC_MODELS has them
/// (goldens/chat/fetch_published_templates.py).
TEST(Render, publishedTemplates) {
  const std::string folder = std::string(GEMMAC_MODELS) + "/",
                    goldens = std::string(GEMMAC_SHARED) + "/goldens/chat/conversations.json";
  if (!std::filesystem::exists(folder + "google-gemma-4-31B-it.jinja") || !std::filesystem::exists(goldens))
    GTEST_SKIP() << "no published templates in " << folder;
  int compared = 0;
  for (const Json &c : Json::parse(slurp(goldens))) {
    Json texts = c["other_templates"];
    texts[c["template_file"].get<std::string>()] = c["rendered"];
    for (const auto &[file, want] : texts.items()) {
      const Json conversation = {
          {"messages", c["messages"]}, {"tools", c["tools"]}, {"options", c["options"]}};
      EXPECT_EQ(renderProgram(programOf(slurp(folder + file)), conversation), want.get<std::string>())
          << file << " " << c["name"];
      ++compared;
    }
  }
  EXPECT_EQ(compared, 120);
}

TEST(Render, thinkingOnAndOff) {
  const auto ask = [](const char *model, const Json &options) {
    return render(slurp(kInputs + "/goldens/" + model + "/chat_template.jinja"),
                  {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}, {"options", options}});
  };
  const Json on = {{"enable_thinking", true}}, off = {{"enable_thinking", false}}, unsaid = Json::object();
  const std::string user = "<|turn>user\nHi<turn|>\n<|turn>model\n",
                    think = "<bos><|turn>system\n<|think|>\n<turn|>\n";
  for (const char *model : {"a4b-tiny", "e2b-tiny"})
    EXPECT_EQ(ask(model, on), think + user) << model;
  for (const Json &options : {off, unsaid}) {
    EXPECT_EQ(ask("a4b-tiny", options), "<bos>" + user + "<|channel>thought\n<channel|>");
    EXPECT_EQ(ask("e2b-tiny", options), "<bos>" + user);
  }
  EXPECT_EQ(ask("gemma3-tiny", unsaid), "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
}

TEST(Render, variablesThatAreAlwaysThere) {
  EXPECT_EQ(render("{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ bos_token }}{{ "
                   "eos_token }}"),
            "TrueTrueTrue<bos><eos>");
  EXPECT_EQ(render("{{ tools }}{{ add_generation_prompt }}",
                   {{"tools", Json::array()}, {"options", {{"add_generation_prompt", false}}}}),
            "[]False");
  EXPECT_EQ(render("{{ x }}{{ x is defined }}"), "False");
  EXPECT_EQ(render("{{ strftime_now('%Y')|length }}"), "4");
}

/// Of equal keys the last counts, and whole numbers beyond 64 bits stay what they are.
TEST(Render, readsJsonAsPythonDoes) {
  const std::string program = programOf("{{ messages }}{{ n }}{{ n|tojson }}{{ n == n }}{{ m }}");
  const rt::ChatTemplate chat({program.data(), program.size()}, {});
  EXPECT_EQ(chat.render(R"({"messages": [{"a": 1, "b": 2, "a": 3}],
                            "options": {"n": -98765432109876543210, "m": 18446744073709551615}})",
                        "input"),
            "[{'a': 3, 'b': 2}]-98765432109876543210-98765432109876543210True18446744073709551615");
  std::string wide = R"({"messages": [{)"; // a dict of many keys takes another road
  for (int i = 0; i < 20; ++i)
    wide += "\"k" + std::to_string(i % 15) + "\": " + std::to_string(i) + ",";
  wide.back() = '}';
  const std::string count =
      programOf("{{ messages[0]|length }} {{ messages[0].k0 }} {{ messages[0]|first }}");
  EXPECT_EQ(rt::ChatTemplate({count.data(), count.size()}, {}).render(wide + "]}", "input"), "15 15 k0");
}

} // namespace
} // namespace gemmac::test
