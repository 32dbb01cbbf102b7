// Parts of a model's answer: what it thinks (<|channel>thought .. <channel|>, gemma4.md 7.2) and what it
// says. Works on a stream and never shows a piece of a delimiter. Models may think twice, or close a thought
// they did not open.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace gemmac::rt {

class ThoughtFilter {
public:
  using Show = std::function<void(std::string_view)>;
  /// Either may be called with any part of its text, in order.
  ThoughtFilter(Show answer, Show thought) : answer_(std::move(answer)), thought_(std::move(thought)) {}

  void feed(std::string_view text);
  /// The answer has ended: shows what was held back.
  void finish();

private:
  enum class State { Answer, Name, Thought };
  void show(std::string_view text);

  Show answer_, thought_;
  State state_ = State::Answer;
  std::string held_;
};

} // namespace gemmac::rt
