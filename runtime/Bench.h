// Measurements for `bench`: what llama-bench measures, in the same way, and each phase of a decode step.
// Numbers only; CmdBench prints them. Ctrl-C ends every measurement by Interrupted.
#pragma once

#include "runtime/MachineModel.h"
#include "runtime/Session.h"

#include <string>
#include <vector>

namespace gemmac::rt {

struct BenchRow {
  int64_t prompt = 0, answer = 0, depth = 0; ///< tokens; one of prompt and answer is 0
  std::vector<double> seconds;               ///< of each repetition
  double tokens() const { return static_cast<double>(prompt + answer); }
  double meanRate() const;      ///< tokens per second
  double deviationRate() const; ///< sample standard deviation, 0 for one repetition
  std::string name() const;     ///< "pp512", "tg128 @ d4096"
};

/// One warm-up, then `repetitions`, on the same pseudo-random tokens each time. As in llama-bench the
/// answer's tokens are given, not sampled; a step leaves the largest logits where the executable has an entry
/// for those, as `run` uses it unless sampling needs all of them.
BenchRow benchRow(Session &session, const Manifest &manifest, int64_t prompt, int64_t answer, int64_t depth,
                  int64_t repetitions);

struct PhaseTime {
  std::string name;
  int64_t count = 0;           ///< phases summed here: 1, or the layers that have it
  double seconds = 0;          ///< mean of a step
  double bytes = 0, flops = 0; ///< at the depth that was measured
  double predicted = 0;        ///< seconds; 0: not known
};
/// Mean time of each phase over `steps` steps at `depth`, of decode or of a full step of a prompt
/// (`prefill`); the last entry is "step", the whole.
std::vector<PhaseTime> benchPhases(Session &session, const Manifest &manifest, bool prefill, int64_t depth,
                                   int64_t steps);
/// The same summed by kind: "layers.<n>.<kind>" -> "<kind>".
std::vector<PhaseTime> byKind(const std::vector<PhaseTime> &phases);

/// What a token moves and computes by the manifest's phases: of an answer (or, `prefill`, of a prompt) of `n`
/// tokens from `depth` on. 0 where the manifest has no costs.
struct TokenCost {
  double bytes = 0, flops = 0;
};
TokenCost tokenCost(const Manifest &manifest, bool prefill, int64_t depth, int64_t n);
/// Share of a phase's attention costs, which are for `positions`, that rows [depth, depth + rows) have.
double seenShare(double positions, int64_t depth, int64_t rows);

/// Floating-point (or integer) operations per second of all workers together, for each of the manifest's
/// peaks: best of three runs of its generated loop on random operands in the first cache.
std::vector<double> computePeaks(Session &session, const Manifest &manifest);
/// That of `kind`; 0 if it is not among them.
double peakOf(const Manifest &manifest, const std::vector<double> &rates, const std::string &kind);

/// What this machine can do, measured now with the session's workers.
Machine measureMachine(Session &session, const Manifest &manifest, uint64_t weightBytes);
/// Fills in `predicted` of what benchPhases() gave.
void predictPhases(std::vector<PhaseTime> &phases, const Manifest &manifest, bool prefill,
                   const Machine &machine);

/// Bytes per second at which the workers read the weights' mapping with the generated code's widest loads,
/// best of three passes; 0 if it is too small (less than 64 MiB: a cache would be measured).
double streamingRead(Session &session, const Manifest &manifest, uint64_t weightBytes);

} // namespace gemmac::rt
