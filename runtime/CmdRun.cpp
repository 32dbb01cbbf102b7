// run: answers a prompt, streaming; logits and perplexity: what the model computes, as numbers.
#include "runtime/Commands.h"
#include "runtime/Failure.h"
#include "runtime/Generate.h"
#include "runtime/Output.h"
#include "runtime/Thoughts.h"
#include "runtime/Trace.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <unistd.h>

namespace gemmac::rt {

static uint64_t randomSeed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

SamplingParams samplingOf(const SamplingDefaults &d, const Options &o) {
  SamplingParams p;
  p.temperature = o.temperature.value_or(d.doSample ? d.temperature : 0);
  p.topK = o.topK.value_or(d.topK);
  p.topP = o.topP.value_or(d.topP);
  p.minP = o.minP.value_or(d.minP);
  p.repeatPenalty = o.repeatPenalty.value_or(d.repeatPenalty);
  p.seed = o.seed ? *o.seed : randomSeed();
  return p;
}

std::string idList(const std::vector<int32_t> &ids) {
  std::string list;
  for (int32_t id : ids)
    list += cat(list.empty() ? "" : ",", id);
  return cat("[", list, "]");
}

static const char *nameOf(StopReason reason) {
  switch (reason) {
  case StopReason::Limit:
    return "limit of -n";
  case StopReason::StopId:
    return "stop id";
  case StopReason::StopText:
    return "stop text";
  case StopReason::Context:
    return "end of the context";
  case StopReason::Interrupt:
    return "interrupt";
  }
  return "";
}

static void printPerf(const Program &program, const GenerateResult &r, size_t promptTokens,
                      double startSeconds, const ExecutorFacts &facts, uint64_t seed) {
  const auto rate = [](double n, double s) { return s > 0 ? n / s : 0; };
  const MemoryUse memory = memoryUse();
  const double mib = 1 << 20;
  std::fprintf(stderr, "%sstart   %8.1f ms\n", isatty(1) ? "\n" : "", startSeconds * 1e3);
  std::fprintf(stderr, "prompt  %8.1f ms  %6zu tokens  %9.2f tokens/s\n", r.promptSeconds * 1e3, promptTokens,
               rate(static_cast<double>(promptTokens), r.promptSeconds));
  std::fprintf(stderr, "answer  %8.1f ms  %6zu tokens  %9.2f tokens/s  (%s)\n", r.answerSeconds * 1e3,
               r.ids.size(), rate(static_cast<double>(r.decodeSteps), r.answerSeconds), nameOf(r.reason));
  const bool gpu = !facts.gpu.empty();
  std::fprintf(
      stderr,
      gpu ? "memory  peak %.1f MiB, anonymous %.1f MiB, of the GPU %.1f MiB; %s %lld, seed %llu\n"
          : "memory  peak %.1f MiB, anonymous %.1f MiB, weights in 2 MiB pages %.0f %%; %s %lld, seed %llu\n",
      static_cast<double>(memory.peakResident) / mib, static_cast<double>(memory.anonymous) / mib,
      gpu ? static_cast<double>(totalBytes(facts.memory)) / mib : 100 * program.payload.hugePageShare(false),
      facts.unit.c_str(), static_cast<long long>(facts.units), static_cast<unsigned long long>(seed));
}

int runCommand(const Program &program, const Options &o) {
  if (o.file && o.trace && sameFile(*o.file, *o.trace))
    throw Failure(kBadUsage, cat("--trace: '", *o.trace, "' is the file of -f; give the trace another name"));
  const Manifest &m = program.manifest;
  const Tokenizer tokenizer(program.payload.tokenizer());
  const std::vector<int32_t> prompt = promptIds(program, o, tokenizer);
  Session session(m, openExecutor(program, o), contextOf(program, o));
  std::optional<Trace> trace;
  if (o.trace)
    trace.emplace(*o.trace, m, session, program.start);
  const SamplingParams params = samplingOf(m.sampling, o);
  Sampler sampler(params, m.vocab, m.softcap, m.suppress);
  GenerateOptions options;
  options.limit = o.limit.value_or(INT64_MAX);
  options.ignoreEos = o.ignoreEos;
  options.stops = o.stops;
  const double startSeconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - program.start).count();
  bool thought = false;
  const auto say = [&](std::string_view text) { writeOut(text); };
  ThoughtFilter filter(say, [&](std::string_view text) { // what the model thinks is not its answer
    thought = std::fwrite(text.data(), 1, text.size(), stderr) > 0;
  });
  const bool conversation = m.hasTemplate && !o.raw && !o.ids;
  const GenerateResult result =
      generate(session, sampler, tokenizer, m, prompt, options, [&](const std::string &text) {
        if (!o.printIds)
          conversation ? filter.feed(text) : say(text);
      });
  filter.finish();
  if (thought)
    std::fputs("\n", stderr);
  if (o.printIds) {
    writeOut(idList(result.ids) + "\n");
  } else if (isatty(1)) {
    writeOut("\n");
  }
  if (result.reason == StopReason::Context)
    note(cat("the context of ", session.context(), " tokens is full"));
  if (trace)
    trace->commit();
  if (o.perf)
    printPerf(program, result, prompt.size(), startSeconds, session.executor().facts(), params.seed);
  return result.reason == StopReason::Interrupt ? kInterrupted : kDone;
}

int logitsCommand(const Program &program, const Options &o) {
  if (o.file && sameFile(*o.file, o.output))
    throw Failure(kBadUsage, cat("-o: '", o.output, "' is the file of -f; give the output another name"));
  const Manifest &m = program.manifest;
  const Tokenizer tokenizer(program.payload.tokenizer());
  const std::vector<int32_t> ids = promptIds(program, o, tokenizer);
  Session session(m, openExecutor(program, o), contextOf(program, o));
  NpyWriter file(o.output, o.all ? static_cast<int64_t>(ids.size()) : 0, m.vocab);
  bool finite = true;
  auto write = [&](int64_t, const float *row) {
    finite &= std::all_of(row, row + m.vocab, [](float x) { return std::isfinite(x); });
    file.row(row);
  };
  if (o.all)
    session.prefillAll(ids, write);
  else
    write(0, session.prefillLast(ids));
  file.commit();
  if (!finite)
    throw Failure(kLacking, cat("the logits written to ", o.output,
                                " are not finite; try --compute=f32, or check the executable with `verify`"));
  return kDone;
}

int perplexityCommand(const Program &program, const Options &o) {
  const Manifest &m = program.manifest;
  if (o.window > m.context)
    throw Failure(kBadUsage,
                  cat("--ctx: found ", o.window, ", but the executable was compiled for ", m.context,
                      " tokens; use a smaller window or compile with --context=", o.window));
  const Tokenizer tokenizer(program.payload.tokenizer());
  std::vector<int32_t> ids = tokenizer.encode(readFile(*o.file, kMostText));
  if (m.bos >= 0 && (ids.empty() || ids[0] != m.bos))
    ids.insert(ids.begin(), m.bos);
  for (int32_t id : ids)
    if (id < 0 || id >= m.vocab)
      throw Failure(kBadInput, cat("token id ", id, " is not in the vocabulary, expected 0..", m.vocab - 1));
  const int64_t most = static_cast<int64_t>(ids.size()) / o.window;
  if (most == 0)
    throw Failure(kBadInput,
                  cat("'", *o.file, "' has ", ids.size(), " tokens, expected at least one window of ",
                      o.window, "; use a longer text or a smaller --ctx"));
  const int64_t windows = std::min(most, o.windows.value_or(most));
  if (windows < o.windows.value_or(windows))
    note(cat("the text has only ", most, " windows of ", o.window, " tokens"));
  Session session(m, openExecutor(program, o), m.context);
  const double result =
      perplexity(session, m, std::move(ids), o.window, windows, [&](int64_t w, double soFar) {
        std::fprintf(stderr, "[%lld/%lld] %.4f\n", static_cast<long long>(w + 1),
                     static_cast<long long>(windows), soFar);
      });
  char line[64];
  std::snprintf(line, sizeof line, "perplexity %.6f\n", result);
  writeOut(line);
  return kDone;
}

} // namespace gemmac::rt
