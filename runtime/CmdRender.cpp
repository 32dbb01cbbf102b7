// render: a conversation as JSON on stdin -> the prompt that the chat template makes of it, and nothing else.
#include "runtime/Commands.h"
#include "runtime/Conversation.h"
#include "runtime/Failure.h"
#include "runtime/Output.h"

namespace gemmac::rt {

int renderCommand(const Program &program, const Options &) {
  const Tokenizer tokenizer(program.payload.tokenizer());
  const ChatTemplate chat = openTemplate(program, tokenizer);
  writeOut(chat.render(readStdin(kMostText), "stdin"));
  return kDone;
}

} // namespace gemmac::rt
