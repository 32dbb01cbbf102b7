// The serialised program: the same text gives the same bytes, and damaged bytes are refused or render
// something or fail, but never crash.
#include "TemplateTest.h"

#include "runtime/TemplateProgram.h"

#include <cstring>
#include <random>

namespace gemmac::test {
namespace {

const std::string &largeTemplate() {
  static const std::string text =
      slurp(std::string(GEMMAC_TEST_INPUTS) + "/goldens/a4b-tiny/chat_template.jinja");
  return text;
}

const char *check(const std::string &program) {
  std::vector<uint64_t> aligned(program.size() / 8 + 1);
  std::memcpy(aligned.data(), program.data(), program.size());
  return checkTemplateProgram(aligned.data(), program.size());
}

TEST(Program, sameTextSameBytes) {
  EXPECT_EQ(programOf(largeTemplate()), programOf(largeTemplate()));
  EXPECT_EQ(check(programOf(largeTemplate())), nullptr);
  EXPECT_EQ(check(programOf("")), nullptr);
}

TEST(Program, headerIsChecked) {
  const std::string whole = programOf("{{ a }}");
  EXPECT_STREQ(check(whole.substr(0, 31)), "template: shorter than its header");
  EXPECT_STREQ(check(whole.substr(0, whole.size() - 1)), "template: its size is not that of its section");
  std::string bad = whole;
  bad[0] ^= 1;
  EXPECT_STREQ(check(bad), "template: wrong magic");
  bad = whole;
  bad[sizeof(TemplateHeader) - 16] ^= 1; // nodes
  EXPECT_STREQ(check(bad), "template: its tables do not fill its size");
}

TEST(Program, operandsAreChecked) {
  TemplateProgramInput in;
  const auto wrong = [&](std::vector<TemplateNode> nodes, std::vector<uint32_t> lists = {}) {
    in.nodes = std::move(nodes);
    in.lists = std::move(lists);
    in.strings = {"x"};
    const char *message = check(writeTemplateProgram(in));
    return std::string(message ? message : "");
  };
  const std::string range = "template: a node's operands are out of range";
  const auto node = [](TemplateOp op, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0, uint32_t d = 0,
                       uint8_t aux = 0) { return TemplateNode{op, aux, 1, 1, a, b, c, d}; };
  EXPECT_EQ(wrong({node(TemplateOp::Name, 0)}), "");
  EXPECT_EQ(wrong({node(TemplateOp::Name, 1)}), range);
  EXPECT_EQ(wrong({node(TemplateOp::Not, 0)}), range) << "itself";
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Not, 0)}), "");
  EXPECT_EQ(wrong({node(TemplateOp::None, 5)}), range) << "an operand where there is none";
  EXPECT_EQ(wrong({node(TemplateOp::Count)}), range);
  EXPECT_EQ(wrong({node(TemplateOp::List, 0)}, {1}), range) << "a list beyond the end";
  EXPECT_EQ(wrong({node(TemplateOp::List, 0)}, {0}), "");
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Function, 0)}, {1, 0}), range) << "half a pair";
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Binary, 0, 0, 0, 0, 7)}), range);
  const uint8_t replace = static_cast<uint8_t>(TemplateFilter::Replace);
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Filter, 0, 0, 0, 0, replace)}, {1, 0}), range);
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Filter, 0, 0, 0, 0, replace)}, {2, 0, 0}), "");
  EXPECT_EQ(wrong({node(TemplateOp::None), node(TemplateOp::Filter, 0, 0, 0, 0, replace)}, {4, 0, 0, 0, 0}),
            range);
  std::vector<TemplateNode> deep{node(TemplateOp::None)};
  for (uint32_t i = 0; i < 1000; ++i)
    deep.push_back(node(TemplateOp::Not, i));
  EXPECT_EQ(wrong(deep), "template: nested too deeply");
}

TEST(Program, damagedBytesNeverCrash) {
  const std::string whole = programOf(largeTemplate());
  const Json all = Json::parse(slurp(std::string(GEMMAC_TEST_INPUTS) + "/template/conversations.json"));
  rt::jinja::Limits small;
  small.steps = 20000;
  small.bytes = 1 << 22;
  std::mt19937_64 random(7);
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string bad = whole;
    for (int n = 0; n <= i % 3; ++n)
      bad[sizeof(TemplateHeader) + random() % (bad.size() - sizeof(TemplateHeader))] =
          static_cast<char>(random());
    const Json &c = all[random() % all.size()];
    try {
      renderProgram(bad, {{"messages", c["messages"]}, {"tools", c["tools"]}, {"options", c["options"]}},
                    small);
      ++accepted;
    } catch (const rt::Failure &) {
    }
  }
  EXPECT_GT(accepted, 100) << "most of the text may change without harm";
}

} // namespace
} // namespace gemmac::test
