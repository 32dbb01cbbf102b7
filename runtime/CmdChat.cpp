// chat: a conversation, line by line. The KV cache keeps what a new prompt has in common with what was
// computed.
#include "runtime/Commands.h"
#include "runtime/Conversation.h"
#include "runtime/Failure.h"
#include "runtime/Generate.h"
#include "runtime/Output.h"
#include "runtime/Signals.h"
#include "runtime/Thoughts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <unistd.h>

namespace gemmac::rt {

namespace {

class Chat {
public:
  Chat(const Program &program, const Options &options)
      : program_(program), options_(options), tokenizer_(program.payload.tokenizer()),
        conversation_(program, options, tokenizer_),
        session_(program.manifest, openExecutor(program, options), contextOf(program, options)),
        sampler_(samplingOf(program.manifest.sampling, options), program.manifest.vocab,
                 program.manifest.softcap, program.manifest.suppress) {}

  int run() {
    const bool terminal = isatty(0);
    if (terminal)
      std::fprintf(stderr,
                   "%s: /reset forgets the conversation, /exit or Ctrl-D ends it, Ctrl-C stops an answer\n",
                   program_.manifest.name.c_str());
    while (const std::optional<std::string> line = readLine(terminal)) {
      if (*line == "/exit")
        return kDone;
      if (*line == "/reset")
        conversation_.clear();
      else if (line->find_first_not_of(" \t\r") != line->npos)
        turn(*line);
    }
    if (interrupted())
      return kInterrupted;
    if (terminal)
      std::fputs("\n", stderr);
    return kDone;
  }

private:
  /// One line of stdin without its end; nothing at its end or on Ctrl-C.
  static std::optional<std::string> readLine(bool terminal) {
    if (terminal)
      std::fputs("> ", stderr);
    std::string line;
    if (!rt::readLine(line) || interrupted())
      return std::nullopt;
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    return line;
  }

  void turn(const std::string &text) {
    const size_t before = conversation_.messages();
    try {
      conversation_.user(text);
      std::vector<int32_t> ids = conversation_.prompt();
      checkPrompt(program_, options_, ids);
      answer(std::move(ids));
    } catch (const Interrupted &) {
      computed_.clear(); // where the prompt was cut is not known
      forgetInterrupt();
      conversation_.keep(before);
      note("stopped before the answer; the last line is forgotten");
    } catch (const Failure &f) {
      if (f.code != kBadInput)
        throw;
      conversation_.keep(before);
      note(cat(f.what(), "; the last line is forgotten, /reset starts anew"));
    }
  }

  /// How many of `ids` need not be computed again: those that the cache holds, at most all but one.
  size_t reuse(const std::vector<int32_t> &ids) {
    const auto ends = std::mismatch(ids.begin(), ids.end() - 1, computed_.begin(), computed_.end());
    const int64_t same = ends.first - ids.begin();
    if (computed_.empty() || !session_.canRewind(same)) {
      session_.reset();
      return 0;
    }
    session_.rewind(same);
    return static_cast<size_t>(same);
  }

  void answer(std::vector<int32_t> ids) {
    std::string said, thought;
    const size_t known = reuse(ids);
    computed_.clear(); // until it is known again
    ThoughtFilter filter(
        [&](std::string_view s) {
          said += s;
          if (!options_.printIds)
            writeOut(s);
        },
        [&](std::string_view s) {
          thought += s;
          std::fwrite(s.data(), 1, s.size(), stderr);
        });
    GenerateOptions generation;
    generation.limit = options_.limit.value_or(INT64_MAX);
    generation.ignoreEos = options_.ignoreEos;
    generation.stops = options_.stops;
    const GenerateResult result =
        generate(session_, sampler_, tokenizer_, program_.manifest, std::span(ids).subspan(known), generation,
                 [&](const std::string &s) { filter.feed(s); });
    filter.finish();
    writeOut(options_.printIds ? idList(result.ids) + "\n" : "\n");
    ids.insert(ids.end(), result.ids.begin(), result.ids.end());
    ids.resize(std::min(ids.size(), static_cast<size_t>(session_.position())));
    computed_ = std::move(ids);
    conversation_.model(said, thought);
    if (result.reason == StopReason::Context)
      note(cat("the context of ", session_.context(), " tokens is full; /reset starts anew"));
    if (result.reason == StopReason::Interrupt)
      forgetInterrupt();
  }

  const Program &program_;
  const Options &options_;
  const Tokenizer tokenizer_;
  Conversation conversation_;
  Session session_;
  Sampler sampler_;
  std::vector<int32_t> computed_; ///< the ids whose keys and values the session holds
};

} // namespace

int chatCommand(const Program &program, const Options &options) { return Chat(program, options).run(); }

} // namespace gemmac::rt
