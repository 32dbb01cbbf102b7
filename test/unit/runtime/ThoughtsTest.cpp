// What a model thinks and what it says, told apart however the text is cut.
#include "runtime/Thoughts.h"

#include <gtest/gtest.h>

namespace gemmac::rt {
namespace {

struct Parts {
  std::string answer, thought;
};

Parts split(std::string_view text, size_t piece) {
  Parts parts;
  ThoughtFilter filter([&](std::string_view s) { parts.answer += s; },
                       [&](std::string_view s) { parts.thought += s; });
  for (size_t i = 0; i < text.size(); i += piece)
    filter.feed(text.substr(i, piece));
  filter.finish();
  return parts;
}

TEST(Thoughts, areNotTheAnswer) {
  const struct {
    const char *text, *answer, *thought;
  } cases[] = {
      {"plain", "plain", ""},
      {"<|channel>thought\nhm, <b>\n<channel|>Yes.", "Yes.", "hm, <b>\n"},
      {"<|channel>thought\n<channel|>Yes.", "Yes.", ""},
      {"<|channel>thought\n<channel|><|channel>thought\na<channel|>b", "b", "a"},
      {"a<|channel>thought\nb<channel|>c", "ac", "b"},
      {"<channel|>stray", "stray", ""},
      {"<|channel>thought\nnever closed", "", "never closed"},
      {"<|channel>thought", "", ""},
      {"ends like one <|chan", "ends like one <|chan", ""},
      {"a <channel b <|channe| c", "a <channel b <|channe| c", ""},
      {"", "", ""},
  };
  for (const auto &c : cases)
    for (size_t piece : {1, 2, 3, 7, 100}) {
      const Parts parts = split(c.text, piece);
      EXPECT_EQ(parts.answer, c.answer) << c.text << " by " << piece;
      EXPECT_EQ(parts.thought, c.thought) << c.text << " by " << piece;
    }
}

/// What is certain is shown at once.
TEST(Thoughts, holdBackOnlyDelimiters) {
  std::string shown;
  ThoughtFilter filter([&](std::string_view s) { shown += s; }, [](std::string_view) {});
  filter.feed("abc <");
  EXPECT_EQ(shown, "abc ");
  filter.feed("|x");
  EXPECT_EQ(shown, "abc <|x");
}

} // namespace
} // namespace gemmac::rt
