// One sequence being computed: the arena with its KV caches, the workers, and the position. Takes all its
// memory at construction; prefill and decode allocate nothing.
#pragma once

#include "runtime/Memory.h"
#include "runtime/Model.h"
#include "runtime/Pool.h"
#include "runtime/Sampler.h"

#include <functional>
#include <span>

namespace gemmac::rt {

/// Who watches each step of the model.
class StepObserver {
public:
  virtual ~StepObserver() = default;
  virtual void before() = 0;
  /// The step has computed `rows` tokens from `position` on.
  virtual void after(const Entry &entry, int64_t position, int64_t rows) = 0;
};

class Session {
public:
  /// `weights` outlives the session. `context` (<= manifest's) is the most tokens it accepts. `cpus`: Pool's.
  Session(const Manifest &manifest, const char *weights, int workers, int64_t context,
          std::vector<int> cpus = {});

  /// Forgets every token. KV need not be cleared: a step reads only slots of positions it has seen.
  void reset() { position_ = written_ = 0; }
  /// Whether everything that rows from `position` on look at is still in the caches: rings of sliding layers
  /// lose what is older than their slots.
  bool canRewind(int64_t position) const;
  /// Goes back to an earlier position that canRewind().
  void rewind(int64_t position) { position_ = position; }
  /// For timing only: goes back to an earlier position although sliding caches have moved on.
  void rewindForTiming(int64_t position) { position_ = position; }
  int64_t position() const { return position_; }
  int64_t context() const { return context_; }

  /// Appends tokens without asking for logits.
  void prefill(std::span<const int32_t> ids);
  /// Appends at least one token; logits [vocab] of the last, valid (and writable) until the next step.
  float *prefillLast(std::span<const int32_t> ids);
  /// Appends tokens; calls row(i, logits [vocab]) for each, in order.
  void prefillAll(std::span<const int32_t> ids, const std::function<void(int64_t, const float *)> &row);
  /// Appends one token; its logits.
  float *decode(int32_t id) { return step(manifest_.decode, {&id, 1}); }
  /// Appends one token; its largest logits, where the executable has manifest.decodeTop. Valid until the next
  /// step.
  TopLogits decodeTop(int32_t id);

  /// Runs a function that is not the model's on all workers: `rows` and `counters` mean what it wants.
  void runOther(GmEntry entry, int64_t rows);
  Pool &pool() { return pool_; }
  /// Null: nobody. The observer outlives its watch.
  void observe(StepObserver *observer) { observer_ = observer; }
  StepObserver *observer() const { return observer_; }

private:
  float *step(const Entry &entry, std::span<const int32_t> ids);
  void zeroCounters();
  void checkRoom(int64_t more) const;

  const Manifest &manifest_;
  const int64_t context_;
  int64_t position_ = 0;
  int64_t written_ = 0; ///< positions that were written since the last reset
  uint64_t counterBytes_, scratchStride_;
  Region arena_, work_; ///< work_: counters, tokens, positions, scratch of each worker
  GmStep proto_ = {};
  StepObserver *observer_ = nullptr;
  int32_t *tokens_, *positions_;
  Pool pool_;
};

} // namespace gemmac::rt
