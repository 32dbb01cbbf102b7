// From the command line to a command, and from every exception to one message and an exit code.
#include "runtime/Commands.h"
#include "runtime/Conversation.h"
#include "runtime/Cpu.h"
#include "runtime/CpuExecutor.h"
#include "runtime/Device.h"
#include "runtime/Failure.h"
#include "runtime/Output.h"
#include "runtime/Signals.h"
#include "runtime/Topology.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace gemmac::rt {

void note(const std::string &text) { std::fprintf(stderr, "note: %s\n", text.c_str()); }

/// The rest of a stream. Not by iostreams: they report a folder by an exception of their own.
static std::string readAll(FILE *file, const std::string &name, uint64_t most) {
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) {
    if (n > most - text.size())
      throw Failure(kBadInput, cat(name, " has more than ", most,
                                   " bytes, which is the most that is read here; shorten it"));
    text.append(buffer, n);
  }
  if (interrupted())
    throw Interrupted();
  if (std::ferror(file))
    throw Failure(kBadInput, cat("cannot read ", name, ": ", std::strerror(errno)));
  return text;
}

std::string readFile(const std::string &path, uint64_t most) {
  const std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file)
    throw Failure(kBadInput, cat("cannot read '", path, "': ", std::strerror(errno)));
  return readAll(file.get(), cat("'", path, "'"), most);
}

std::string readStdin(uint64_t most) { return readAll(stdin, "stdin", most); }

bool readLine(std::string &line) {
  constexpr size_t kMostLine = 64 << 20;
  line.clear();
  for (int c; (c = std::getc(stdin)) != EOF;) {
    if (c == '\n')
      return true;
    if (line.size() == kMostLine)
      throw Failure(kBadInput, cat("stdin: found a line of more than ", kMostLine, " bytes; shorten it"));
    line += static_cast<char>(c);
  }
  if (std::ferror(stdin) && !interrupted())
    throw Failure(kBadInput, cat("cannot read stdin: ", std::strerror(errno)));
  return !line.empty();
}

std::unique_ptr<Executor> openExecutor(const Program &program, const Options &o) {
  const Manifest &m = program.manifest;
  const char *weights = program.payload.mapWeights(o.hugePages);
  std::unique_ptr<Executor> executor =
      m.device ? m.device->open(m, {weights, program.payload.weightBytes()})
               : std::make_unique<CpuExecutor>(m, weights, o.workers, thisMachine().pinned(o.workers, o.pin));
  if (o.verbose) {
    const ExecutorFacts facts = executor->facts();
    note(cat("computing on ", facts.gpu.empty() ? cpuName() : facts.gpu, ", ", facts.unit, ": ", facts.text));
    note(cat("memory: ", memoryText(facts.memory), "; ", sizeText(totalBytes(facts.memory)), " in all"));
  }
  return executor;
}

/// Flags about the CPU mean nothing where it computes nothing.
static void refuseCpuFlags(const Options &o) {
  if (o.march)
    throw Failure(kBadUsage,
                  "--march: this executable computes on a GPU, whose code is chosen at start; leave "
                  "it out (info shows what it has code for)");
  for (const auto &[given, flag] : {std::pair(o.workers != 0, "-t"), {o.pin != Pin::Auto, "--pin"}})
    if (given)
      throw Failure(kBadUsage,
                    cat(flag, ": this executable computes on a GPU, which has no workers to choose; "
                              "leave it out"));
  if (o.command == Command::Bench && o.phases)
    throw Failure(kBadUsage,
                  "--phases: a step is one kernel of the GPU, whose phases are not timed; leave it "
                  "out (--trace shows each step)");
}

int64_t contextOf(const Program &program, const Options &options) {
  const int64_t compiled = program.manifest.context;
  if (options.context.value_or(0) > compiled)
    throw Failure(kBadUsage, cat("-c: found ", *options.context, ", but the executable was compiled for ",
                                 compiled, " tokens; compile with --context=", *options.context));
  return options.context.value_or(compiled);
}

/// A token of a text rarely has more than 16 bytes, never on average: what is longer than this cannot fit.
static std::string promptText(const Options &o, int64_t context) {
  const uint64_t most = (1 << 20) + static_cast<uint64_t>(context) * 256;
  if (o.prompt)
    return *o.prompt;
  return o.file ? readFile(*o.file, most) : readStdin(most);
}

void checkPrompt(const Program &program, const Options &o, const std::vector<int32_t> &ids) {
  const Manifest &m = program.manifest;
  const int64_t context = contextOf(program, o);
  for (int32_t id : ids)
    if (id < 0 || id >= m.vocab)
      throw Failure(kBadInput, cat("token id ", id, " is not in the vocabulary, expected 0..", m.vocab - 1));
  if (ids.empty())
    throw Failure(kBadInput, "the prompt is empty, expected at least one token");
  if (static_cast<int64_t>(ids.size()) > context)
    throw Failure(kBadInput,
                  cat("the prompt has ", ids.size(), " tokens, the context holds ", context, "; shorten it",
                      context < m.context ? ", raise -c" : "", " or compile with a larger --context"));
}

std::vector<int32_t> promptIds(const Program &program, const Options &o, const Tokenizer &tokenizer) {
  const Manifest &m = program.manifest;
  const bool conversation = m.hasTemplate && !o.raw && !o.ids;
  const int64_t context = contextOf(program, o); // refuses -c before anything is read
  if (conversation && o.command == Command::Logits)
    throw Failure(kBadUsage, "logits of a text need --raw: it is taken as it is, without the chat template");
  if (!conversation && (o.system || o.think))
    throw Failure(kBadUsage,
                  cat(o.system ? "--system" : "--think", " needs the chat template, ",
                      m.hasTemplate ? "which --raw and --ids leave out" : "which this checkpoint lacks"));
  std::vector<int32_t> ids;
  if (o.ids) {
    ids = *o.ids;
  } else if (conversation) {
    Conversation chat(program, o, tokenizer);
    chat.user(promptText(o, context));
    ids = chat.prompt();
  } else {
    ids = tokenizer.encode(promptText(o, context));
    if (m.bos >= 0 && (ids.empty() || ids[0] != m.bos))
      ids.insert(ids.begin(), m.bos);
  }
  checkPrompt(program, o, ids);
  if (!m.hasTemplate && !o.ids && !o.raw)
    note("this checkpoint has no chat template: the text is continued as it is, as with --raw");
  return ids;
}

static int dispatch(const Program &program, const Options &o) {
  switch (o.command) {
  case Command::Info:
    return infoCommand(program, o);
  case Command::Verify:
    return verifyCommand(program, o);
  case Command::Tokenize:
  case Command::Detokenize:
    return tokenizeCommand(program, o);
  case Command::Run:
    return runCommand(program, o);
  case Command::Chat:
    return chatCommand(program, o);
  case Command::Render:
    return renderCommand(program, o);
  case Command::Logits:
    return logitsCommand(program, o);
  case Command::Perplexity:
    return perplexityCommand(program, o);
  case Command::Bench:
    return benchCommand(program, o);
  }
  return kBadUsage;
}

/// Commands that run no generated code work on any machine: what an executable needs can be asked anywhere.
static bool runsTheModel(Command c) {
  return c == Command::Run || c == Command::Chat || c == Command::Logits || c == Command::Perplexity ||
         c == Command::Bench;
}

/// Closed standard descriptors would become those of the executable itself, which would be read as stdin. In
/// their place comes what they cannot be used for: reading stdin, or writing to the others, fails.
static void openStandard() {
  for (int fd = 0; fd < 3; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
      throw Failure(kLacking, "cannot open /dev/null in the place of a closed stdin, stdout or stderr");
}

static int runProgram(int argc, const char *const *argv, const GmModels &models,
                      const std::string &payloadPath) {
  const auto start = std::chrono::steady_clock::now();
  openStandard();
  Targets targets(models);
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    const Manifest &manifest = targets.all().front();
    writeOut(cat(manifest.name, " (", manifest.quantize, ", compute ", manifest.compute,
                 "), compiled by gemmac ", manifest.version, "\n"));
    return kDone;
  }
  Parsed parsed = parseCommandLine(argc, argv);
  if (parsed.print) {
    writeOut(*parsed.print);
    return kDone;
  }
  const bool onCpu = !targets.all().front().device; // a program for a GPU has no other targets
  if (!onCpu)
    refuseCpuFlags(parsed.options);
  targets.choose(parsed.options.march);
  if (!targets.chosen().emulates.empty() && parsed.options.command == Command::Bench && parsed.options.phases)
    throw Failure(kBadUsage,
                  "--phases: this executable emulates a GPU, whose phases are not timed; leave it out");
  if (onCpu && (runsTheModel(parsed.options.command) || parsed.options.command == Command::Info))
    settleWorkers(parsed.options);
  if (runsTheModel(parsed.options.command)) {
    targets.requireChosen();
    if (onCpu && parsed.options.pin != Pin::Off)
      interleaveMemory(thisMachine());
  }
  installSignals(runsTheModel(parsed.options.command));
  Payload payload(payloadPath);
  return dispatch({start, argc > 0 ? argv[0] : "", targets, targets.chosen(), payload}, parsed.options);
}

int rtMain(int argc, const char *const *argv, const GmModels &models, const std::string &payloadPath) {
  const auto error = [](int code, const char *what) {
    std::fprintf(stderr, "error: %s\n", what);
    return code;
  };
  try {
    return runProgram(argc, argv, models, payloadPath);
  } catch (const Failure &f) {
    return error(f.code, f.what());
  } catch (const BrokenPipe &) {
    return kBadInput;
  } catch (const Interrupted &) {
    return kInterrupted;
  } catch (const std::bad_alloc &) {
    return error(kLacking, cat("out of memory (available: ", availableMemory(), " bytes)").c_str());
  } catch (const std::exception &e) {
    return error(kLacking, e.what());
  }
}

} // namespace gemmac::rt
