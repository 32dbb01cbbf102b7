// generation_config.json: defaults without a file, every value that counts, and what is refused.
#include "frontend/Config.h"

#include "TestFiles.h"

#include <unistd.h>

using namespace gemmac;
using namespace gemmac::test;

TEST(GenerationConfig, DefaultsAndValues) {
  TempDirectory directory;
  auto absent = loadGenerationConfig(directory.file("none.json"), 100);
  ASSERT_TRUE(static_cast<bool>(absent));
  EXPECT_TRUE(absent->eos.empty());
  EXPECT_EQ(absent->temperature, 1.0);
  EXPECT_FALSE(absent->doSample);

  auto read = [&](const Json &json) {
    return loadGenerationConfig(directory.write("generation_config.json", json.dump()), 100);
  };
  auto config = read({{"eos_token_id", {1, 50, 1}},
                      {"suppress_tokens", {7}},
                      {"do_sample", true},
                      {"temperature", 0.5},
                      {"top_k", 64},
                      {"top_p", 0.95},
                      {"min_p", 0.1},
                      {"repetition_penalty", 1.1}});
  ASSERT_TRUE(static_cast<bool>(config));
  EXPECT_EQ(config->eos, (std::vector<int64_t>{1, 50}));
  EXPECT_EQ(config->suppress, std::vector<int64_t>{7});
  EXPECT_TRUE(config->doSample);
  EXPECT_EQ(config->temperature, 0.5);
  EXPECT_EQ(config->topK, 64);
  EXPECT_EQ(config->topP, 0.95);
  EXPECT_EQ(config->minP, 0.1);
  EXPECT_EQ(config->repeatPenalty, 1.1);
  for (Json bad : {Json{{"eos_token_id", 100}}, Json{{"top_p", 0}}, Json{{"top_k", -1}},
                   Json{{"temperature", "hot"}}, Json{{"suppress_tokens", 1.5}}, Json{{"do_sample", 1}},
                   Json{{"repetition_penalty", 0}}, Json{{"min_p", 2}}, Json::array()})
    EXPECT_TRUE(contains(message(read(bad)), "generation_config.json: ")) << bad.dump();
  Json all = Json::array();
  for (int id = 0; id < 100; ++id)
    all.push_back(id);
  EXPECT_TRUE(contains(message(read({{"suppress_tokens", all}})), "found all 100 ids"));
  all.erase(0);
  EXPECT_EQ(message(read({{"suppress_tokens", all}})), "");

  std::string link = directory.file("link.json");
  ASSERT_EQ(symlink("nowhere", link.c_str()), 0);
  EXPECT_TRUE(
      contains(message(loadGenerationConfig(link, 100)), "link.json: is a link to a file that is not there"));
}
