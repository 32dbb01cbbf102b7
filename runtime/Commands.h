// The commands of an executable. Each takes the opened program and its options and returns an exit code;
// failures are exceptions. stdout carries the answer only.
#pragma once

#include "runtime/Executor.h"
#include "runtime/Model.h"
#include "runtime/Options.h"
#include "runtime/Sampler.h"
#include "runtime/Targets.h"
#include "runtime/Tokenizer.h"

#include <chrono>
#include <memory>

namespace gemmac::rt {

/// The executable while it runs.
struct Program {
  std::chrono::steady_clock::time_point start;
  std::string path; ///< as the user called it
  const Targets &targets;
  const Manifest &manifest; ///< of the target in use
  Payload &payload;
};

int runCommand(const Program &program, const Options &options);
int logitsCommand(const Program &program, const Options &options);
int perplexityCommand(const Program &program, const Options &options);
int chatCommand(const Program &program, const Options &options);
int renderCommand(const Program &program, const Options &options);
int tokenizeCommand(const Program &program, const Options &options);
int benchCommand(const Program &program, const Options &options);
int infoCommand(const Program &program, const Options &options);
int verifyCommand(const Program &program, const Options &options);

/// main() with its surroundings as arguments: `payloadPath` is the file that holds the payload. Returns the
/// exit code.
int rtMain(int argc, const char *const *argv, const GmModels &models, const std::string &payloadPath);

// Shared by commands.

/// The ids to compute from --ids, -p, -f or stdin; checks templates, ids and the context.
std::vector<int32_t> promptIds(const Program &program, const Options &options, const Tokenizer &tokenizer);
/// What computes the model's steps, with the weights; -v describes it. Call once.
std::unique_ptr<Executor> openExecutor(const Program &program, const Options &options);
/// The context to run with; fails with exit 2 if -c exceeds what was compiled.
int64_t contextOf(const Program &program, const Options &options);
/// Checks the ids of a prompt: in the vocabulary, at least one, within the context.
void checkPrompt(const Program &program, const Options &options, const std::vector<int32_t> &ids);
SamplingParams samplingOf(const SamplingDefaults &defaults, const Options &options);
/// "[2,5,7]"
std::string idList(const std::vector<int32_t> &ids);
constexpr uint64_t kMostText = 256ull << 20; ///< of a text that need not fit the context
/// All of it; exit 1 beyond `most` bytes.
std::string readFile(const std::string &path, uint64_t most);
std::string readStdin(uint64_t most);
/// The next line of stdin without its end; false at the end of stdin. Fails on reading errors and on a line
/// beyond 64 MiB.
bool readLine(std::string &line);
void note(const std::string &text);

} // namespace gemmac::rt
