// A conversation and the prompt that the checkpoint's chat template makes of it.
#pragma once

#include "runtime/ChatTemplate.h"
#include "runtime/Options.h"
#include "runtime/Tokenizer.h"

#include <algorithm>
#include <string>
#include <vector>

namespace gemmac::rt {

struct Program;

/// The executable's chat template with the special tokens that templates name. Fails with exit 2 if it has
/// none.
ChatTemplate openTemplate(const Program &program, const Tokenizer &tokenizer);

class Conversation {
public:
  /// Takes --system and --think from the options.
  Conversation(const Program &program, const Options &options, const Tokenizer &tokenizer);

  void user(const std::string &text);
  /// What the model said, and what it thought before; the template decides what of it stays.
  void model(const std::string &text, const std::string &thought);
  size_t messages() const { return messages_.size(); }
  /// Forgets all messages but the first `n`.
  void keep(size_t n) { messages_.resize(std::min(n, messages_.size())); }
  /// Forgets all but --system.
  void clear();

  /// The rendered conversation up to where the model speaks, as ids with one <bos>.
  std::vector<int32_t> prompt() const;

private:
  void add(const char *role, const std::string &text, const std::string &thought);

  const Options &options_;
  const Tokenizer &tokenizer_;
  const ChatTemplate template_;
  std::vector<std::string> messages_; ///< each as JSON
};

} // namespace gemmac::rt
