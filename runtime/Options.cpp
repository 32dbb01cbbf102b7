// See Options.h. One function declares the flags of each group; a command is a list of groups. Values are
// parsed here and not by CLI11, which takes "" for 0 and says less.
#include "runtime/Options.h"

#include "runtime/Failure.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace gemmac::rt {

[[noreturn]] static void usage(const std::string &message) {
  throw Failure(kBadUsage, cat(message, " (see --help)"));
}

template <class T> static T parseNumber(const std::string &flag, const std::string &text, T lo, T hi) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The negation also refuses NaN.
  if (error != std::errc() || end != text.data() + text.size() || text.empty() ||
      !(value >= lo && value <= hi)) {
    if constexpr (std::is_integral_v<T>)
      usage(cat(flag, ": found '", text, "', expected an integer in ", lo, "..", hi));
    char range[64];
    std::snprintf(range, sizeof range, "%g..%g", static_cast<double>(lo), static_cast<double>(hi));
    usage(cat(flag, ": found '", text, "', expected a number in ", range));
  }
  return value;
}

static std::string_view trim(std::string_view text) {
  const size_t start = text.find_first_not_of(' ');
  return start == text.npos ? "" : text.substr(start, text.find_last_not_of(' ') + 1 - start);
}

static std::vector<int64_t> parseList(const std::string &flag, const std::string &text, int64_t lo,
                                      int64_t hi) {
  std::vector<int64_t> values;
  for (size_t start = 0;;) {
    const size_t comma = text.find(',', start);
    values.push_back(parseNumber<int64_t>(
        flag, std::string(trim(std::string_view(text).substr(start, comma - start))), lo, hi));
    if (comma == text.npos)
      return values;
    start = comma + 1;
  }
}

/// Refuses what cannot be meant: a worker waits for all others at each barrier, so many more than CPUs only
/// wait.
static int parseWorkers(const std::string &text, const Topology &machine) {
  int count = 0;
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || stop != end || count < 1 || count > mostWorkers(machine))
    usage(cat("-t,--threads: found '", text, "', expected an integer in 1..", mostWorkers(machine),
              ": this process may use ", machine.cpus.size(), machine.cpus.size() == 1 ? " CPU" : " CPUs"));
  return count;
}

std::vector<int32_t> parseIds(const std::string &flag, const std::string &text) {
  // Forgives the brackets of --print-ids, and blanks beside commas: "2 5" is not 25.
  std::string_view list = trim(text);
  if (list.size() >= 2 && list.front() == '[' && list.back() == ']')
    list = list.substr(1, list.size() - 2);
  const std::vector<int64_t> wide = parseList(flag, std::string(list), 0, INT32_MAX);
  return {wide.begin(), wide.end()};
}

namespace {

/// One command's flags while they are declared. Callbacks run later, in CLI11's parse: they hold the options,
/// not this.
class Flags {
public:
  Flags(CLI::App &app, Options &options) : app_(app), o_(options) {}

  template <class T, class Target>
  void number(const char *names, const char *help, Target &target, T lo, T hi) {
    value(names, help, [=, &target](const std::string &s) { target = parseNumber<T>(names, s, lo, hi); });
  }
  void text(const char *names, const char *help, std::optional<std::string> &target) {
    value(names, help, [&target](const std::string &s) { target = s; });
  }
  void list(const char *names, const char *help, std::vector<int64_t> &target, int64_t lo) {
    value(names, help, [=, &target](const std::string &s) { target = parseList(names, s, lo, INT32_MAX); });
  }
  void on(const char *names, const char *help, bool &target, bool to = true) {
    app_.add_flag_callback(names, [&target, to] { target = to; }, help);
  }
  void value(const char *names, const char *help, std::function<void(const std::string &)> f) {
    app_.add_option_function<std::string>(names, std::move(f), help);
  }

  void input() {
    text("-p,--prompt", "the prompt", o_.prompt);
    text("-f,--file", "a file with the prompt", o_.file);
    value("--ids", "token ids, comma separated, taken as they are",
          [&o = o_](const std::string &s) { o.ids = parseIds("--ids", s); });
    on("--raw", "take the text as it is: no chat template; <bos> is put in front if it is not there", o_.raw);
  }
  void session(bool withContext) {
    target();
    if (withContext)
      number<int64_t>("-c,--ctx", "context in tokens, at most what was compiled", o_.context, 1, INT32_MAX);
    workers();
    hugePages();
    on("-v,--verbose", "say on stderr what computes, and what memory it takes", o_.verbose);
  }
  void workers() {
    value("-t,--threads", "workers (default: the physical cores this process may use); not on a GPU",
          [&o = o_](const std::string &s) { o.workers = parseWorkers(s, thisMachine()); });
    value("--pin",
          "auto|on|off: whether each worker is bound to a CPU (off: nor memory spread over NUMA nodes); not "
          "on a GPU",
          [&o = o_](const std::string &s) {
            if (s != "auto" && s != "on" && s != "off")
              usage(cat("--pin: found '", s, "', expected auto, on or off"));
            o.pin = s == "on" ? Pin::On : s == "off" ? Pin::Off : Pin::Auto;
          });
  }
  void trace() {
    text("--trace", "write what each worker did when to a file, for Perfetto or chrome://tracing", o_.trace);
  }
  void hugePages() {
    value("--hugepages", "auto|map|copy|off: how the weights get 2 MiB pages",
          [&o = o_](const std::string &s) {
            if (s != "auto" && s != "map" && s != "copy" && s != "off")
              usage(cat("--hugepages: found '", s, "', expected auto, map, copy or off"));
            o.hugePages = s == "auto"  ? HugePages::Auto
                          : s == "map" ? HugePages::Map
                          : s == "off" ? HugePages::Off
                                       : HugePages::Copy;
          });
  }
  void target() {
    text("--march", "run the code for this target (info lists them; default: the best this machine can run)",
         o_.march);
  }
  void answer() {
    value("-n,--predict", "most tokens of the answer (default: until a stop id or the end of the context)",
          [&o = o_](const std::string &s) {
            if (s != "-1") // llama.cpp's word for no limit
              o.limit = parseNumber<int64_t>("-n", s, 0, INT32_MAX);
          });
    number<uint64_t>("-s,--seed", "seed of the sampling (default: random)", o_.seed, 0, UINT64_MAX);
    number<double>("--temp", "temperature, 0 = greedy", o_.temperature, 0, 1e6);
    number<int64_t>("--top-k", "draw from the k likeliest tokens, 0 = off", o_.topK, 0, INT32_MAX);
    number<double>("--top-p", "draw from the likeliest tokens that sum to p, 1 = off", o_.topP, 0, 1);
    number<double>("--min-p", "drop tokens below p times the likeliest, 0 = off", o_.minP, 0, 1);
    number<double>("--repeat-penalty", "penalty on the last 64 tokens, 1 = off", o_.repeatPenalty, 1e-3, 1e3);
    app_.add_option_function<std::vector<std::string>>(
            "--stop",
            [&o = o_](const std::vector<std::string> &texts) {
              if (std::any_of(texts.begin(), texts.end(), [](const std::string &s) { return s.empty(); }))
                usage("--stop: found an empty text, expected at least one character");
              o.stops = texts;
            },
            "end the answer before this text; may be repeated")
        ->allow_extra_args(false);
    on("--ignore-eos", "a stop id does not end the answer and is printed", o_.ignoreEos);
    on("--no-perf", "no summary on stderr", o_.perf, false);
    on("--print-ids", "print the answer's ids as one JSON array instead of text", o_.printIds);
  }
  void conversation() {
    text("--system", "a system message in front of the conversation", o_.system);
    value("--think", "on|off: whether the model thinks before it answers (default: as the template has it)",
          [&o = o_](const std::string &s) {
            if (s != "on" && s != "off")
              usage(cat("--think: found '", s, "', expected on or off"));
            o.think = s == "on";
          });
  }
  /// Known from the contract, not in this version: refused by name.
  void refused() {
    for (const char *name : {"--image", "--audio", "--video", "--fps", "--json-schema"})
      app_.add_option_function<std::string>(name,
                                            [name](const std::string &) {
                                              throw Failure(kBadUsage,
                                                            cat("'", name, "' is not supported yet"));
                                            })
          ->expected(0, 1)
          ->group("");
  }

private:
  CLI::App &app_;
  Options &o_;
};

struct Name {
  const char *name, *help;
  Command command;
};
constexpr Name kCommands[] = {
    {"run", "answer a prompt (the default)", Command::Run},
    {"chat", "a conversation, line by line", Command::Chat},
    {"render", "stdin one JSON of messages, tools, options -> the prompt by the chat template",
     Command::Render},
    {"logits", "write the logits of a prompt as .npy", Command::Logits},
    {"perplexity", "score a text", Command::Perplexity},
    {"tokenize", R"(stdin {"text":..} lines -> {"ids":[..]} lines)", Command::Tokenize},
    {"detokenize", R"(stdin {"ids":[..]} lines -> {"text":..} lines)", Command::Detokenize},
    {"bench", "measure prompt and answer speed", Command::Bench},
    {"info", "describe the compiled model", Command::Info},
    {"verify", "check every byte of the payload against its hash", Command::Verify},
};
constexpr const char *kLaterCommands[] = {"serve", "parse"};

void declare(CLI::App &app, Options &o, bool &dash) {
  Flags f(app, o);
  switch (o.command) {
  case Command::Run:
    f.input();
    app.add_option_function<std::string>(
        "stdin",
        [&dash](const std::string &s) {
          if (s != "-")
            usage(cat("found '", s, "', expected a command or a flag; a prompt is given by -p"));
          dash = true;
        },
        "`-`: read the prompt from stdin");
    f.conversation();
    f.answer();
    f.trace();
    f.session(true);
    f.refused();
    break;
  case Command::Chat:
    f.conversation();
    f.answer();
    f.session(true);
    f.refused();
    break;
  case Command::Logits:
    f.input();
    f.on("--all", "logits of every token: [tokens, vocab] instead of [vocab]", o.all);
    f.value("-o,--output", "the .npy file", [&o](const std::string &s) { o.output = s; });
    f.session(true);
    f.refused();
    break;
  case Command::Perplexity:
    f.text("-f,--file", "the text", o.file);
    f.number<int64_t>("-c,--ctx", "tokens of a window", o.window, 4, INT32_MAX);
    f.number<int64_t>("--chunks", "score only so many windows", o.windows, 1, INT32_MAX);
    f.session(false);
    break;
  case Command::Bench:
    f.list("-p,--n-prompt", "prompt lengths, 0 = none", o.benchPrompt, 0);
    f.list("-n,--n-gen", "answer lengths, 0 = none", o.benchAnswer, 0);
    f.list("-d,--n-depth", "tokens already in the context", o.benchDepth, 0);
    f.number<int64_t>("-r,--repetitions", "repetitions", o.repetitions, 1, 100000);
    f.value("-o,--output", "md|csv|json", [&o](const std::string &s) {
      if (s != "md" && s != "csv" && s != "json")
        usage(cat("-o: found '", s, "', expected md, csv or json"));
      o.format = s == "md" ? BenchFormat::Markdown : s == "csv" ? BenchFormat::Csv : BenchFormat::Json;
    });
    f.on("--phases", "mean time of each phase of a decode step; with -n 0, of a prompt's steps", o.phases);
    f.trace();
    f.session(true);
    break;
  case Command::Info:
    f.on("--json", "as JSON", o.json);
    f.workers();
    f.target();
    break;
  case Command::Render:
  case Command::Tokenize:
  case Command::Detokenize:
  case Command::Verify:
    break;
  }
}

void checkInput(const Options &o) {
  const int given = o.prompt.has_value() + o.file.has_value() + o.fromStdin + o.ids.has_value();
  if (o.command == Command::Perplexity && !o.file)
    usage("perplexity needs a text: -f FILE");
  const auto none = [](const std::vector<int64_t> &list) {
    return std::all_of(list.begin(), list.end(), [](int64_t n) { return n == 0; });
  };
  if (o.command == Command::Bench && none(o.benchPrompt) && none(o.benchAnswer))
    usage("bench: found -p 0 and -n 0, which leaves nothing to measure; expected a length above 0 in one of "
          "them");
  if (o.command == Command::Logits && o.output.empty())
    usage("logits needs a file to write: -o FILE.npy");
  if ((o.command == Command::Run || o.command == Command::Logits) && given != 1)
    usage(given ? "expected only one of -p, -f, - and --ids"
                : "expected a prompt: -p TEXT, -f FILE, - or --ids 2,5,7");
}

} // namespace

void settleWorkers(Options &o) {
  if (o.workers == 0)
    o.workers = thisMachine().defaultWorkers();
}

static std::string helpOf(CLI::App &app, bool withCommands) {
  std::string text = app.help();
  if (withCommands) {
    text += "\nCommands (each has --help):\n";
    for (const Name &n : kCommands)
      text += cat("  ", n.name, std::string(26 - std::string_view(n.name).size(), ' '), n.help, "\n");
    text += "  --version                 print version and model\n";
  }
  return text;
}

Parsed parseCommandLine(int argc, const char *const *argv) {
  Parsed parsed;
  Options &o = parsed.options;
  std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  const Name *command = &kCommands[0];
  bool named = false;
  if (!args.empty()) {
    for (const char *later : kLaterCommands)
      if (args[0] == later)
        throw Failure(kBadUsage, cat("'", later, "' is not supported yet"));
    for (const Name &n : kCommands)
      if (args[0] == n.name)
        command = &n, named = true;
    if (named)
      args.erase(args.begin());
  }
  o.command = command->command;
  const std::string exe = argc > 0 ? argv[0] : "model";
  CLI::App app(command->help, named ? cat(exe.substr(exe.rfind('/') + 1), " ", command->name)
                                    : exe.substr(exe.rfind('/') + 1));
  app.set_help_flag("-h,--help", "this text");
  bool dash = false;
  declare(app, o, dash);
  try {
    std::reverse(args.begin(), args.end()); // CLI11 wants them so
    app.parse(args);
  } catch (const CLI::CallForHelp &) {
    parsed.print = helpOf(app, !named);
    return parsed;
  } catch (const CLI::Error &e) {
    std::string what = e.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    usage(what);
  }
  o.fromStdin = dash;
  checkInput(o);
  return parsed;
}

} // namespace gemmac::rt
