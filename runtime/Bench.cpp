// See Bench.h.
#include "runtime/Bench.h"

#include "runtime/Failure.h"
#include "runtime/Sampler.h"
#include "runtime/Signals.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace gemmac::rt {

using Clock = std::chrono::steady_clock;

static double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A measurement that is not finished is none.
static void stopIfInterrupted() {
  if (interrupted())
    throw Interrupted();
}

static std::vector<int32_t> someTokens(const Manifest &m, int64_t n) {
  Random random(1);
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t &id : ids)
    id = static_cast<int32_t>(random.next() % static_cast<uint64_t>(m.vocab));
  if (n && m.bos >= 0)
    ids[0] = m.bos;
  return ids;
}

double BenchRow::meanRate() const {
  double sum = 0;
  for (double s : seconds)
    sum += tokens() / s;
  return seconds.empty() ? 0 : sum / static_cast<double>(seconds.size());
}

double BenchRow::deviationRate() const {
  if (seconds.size() < 2)
    return 0;
  double sum = 0;
  for (double s : seconds)
    sum += (tokens() / s - meanRate()) * (tokens() / s - meanRate());
  return std::sqrt(sum / static_cast<double>(seconds.size() - 1));
}

std::string BenchRow::name() const {
  std::string s = prompt ? cat("pp", prompt) : cat("tg", answer);
  return depth ? cat(s, " @ d", depth) : s;
}

/// A decode step as `run` makes it, unless its sampling needs all logits.
static void decodeStep(Session &session, const Manifest &m, int32_t id) {
  if (m.decodeTop)
    session.decodeTop(id);
  else
    session.decode(id);
}

/// One repetition, from `depth` on. Going back is fine for timing: the same slots are read and written.
static double once(Session &session, const Manifest &m, const std::vector<int32_t> &ids, int64_t depth,
                   bool prompt) {
  stopIfInterrupted();
  session.rewindForTiming(depth);
  const auto start = Clock::now();
  if (prompt)
    session.prefillLast(ids);
  else
    for (int32_t id : ids)
      decodeStep(session, m, id);
  return since(start);
}

BenchRow benchRow(Session &session, const Manifest &manifest, int64_t prompt, int64_t answer, int64_t depth,
                  int64_t repetitions) {
  BenchRow row{prompt, answer, depth, {}};
  const std::vector<int32_t> ids = someTokens(manifest, prompt + answer);
  session.reset();
  session.prefill(someTokens(manifest, depth));
  if (prompt)
    once(session, manifest, ids, depth, true);
  else
    once(session, manifest, {ids[0]}, depth, false);
  for (int64_t r = 0; r < repetitions; ++r)
    row.seconds.push_back(std::max(1e-9, once(session, manifest, ids, depth, prompt > 0)));
  return row;
}

namespace {
/// Watches steps with the clocks of the workers, beside whoever watches already.
class PhaseClock : public StepObserver {
public:
  PhaseClock(Session &session, size_t most)
      : session_(session), other_(session.observer()),
        workers_(static_cast<size_t>(std::max(1, session.executor().clocks()))) {
    workers_[0].ns.reserve(most);
    session.observe(this);
  }
  ~PhaseClock() override { session_.observe(other_); }
  void before() override {
    workers_[0].ns.clear();
    if (other_)
      other_->before();
    else
      session_.executor().setTimes(&workers_);
  }
  void after(const Entry &entry, int64_t position, int64_t rows) override {
    if (other_) {
      workers_[0].ns = (*session_.executor().times())[0].ns;
      other_->after(entry, position, rows);
    }
    session_.executor().setTimes(nullptr);
  }
  /// The start of the step, the end of each barrier, the end of the step.
  std::vector<int64_t> leaves() const {
    std::vector<int64_t> times;
    for (size_t i = 0; i < workers_[0].ns.size(); i += 2)
      times.push_back(workers_[0].ns[i]);
    return times;
  }

private:
  Session &session_;
  StepObserver *other_;
  std::vector<WorkerTimes> workers_;
};
} // namespace

std::vector<PhaseTime> benchPhases(Session &session, const Manifest &m, bool prefill, int64_t depth,
                                   int64_t steps) {
  const PhaseList &list = prefill ? m.prefillPhases : m.phases;
  const size_t n = list.names.size();
  if (n == 0)
    throw Failure(kLacking,
                  cat("the executable names no phases", prefill ? " of a prompt" : "", "; compile it again"));
  session.reset();
  session.prefill(someTokens(m, depth));
  const std::vector<int32_t> ids = someTokens(m, prefill ? m.prefillNone.rows : steps + 1);
  auto step = [&](int64_t s) {
    if (!prefill) {
      decodeStep(session, m, ids[static_cast<size_t>(s)]);
      return;
    }
    session.rewindForTiming(depth);
    session.prefill(ids);
  };
  step(0);
  std::vector<PhaseTime> phases(n + 1);
  PhaseClock clock(session, 2 * n + 16);
  for (int64_t s = 1; s <= steps; ++s) {
    stopIfInterrupted();
    step(s);
    const std::vector<int64_t> times = clock.leaves();
    if (times.size() != n + 1 &&
        times.size() != n + 2) // the last phase may or may not have a barrier of its own
      throw Failure(kLacking,
                    cat("a step passed ", times.size() - 2, " barriers, expected one for each of its ", n,
                        " phases; compile it again"));
    for (size_t i = 0; i < n; ++i)
      phases[i].seconds += static_cast<double>(times[i + 1] - times[i]) * 1e-9 / static_cast<double>(steps);
    phases[n].seconds += static_cast<double>(times.back() - times[0]) * 1e-9 / static_cast<double>(steps);
  }
  for (size_t i = 0; i < n; ++i) {
    phases[i].name = list.names[i];
    phases[i].count = 1;
    const double share = list.positions.empty() ? 1
                         : prefill              ? seenShare(list.positions[i], depth, m.prefillNone.rows)
                                                : seenShare(list.positions[i], depth + 1, steps);
    phases[i].bytes = list.bytes.empty() ? 0 : list.bytes[i] * share;
    phases[i].flops = list.flops.empty() ? 0 : list.flops[i] * share;
    phases[n].bytes += phases[i].bytes;
    phases[n].flops += phases[i].flops;
  }
  phases[n].name = "step";
  phases[n].count = 1;
  return phases;
}

static std::string kindOf(const std::string &name) {
  constexpr std::string_view kPrefix = "layers.";
  if (name.compare(0, kPrefix.size(), kPrefix) != 0)
    return name;
  const size_t dot = name.find('.', kPrefix.size());
  const std::string number = name.substr(kPrefix.size(), dot - kPrefix.size());
  const bool digits = !number.empty() && number.find_first_not_of("0123456789") == number.npos;
  return digits && dot != name.npos ? name.substr(dot + 1) : name;
}

std::vector<PhaseTime> byKind(const std::vector<PhaseTime> &phases) {
  std::vector<PhaseTime> kinds;
  for (const PhaseTime &p : phases) {
    const std::string kind = kindOf(p.name);
    auto it = std::find_if(kinds.begin(), kinds.end(), [&](const PhaseTime &k) { return k.name == kind; });
    if (it == kinds.end())
      it = kinds.insert(it, PhaseTime{kind, 0, 0, 0, 0, 0});
    it->count += p.count;
    it->seconds += p.seconds;
    it->bytes += p.bytes;
    it->flops += p.flops;
    it->predicted += p.predicted;
  }
  return kinds;
}

double streamingRead(Session &session, const Manifest &m, uint64_t weightBytes) {
  const auto blocks = static_cast<int64_t>(weightBytes / GM_STREAM_BLOCK);
  if (blocks < 64 || !m.stream)
    return 0;
  double best = 0;
  for (int pass = 0; pass < 4; ++pass) {
    stopIfInterrupted();
    const auto start = Clock::now();
    session.executor().runOther(m.stream, blocks);
    if (pass > 0) // the first brings the pages in
      best = std::max(best, static_cast<double>(blocks) * GM_STREAM_BLOCK / since(start));
  }
  return best;
}

double seenShare(double positions, int64_t depth, int64_t rows) {
  if (positions <= 0)
    return 1;
  double seen = 0;
  for (int64_t r = 0; r < rows; ++r)
    seen += std::min(positions, static_cast<double>(depth + r + 1));
  return rows ? seen / (positions * static_cast<double>(rows)) : 0;
}

TokenCost tokenCost(const Manifest &m, bool prefill, int64_t depth, int64_t n) {
  const PhaseList &list = prefill ? m.prefillPhases : m.phases;
  if (list.bytes.empty() || list.flops.empty() || n <= 0)
    return {};
  const auto rows = static_cast<double>(prefill ? std::max<int64_t>(1, m.prefillNone.rows) : 1);
  const double tokens = static_cast<double>(n), steps = std::ceil(tokens / rows);
  TokenCost cost;
  for (size_t i = 0; i < list.names.size(); ++i) {
    const double share = list.positions.empty() ? 1 : seenShare(list.positions[i], depth, n);
    cost.bytes += list.bytes[i] * share * steps / tokens; // a step that is not full reads the same weights
    cost.flops += list.flops[i] * share / rows;
  }
  return cost;
}

/// A step function: f32, or pairs of bf16, in [1, 2); as bytes they are not zero either.
static void fillOperands(const GmStep *step) {
  Random random(static_cast<uint64_t>(step->worker) + 1);
  auto *words = reinterpret_cast<uint32_t *>(step->scratch);
  for (size_t i = 0; i < GM_PEAK_BYTES / sizeof *words; ++i)
    words[i] = 0x3f803f80u | (static_cast<uint32_t>(random.next()) & 0x007f007fu);
}

std::vector<double> computePeaks(Session &session, const Manifest &m) {
  constexpr double kSeconds = .02;
  std::vector<double> rates;
  if (!m.peaks.empty())
    session.executor().runOther(fillOperands, 1);
  for (const Peak &peak : m.peaks) {
    int64_t times = 1000;
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
      stopIfInterrupted();
      const auto start = Clock::now();
      session.executor().runOther(peak.run, times);
      const double seconds = std::max(1e-9, since(start));
      if (pass > 1) // the first two find out how long it takes
        best =
            std::max(best, peak.flops * static_cast<double>(times) * session.executor().clocks() / seconds);
      times = std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(times) * kSeconds / seconds), 1,
                                  100'000'000);
    }
    rates.push_back(best);
  }
  return rates;
}

/// A step function of nothing but `rows` barriers.
static void onlyBarriers(const GmStep *step) {
  for (int64_t i = 0; i < step->rows; ++i)
    gm_barrier(step);
}

Machine measureMachine(Session &session, const Manifest &m, uint64_t weightBytes) {
  constexpr int64_t kBarriers = 2000;
  Machine machine;
  machine.workers = session.executor().clocks();
  machine.readRate = streamingRead(session, m, weightBytes);
  const std::vector<double> peaks = computePeaks(session, m);
  for (size_t i = 0; i < peaks.size(); ++i)
    machine.setPeak(m.peaks[i].kind, peaks[i]);
  const auto start = Clock::now();
  session.executor().runOther(onlyBarriers, kBarriers);
  machine.barrierSeconds = since(start) / kBarriers;
  stopIfInterrupted();
  return machine;
}

void predictPhases(std::vector<PhaseTime> &phases, const Manifest &m, bool prefill, const Machine &machine) {
  const PhaseList &list = prefill ? m.prefillPhases : m.phases;
  if (list.work.empty() || list.tasks.empty())
    return;
  PhaseTime &step = phases.back();
  for (size_t i = 0; i < list.names.size(); ++i) {
    phases[i].predicted = predictSeconds(machine, {list.work[i], prefill ? m.prefillPeak : m.decodePeak,
                                                   prefill, phases[i].bytes, phases[i].flops, list.tasks[i]});
    step.predicted += phases[i].predicted;
  }
}

double peakOf(const Manifest &m, const std::vector<double> &rates, const std::string &kind) {
  for (size_t i = 0; i < rates.size(); ++i)
    if (m.peaks[i].kind == kind)
      return rates[i];
  return 0;
}

} // namespace gemmac::rt
