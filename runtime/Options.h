// The command line of every executable (docs/architecture.md): parsed and range-checked here, so that
// commands can rely on what they get. Wrong usage is a Failure with exit 2.
#pragma once

#include "runtime/Payload.h"
#include "runtime/Topology.h"

#include <optional>
#include <string>
#include <vector>

namespace gemmac::rt {

enum class Command { Run, Chat, Render, Logits, Perplexity, Tokenize, Detokenize, Bench, Info, Verify };
enum class BenchFormat { Markdown, Csv, Json };

struct Options {
  Command command = Command::Run;
  // Input: exactly one of these for run and logits; a file for perplexity.
  std::optional<std::string> prompt, file;
  bool fromStdin = false;
  std::optional<std::vector<int32_t>> ids;
  bool raw = false;
  std::optional<std::string> system; ///< text of a system message in front
  std::optional<bool> think;
  // Session.
  std::optional<int64_t> context;
  int workers = 0; ///< 0 until settleWorkers(): not given
  Pin pin = Pin::Auto;
  HugePages hugePages = HugePages::Auto;
  bool verbose = false;
  std::optional<std::string> march; ///< the target to use; default: the best that the machine can run
  // Answer.
  std::optional<int64_t> limit;
  std::optional<uint64_t> seed;
  std::optional<double> temperature, topP, minP, repeatPenalty;
  std::optional<int64_t> topK;
  std::vector<std::string> stops;
  bool ignoreEos = false, perf = true, printIds = false;
  // logits, info
  bool all = false, json = false;
  std::string output;
  // perplexity
  int64_t window = 512;
  std::optional<int64_t> windows;
  // bench
  std::vector<int64_t> benchPrompt{512}, benchAnswer{128}, benchDepth{0};
  int64_t repetitions = 5;
  BenchFormat format = BenchFormat::Markdown;
  bool phases = false;
  // run, bench
  std::optional<std::string> trace; ///< the file of the trace
};

/// Sets the default number of workers where none was given. Only commands that use it do: it asks the system.
void settleWorkers(Options &options);

/// What to do: options, or a text to print (help).
struct Parsed {
  Options options;
  std::optional<std::string> print;
};
Parsed parseCommandLine(int argc, const char *const *argv);

/// "2,5,7"; fails with exit 2 naming `flag`.
std::vector<int32_t> parseIds(const std::string &flag, const std::string &text);

} // namespace gemmac::rt
