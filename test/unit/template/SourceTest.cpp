// Where the template of a checkpoint comes from, and which of several counts.
#include "TemplateTest.h"

#include <cstdlib>
#include <filesystem>

namespace gemmac::test {
namespace {

class Source : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "gemmac-template-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
    return folder + "/" + name;
  }
  /// What the folder's template renders, "none", or the message.
  std::string found(const std::string &replacement = "") {
    auto result = findChatTemplate(folder, replacement);
    if (!result)
      return llvm::toString(result.takeError());
    return *result ? renderProgram((*result)->program, {{"messages", Json::array()}}) : "none";
  }

  std::string folder;
};

TEST_F(Source, theFirstOfFour) {
  EXPECT_EQ(found(), "none");
  write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(found(), "config");
  write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(found(), "json");
  write("chat_template.jinja", "jinja");
  EXPECT_EQ(found(), "jinja");
  EXPECT_EQ(found(write("mine", "mine")), "mine");
}

TEST_F(Source, namedTemplates) {
  write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                                        {"name": "default", "template": "plain"}]})");
  EXPECT_EQ(found(), "plain");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "tools"}]})");
  EXPECT_NE(
      found().find(R"(chat_template: found an array of 1, expected a list with a template named "default")"),
      std::string::npos)
      << found();
  write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(found(), "none");
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_NE(found().find("tokenizer_config.json: chat_template: found 5, expected a template"),
            std::string::npos)
      << found();
}

TEST_F(Source, messagesNameTheFileAndThePlace) {
  const std::string json = write("tokenizer_config.json", R"({"chat_template": "a\n{{ x|nope }}"})");
  EXPECT_EQ(found(), json + ": chat_template, line 2, column 6: the filter 'nope' is not supported; give a "
                            "template that gemmac "
                            "can compile with --chat-template=FILE");
  const std::string jinja = write("chat_template.jinja", "{% if");
  EXPECT_EQ(
      found(),
      jinja +
          ": line 1, column 1: the tag that starts here has no %}; give a template that gemmac can compile "
          "with --chat-template=FILE");
  EXPECT_EQ(found(folder + "/absent"), folder + "/absent: cannot be read: no such file");
  EXPECT_EQ(found(folder), folder + ": is not a file, expected a chat template");
  std::filesystem::resize_file(write("long", ""), 2 << 20);
  EXPECT_EQ(found(folder + "/long"),
            folder + "/long: has 2097152 bytes, expected a chat template of at most 1048576");
}

} // namespace
} // namespace gemmac::test
