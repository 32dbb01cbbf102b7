// What computes the steps of a session. An executor holds the arena with its KV caches and everything else
// that steps touch; it takes all of that at construction, a step allocates nothing. Session and what stands
// above it decide what is computed, and know nothing of where.
#pragma once

#include "runtime/Model.h"
#include "runtime/WorkerTimes.h"

#include <span>
#include <string>
#include <vector>

namespace gemmac::rt {

/// One part of the memory that an executor has taken.
struct MemoryPart {
  std::string name;
  uint64_t bytes;
};

uint64_t totalBytes(const std::vector<MemoryPart> &parts);
/// "12.5 MiB"
std::string sizeText(uint64_t bytes);
/// "weights 241.1 MiB, arena 12.5 MiB"
std::string memoryText(const std::vector<MemoryPart> &parts);

/// What an executor is, for people and for `bench`.
struct ExecutorFacts {
  std::string backend;   ///< llama-bench's word: "CPU", "CUDA"
  std::string gpu;       ///< its name; empty where there is none
  std::string unit;      ///< what it has several of: "workers", "blocks"
  int64_t units = 0;     ///< how many
  std::string text;      ///< of these: "2 on 2 CPUs, 2 cores, 1 cache, 1 node; not bound"
  std::vector<int> cpus; ///< to which workers are bound; empty: to none
  std::vector<MemoryPart> memory;
};

class Executor {
public:
  virtual ~Executor() = default;

  /// Where the tokens and positions of the next step are written: room for the most rows of any entry.
  virtual std::span<int32_t> tokens() = 0;
  virtual std::span<int32_t> positions() = 0;

  /// Computes the first `rows` tokens (1 <= rows <= entry.rows) by an entry that the model has, and returns
  /// once that is done.
  virtual void run(const Entry &entry, int64_t rows) = 0;
  /// What that step left, f32 [entry.stride]: the logits of a row (0 where it leaves one only). Valid and
  /// writable until the next call.
  virtual float *logits(const Entry &entry, int64_t row) = 0;
  /// What a step by decode_top left beside its logits, i32 [entry.stride].
  virtual const int32_t *ids(const Entry &entry) = 0;

  /// How many note when they were at which phase; 0: only when steps begin and end is known.
  virtual int clocks() const = 0;
  /// While set, times are noted: of each clock, or, where there are none, of steps in the first of `times`.
  /// Null: off.
  virtual void setTimes(std::vector<WorkerTimes> *times) = 0;
  virtual const std::vector<WorkerTimes> *times() const = 0;

  /// Runs a function that is not the model's on all workers of a CPU: `rows` and `counters` mean what it
  /// wants. Fails with exit 2 where steps are computed elsewhere.
  virtual void runOther(GmEntry entry, int64_t rows) = 0;

  virtual ExecutorFacts facts() const = 0;
};

} // namespace gemmac::rt
