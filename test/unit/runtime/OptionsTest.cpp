// The command line: defaults, and that every wrong use is exit 2 with the flag, what was found and what was
// expected.
#include "runtime/Options.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>

namespace gemmac::rt {
namespace {

Parsed parse(std::vector<const char *> args) {
  args.insert(args.begin(), "./model");
  return parseCommandLine(static_cast<int>(args.size()), args.data());
}

TEST(Options, defaults) {
  Options o = parse({"-p", "hi"}).options;
  EXPECT_EQ(o.command, Command::Run);
  EXPECT_EQ(*o.prompt, "hi");
  EXPECT_EQ(o.workers, 0) << "the machine is asked by commands that run workers only";
  settleWorkers(o);
  EXPECT_EQ(o.workers, thisMachine().defaultWorkers());
  EXPECT_FALSE(o.limit || o.seed || o.temperature || o.context);
  EXPECT_TRUE(o.perf);
}

TEST(Options, everyFlagOfRun) {
  const Options o = parse({"run",
                           "--ids",
                           "[2, 5 ,7]",
                           "-n",
                           "9",
                           "-c",
                           "100",
                           "-t",
                           "3",
                           "-s",
                           "18446744073709551615",
                           "--temp",
                           "0.5",
                           "--top-k",
                           "4",
                           "--top-p",
                           "0.9",
                           "--min-p=0.1",
                           "--repeat-penalty",
                           "1.1",
                           "--stop",
                           "a",
                           "--stop",
                           "[b]",
                           "--ignore-eos",
                           "--no-perf",
                           "--print-ids",
                           "--raw",
                           "--hugepages=copy"})
                        .options;
  EXPECT_EQ(*o.ids, (std::vector<int32_t>{2, 5, 7}));
  EXPECT_EQ(*o.limit, 9);
  EXPECT_EQ(*o.context, 100);
  EXPECT_EQ(o.workers, 3);
  Options settled = o;
  settleWorkers(settled);
  EXPECT_EQ(settled.workers, 3);
  EXPECT_EQ(*o.seed, UINT64_MAX);
  EXPECT_EQ(*o.temperature, .5);
  EXPECT_EQ(*o.topK, 4);
  EXPECT_EQ(*o.topP, .9);
  EXPECT_EQ(*o.minP, .1);
  EXPECT_EQ(*o.repeatPenalty, 1.1);
  EXPECT_EQ(o.stops, (std::vector<std::string>{"a", "[b]"}));
  EXPECT_TRUE(o.ignoreEos && !o.perf && o.printIds && o.raw);
  EXPECT_EQ(o.hugePages, HugePages::Copy);
}

TEST(Options, promptsThatLookLikeFlags) {
  EXPECT_EQ(*parse({"-p", "--image"}).options.prompt, "--image");
  EXPECT_EQ(*parse({"-p", "-"}).options.prompt, "-");
  EXPECT_EQ(*parse({"-p", ""}).options.prompt, "");
  EXPECT_EQ(*parse({"-p", "chat"}).options.prompt, "chat");
  EXPECT_EQ(*parse({"-p", "[1,2]"}).options.prompt, "[1,2]");
  EXPECT_TRUE(parse({"-"}).options.fromStdin);
  EXPECT_FALSE(parse({"-n", "-1", "-p", "x"}).options.limit);
}

TEST(Options, otherCommands) {
  EXPECT_TRUE(parse({"logits", "--ids", "2", "--all", "-o", "x.npy"}).options.all);
  const Options p = parse({"perplexity", "-f", "x", "--ctx", "64", "--chunks", "8"}).options;
  EXPECT_EQ(p.window, 64);
  EXPECT_EQ(*p.windows, 8);
  const Options b =
      parse({"bench", "-p", "128,512", "-n", "0", "-d", "0,10", "-r", "2", "-o", "json", "--phases"}).options;
  EXPECT_EQ(b.benchPrompt, (std::vector<int64_t>{128, 512}));
  EXPECT_EQ(b.benchDepth, (std::vector<int64_t>{0, 10}));
  EXPECT_EQ(b.format, BenchFormat::Json);
  EXPECT_TRUE(parse({"info", "--json"}).options.json);
  EXPECT_EQ(parse({"verify"}).options.command, Command::Verify);
  EXPECT_EQ(parse({"detokenize"}).options.command, Command::Detokenize);
}

TEST(Options, helpNamesCommandsAndFlags) {
  const std::string help = *parse({"--help"}).print;
  for (const char *word : {"perplexity", "tokenize", "--ids", "--repeat-penalty", "--version", "--hugepages"})
    EXPECT_NE(help.find(word), std::string::npos) << word;
  EXPECT_EQ(help.find("--image"), std::string::npos);
  EXPECT_NE(parse({"bench", "--help"}).print->find("--phases"), std::string::npos);
}

TEST(Options, wrongUseIsNamed) {
  const struct {
    std::vector<const char *> args;
    const char *mention;
  } cases[] = {
      {{}, "expected a prompt"},
      {{"-p", "a", "--ids", "2"}, "only one of"},
      {{"-p", "a", "-t", "0"}, "-t,--threads: found '0', expected an integer in 1.."},
      {{"-p", "a", "-t", "-3"}, "found '-3'"},
      {{"-p", "a", "-t", "1025"}, "found '1025', expected an integer in 1.."},
      {{"-p", "a", "-t", "99999999999999999999"}, "this process may use "},
      {{"-p", "a", "-t", "1.5"}, "found '1.5'"},
      {{"-p", "a", "--pin", "yes"}, "--pin: found 'yes', expected auto, on or off"},
      {{"-p", "a", "-t", "two"}, "found 'two'"},
      {{"-p", "a", "-t", ""}, "found ''"},
      {{"-p", "a", "-t", "2x"}, "found '2x'"},
      {{"-p", "a", "-n", "-2"}, "found '-2'"},
      {{"-p", "a", "-n", "99999999999999999999"}, "found '99999999999999999999'"},
      {{"-p", "a", "-c", "0"}, "--ctx"},
      {{"-p", "a", "-s", "-1"}, "--seed"},
      {{"-p", "a", "--temp", "nan"}, "found 'nan'"},
      {{"-p", "a", "--temp", "-1"}, "expected a number in 0..1e+06"},
      {{"-p", "a", "--top-p", "1.5"}, "expected a number in"},
      {{"-p", "a", "--min-p", "x"}, "--min-p"},
      {{"-p", "a", "--repeat-penalty", "0"}, "--repeat-penalty"},
      {{"-p", "a", "--stop", ""}, "--stop"},
      {{"-p", "a", "--hugepages", "on"}, "auto, map, copy or off"},
      {{"-p", "a", "--no-such-flag"}, "--no-such-flag"},
      {{"-p", "a", "stray"}, "'stray'"},
      {{"-p", "a", "--image", "x.png"}, "'--image' is not supported yet"},
      {{"-p", "a", "--think", "yes"}, "--think: found 'yes', expected on or off"},
      {{"logits", "-p", "a", "-o", "x", "--system", "s"}, "--system"},
      {{"-p", "a", "--json-schema=x"}, "'--json-schema' is not supported yet"},
      {{"chat", "-p", "a"}, "-p"},
      {{"serve", "--port", "1"}, "'serve' is not supported yet"},
      {{"render", "extra"}, "extra"},
      {{"parse"}, "'parse' is not supported yet"},
      {{"-p"}, "-p"},
      {{"--ids", ""}, "--ids"},
      {{"--ids", "2 5 7"}, "found '2 5 7'"},
      {{"--ids", "2,[5]"}, "found '[5]'"},
      {{"--ids", "1,,2"}, "found ''"},
      {{"--ids", "1,x"}, "found 'x'"},
      {{"--ids", "-4"}, "found '-4'"},
      {{"logits", "--ids", "2"}, "-o FILE.npy"},
      {{"logits", "-o", "x"}, "expected a prompt"},
      {{"perplexity"}, "-f FILE"},
      {{"perplexity", "-f", "x", "--ctx", "3"}, "expected an integer in 4.."},
      {{"bench", "-o", "xml"}, "md, csv or json"},
      {{"bench", "-n", "0", "-p", "0"}, "nothing to measure"},
      {{"bench", "-n", "0,0", "-p", "0", "--phases"}, "nothing to measure"},
      {{"bench", "-r", "0"}, "--repetitions"},
      {{"info", "extra"}, "extra"},
  };
  for (const auto &c : cases) {
    std::string line;
    for (const char *a : c.args)
      line += std::string(" ") + a;
    try {
      parse(c.args);
      FAIL() << "accepted:" << line;
    } catch (const Failure &e) {
      EXPECT_EQ(e.code, kBadUsage) << line;
      EXPECT_NE(std::string(e.what()).find(c.mention), std::string::npos) << line << " -> " << e.what();
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << line;
    }
  }
}

} // namespace
} // namespace gemmac::rt
