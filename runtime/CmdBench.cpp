// bench: llama-bench's tests, columns and fields, so that rows can stand side by side, and what this project
// adds: compute, kv, march, share of 2 MiB pages, time to first token, memory, share of the streaming read
// rate.
#include "runtime/Bench.h"
#include "runtime/Commands.h"
#include "runtime/Cpu.h"
#include "runtime/Failure.h"
#include "runtime/Output.h"
#include "runtime/Trace.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <ctime>

namespace gemmac::rt {

using json = nlohmann::ordered_json;

static std::string format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
static std::string format(const char *pattern, ...) {
  char text[512];
  va_list args;
  va_start(args, pattern);
  std::vsnprintf(text, sizeof text, pattern, args);
  va_end(args);
  return text;
}

/// Measured once for the whole process.
struct BenchFacts {
  double firstTokenSeconds = 0; ///< from main() to the first logits of the first row's prompt
  double readRate = 0;          ///< bytes per second, 0: not measured
  std::vector<double> peaks;    ///< operations per second of each of the manifest's
  double hugePageShare = 0;
  MemoryUse memory;
  ExecutorFacts executor;
};

/// A row against what the machine can do.
struct Shares {
  std::string kind;                      ///< of the products
  double bytes = 0, flops = 0, peak = 0; ///< per second
  double ofReading = 0, ofPeak = 0;      ///< 0: not known
};

static Shares sharesOf(const Manifest &m, const BenchRow &row, const BenchFacts &facts) {
  const bool prompt = row.prompt > 0;
  const TokenCost cost = tokenCost(m, prompt, row.depth, prompt ? row.prompt : row.answer);
  Shares s;
  s.kind = prompt ? m.prefillPeak : m.decodePeak;
  s.bytes = cost.bytes * row.meanRate();
  s.flops = cost.flops * row.meanRate();
  s.peak = peakOf(m, facts.peaks, s.kind);
  s.ofReading = facts.readRate > 0 ? s.bytes / facts.readRate : 0;
  s.ofPeak = s.peak > 0 ? s.flops / s.peak : 0;
  return s;
}

static json rowJson(const Program &p, const BenchRow &row, const BenchFacts &facts) {
  const Manifest &m = p.manifest;
  std::vector<int64_t> ns;
  std::vector<double> rates;
  double sum = 0, squares = 0;
  for (double s : row.seconds) {
    ns.push_back(static_cast<int64_t>(std::llround(s * 1e9)));
    rates.push_back(row.tokens() / s);
    sum += s * 1e9;
    squares += s * s * 1e18;
  }
  const double n = static_cast<double>(row.seconds.size()), mean = sum / n;
  const double deviation = n > 1 ? std::sqrt(std::max(0.0, (squares - n * mean * mean) / (n - 1))) : 0;
  char time[32];
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  const Shares shares = sharesOf(m, row, facts);
  return {{"build_commit", m.version},
          {"cpu_info", cpuName()},
          {"gpu_info", facts.executor.gpu},
          {"backends", facts.executor.backend},
          {"model_filename", p.path},
          {"model_type", cat(m.name, " ", m.quantize)},
          {"model_size", m.weightBytes},
          {"model_n_params", m.parameters},
          {"n_batch", m.prefillNone.rows},
          {"n_ubatch", m.prefillNone.rows},
          {"n_threads", facts.executor.units},
          {"bound_cpus", facts.executor.cpus},
          {"type_k", m.kv},
          {"type_v", m.kv},
          {"n_gpu_layers", m.device ? m.layers : 0},
          {"use_mmap", true},
          {"n_prompt", row.prompt},
          {"n_gen", row.answer},
          {"n_depth", row.depth},
          {"test_time", time},
          {"avg_ns", static_cast<int64_t>(std::llround(mean))},
          {"stddev_ns", static_cast<int64_t>(std::llround(deviation))},
          {"avg_ts", row.meanRate()},
          {"stddev_ts", row.deviationRate()},
          {"quantize", m.quantize},
          {"compute", m.compute},
          {"kv", m.kv},
          {"march", join(m.device ? m.gpu.archs : m.march, ",")},
          {"huge_page_share", facts.hugePageShare},
          {"bytes_per_token", m.bytesPerToken},
          {"moved_bytes_per_s", shares.bytes},
          {"streaming_bytes_per_s", facts.readRate},
          {"streaming_share", shares.ofReading},
          {"flops_per_s", shares.flops},
          {"peak_kind", shares.kind},
          {"peak_flops_per_s", shares.peak},
          {"peak_share", shares.ofPeak},
          {"time_to_first_token_ms", facts.firstTokenSeconds * 1e3},
          {"peak_rss_bytes", facts.memory.peakResident},
          {"anonymous_bytes", facts.memory.anonymous},
          {"gpu_memory_bytes", m.device ? totalBytes(facts.executor.memory) : 0},
          {"samples_ns", ns},
          {"samples_ts", rates}};
}

static std::string markdown(const Program &p, const std::vector<BenchRow> &rows, const BenchFacts &f) {
  const Manifest &m = p.manifest;
  const std::string model = cat(m.name, " ", m.quantize),
                    size = format("%.2f GiB", static_cast<double>(m.weightBytes) / (1 << 30)),
                    params = format("%.2f %s",
                                    static_cast<double>(m.parameters) / (m.parameters >= 1e9 ? 1e9 : 1e6),
                                    m.parameters >= 1e9 ? "B" : "M");
  std::string s = "| model                          |       size |     params | backend    | threads | "
                  "compute |   kv |            test |                  t/s | % of reading | % of peak |\n"
                  "| ------------------------------ | ---------: | ---------: | ---------- | ------: | "
                  "------: | ---: | --------------: | -------------------: | -----------: | --------: |\n";
  const auto percent = [](double share) {
    return share > 0 ? format("%.1f", 100 * share) : std::string("-");
  };
  for (const BenchRow &row : rows) {
    const std::string deviation = format("%.2f", row.deviationRate());
    const std::string rate = format("%*.2f \xC2\xB1 %s", 17 - static_cast<int>(deviation.size()),
                                    row.meanRate(), deviation.c_str());
    const Shares shares = sharesOf(m, row, f);
    s += format("| %-30s | %10s | %10s | %-10s | %7lld | %7s | %4s | %15s | %20s | %12s | %9s |\n",
                model.c_str(), size.c_str(), params.c_str(), f.executor.backend.c_str(),
                static_cast<long long>(f.executor.units), m.compute.c_str(), m.kv.c_str(), row.name().c_str(),
                rate.c_str(), percent(shares.ofReading).c_str(), percent(shares.ofPeak).c_str());
  }
  s += m.device ? cat("\ngpu: ", f.executor.gpu, "; code for ", join(m.gpu.archs, ","))
                : cat("\ncpu: ", cpuName(), "; march ", join(m.march, ","));
  s += cat("; gemmac ", m.version, "\n");
  s += cat(f.executor.unit, ": ", f.executor.text, "\n");
  s += format("time to first token: %.1f ms\n", f.firstTokenSeconds * 1e3);
  s += format("memory: peak resident %.1f MiB, anonymous %.1f MiB\n",
              static_cast<double>(f.memory.peakResident) / (1 << 20),
              static_cast<double>(f.memory.anonymous) / (1 << 20));
  if (m.device)
    return s + cat("memory of the GPU: ", memoryText(f.executor.memory), "\n");
  s += format("weights in 2 MiB pages: %.0f %%\n", 100 * f.hugePageShare);
  s += f.readRate > 0 ? format("plain reading of the weights: %.2f GB/s", f.readRate * 1e-9)
                      : std::string("plain reading: not measured, the weights fit a cache");
  for (size_t i = 0; i < f.peaks.size(); ++i)
    s += format("; %s peak: %.1f GFLOP/s%s", m.peaks[i].kind.c_str(), f.peaks[i] * 1e-9,
                m.peaks[i].kind == m.prefillPeak  ? " (prompts)"
                : m.peaks[i].kind == m.decodePeak ? " (answers)"
                                                  : "");
  s += "\n";
  return s;
}

static std::string csv(const std::vector<json> &rows) {
  std::string s;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string head, line;
    for (const auto &[key, value] : rows[r].items()) {
      if (value.is_array())
        continue;
      head += cat(head.empty() ? "" : ",", key);
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      for (size_t at = 0; (at = text.find('"', at)) != text.npos; at += 2)
        text.insert(at, 1, '"');
      line += cat(line.empty() ? "" : ",", "\"", text, "\"");
    }
    s += (r ? "" : head + "\n") + line + "\n";
  }
  return s;
}

static json phaseJson(const std::vector<PhaseTime> &phases) {
  json list = json::array();
  for (const PhaseTime &p : phases)
    list.push_back({{"name", p.name},
                    {"count", p.count},
                    {"mean_us", p.seconds * 1e6},
                    {"bytes", p.bytes},
                    {"flops", p.flops},
                    {"bytes_per_s", p.seconds > 0 ? p.bytes / p.seconds : 0.0},
                    {"predicted_us", p.predicted * 1e6},
                    {"ratio", p.predicted > 0 ? p.seconds / p.predicted : 0.0}});
  return list;
}

static std::string phaseTable(const std::vector<PhaseTime> &phases, const char *title, double readRate) {
  const double whole = phases.back().seconds;
  std::string s =
      format("| %-32s | count |    mean us | share %% |      bytes |   GB/s | %% of reading | GFLOP/s | "
             "predicted us | ratio |\n",
             title);
  s += "| -------------------------------- | ----: | ---------: | ------: | ---------: | -----: | "
       "-----------: | ------: | -----------: | ----: |\n";
  for (const PhaseTime &p : phases) {
    const double rate = p.seconds > 0 ? p.bytes / p.seconds : 0;
    s += format("| %-32s | %5lld | %10.2f | %7.1f | %10.0f | %6.2f | %12.0f | %7.1f | ", p.name.c_str(),
                static_cast<long long>(p.count), p.seconds * 1e6, whole > 0 ? 100 * p.seconds / whole : 0,
                p.bytes, rate * 1e-9, readRate > 0 ? 100 * rate / readRate : 0,
                p.seconds > 0 ? p.flops / p.seconds * 1e-9 : 0);
    s += p.predicted > 0 ? format("%12.2f | %5.2f |\n", p.predicted * 1e6, p.seconds / p.predicted)
                         : format("%12s | %5s |\n", "-", "-");
  }
  return s + "\n";
}

static json machineJson(const Machine &m) {
  return {{"read_bytes_per_s", m.readRate}, {"f32_flops_per_s", m.f32},      {"int8_flops_per_s", m.int8},
          {"tiles_flops_per_s", m.tiles},   {"barrier_s", m.barrierSeconds}, {"workers", m.workers}};
}

static void phasesCommand(const Program &p, const Options &o, Session &session) {
  // -n 0 asks for a prompt instead of decoding, -p for how many tokens of it.
  const bool prefill = o.benchAnswer[0] == 0;
  const int64_t rows = std::max<int64_t>(1, p.manifest.prefillNone.rows);
  const int64_t steps =
      std::max<int64_t>(1, prefill ? (o.benchPrompt[0] + rows - 1) / rows : o.benchAnswer[0]);
  std::vector<PhaseTime> phases = benchPhases(session, p.manifest, prefill, o.benchDepth[0], steps);
  const Machine machine = measureMachine(session, p.manifest, p.payload.weightBytes());
  predictPhases(phases, p.manifest, prefill, machine);
  const double readRate = machine.readRate;
  const double share = p.payload.hugePageShare(false);
  if (o.format == BenchFormat::Json) {
    const json j = {
        {"n_threads", o.workers},      {"n_depth", o.benchDepth[0]},        {"steps", steps},
        {"huge_page_share", share},    {"streaming_bytes_per_s", readRate}, {"machine", machineJson(machine)},
        {"phases", phaseJson(phases)}, {"kinds", phaseJson(byKind(phases))}};
    writeOut(j.dump(1) + "\n");
    return;
  }
  if (o.format == BenchFormat::Csv) {
    const json list = phaseJson(phases);
    writeOut(csv({list.begin(), list.end()}));
    return;
  }
  writeOut(phaseTable(phases, "phase", readRate) + phaseTable(byKind(phases), "kind", readRate) +
           format("mean of %lld %s at depth %lld, %d workers; weights in 2 MiB pages: %.0f %%",
                  static_cast<long long>(steps),
                  prefill ? cat("steps of ", rows, " tokens of a prompt").c_str() : "decode steps",
                  static_cast<long long>(o.benchDepth[0]), o.workers, 100 * share) +
           (readRate > 0 ? format("; plain reading of the weights: %.2f GB/s", readRate * 1e-9) : "") +
           format("; a barrier: %.2f us\nratio: measured / predicted\n", machine.barrierSeconds * 1e6));
}

/// Fails with exit 1 before anything long runs if some row does not fit the context.
static void checkRows(const Manifest &m, const Options &o, int64_t context) {
  if (o.phases && o.benchAnswer[0] == 0) { // always whole steps of a prompt, from one depth
    const int64_t depth = o.benchDepth[0], rows = m.prefillNone.rows;
    if (depth + rows > context)
      throw Failure(kBadInput, cat(depth + rows, " tokens (depth ", depth, " and a step of ", rows,
                                   " more) do not fit the context of ", context,
                                   "; use a smaller -d, or compile with a larger --context"));
    return;
  }
  for (int64_t depth : o.benchDepth)
    for (const auto *list : {&o.benchPrompt, &o.benchAnswer})
      for (int64_t n : *list) {
        const int64_t need = depth + n + (o.phases && list == &o.benchAnswer ? 1 : 0);
        if (need > context && !(o.phases && list == &o.benchPrompt))
          throw Failure(kBadInput,
                        cat(need, " tokens (depth ", depth, " and ", n, " more) do not fit the context of ",
                            context, "; use a smaller -p, -n or -d, or compile with a larger --context"));
      }
}

/// llama-bench's tests.
static void rowsCommand(const Program &p, const Options &o, Session &session) {
  const Manifest &m = p.manifest;
  BenchFacts facts;
  // The first prompt of the process, cold, as a user meets it.
  const std::vector<int32_t> prompt(static_cast<size_t>(std::max<int64_t>(1, o.benchPrompt[0])),
                                    std::max(m.bos, 0));
  session.prefillLast(prompt);
  facts.firstTokenSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - p.start).count();
  std::vector<BenchRow> rows;
  for (int64_t depth : o.benchDepth) {
    for (int64_t n : o.benchPrompt)
      if (n)
        rows.push_back(benchRow(session, m, n, 0, depth, o.repetitions));
    for (int64_t n : o.benchAnswer)
      if (n)
        rows.push_back(benchRow(session, m, 0, n, depth, o.repetitions));
  }
  facts.memory = memoryUse();
  facts.executor = session.executor().facts();
  facts.hugePageShare = p.payload.hugePageShare(false);
  facts.readRate = streamingRead(session, m, p.payload.weightBytes());
  facts.peaks = computePeaks(session, m);
  if (o.format == BenchFormat::Markdown) {
    writeOut(markdown(p, rows, facts));
    return;
  }
  std::vector<json> list;
  for (const BenchRow &row : rows)
    list.push_back(rowJson(p, row, facts));
  writeOut(o.format == BenchFormat::Csv ? csv(list) : json(list).dump(1) + "\n");
}

int benchCommand(const Program &p, const Options &o) {
  const Manifest &m = p.manifest;
  const int64_t context = contextOf(p, o);
  checkRows(m, o, context);
  Session session(m, openExecutor(p, o), context);
  std::optional<Trace> trace;
  if (o.trace)
    trace.emplace(*o.trace, m, session, p.start);
  try {
    if (o.phases)
      phasesCommand(p, o, session);
    else
      rowsCommand(p, o, session);
  } catch (const Interrupted &) { // as `run` does
    if (trace)
      trace->commit();
    throw;
  }
  if (trace)
    trace->commit();
  return kDone;
}

} // namespace gemmac::rt
