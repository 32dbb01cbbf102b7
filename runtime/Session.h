// One sequence being computed: its position, and how its tokens are cut into steps, which an executor
// computes. Prefill and decode allocate nothing.
#pragma once

#include "runtime/Executor.h"
#include "runtime/Sampler.h"

#include <functional>
#include <memory>
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
  /// The manifest outlives the session. `context` (<= manifest's) is the most tokens it accepts.
  Session(const Manifest &manifest, std::unique_ptr<Executor> executor, int64_t context);

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
  float *decode(int32_t id);
  /// Appends one token; its largest logits, where the executable has manifest.decodeTop. Valid until the next
  /// step.
  TopLogits decodeTop(int32_t id);

  /// For measurements.
  Executor &executor() { return *executor_; }
  /// Null: nobody. The observer outlives its watch.
  void observe(StepObserver *observer) { observer_ = observer; }
  StepObserver *observer() const { return observer_; }

private:
  void step(const Entry &entry, std::span<const int32_t> ids);
  void checkRoom(int64_t more) const;

  const Manifest &manifest_;
  const std::unique_ptr<Executor> executor_;
  const int64_t context_;
  int64_t position_ = 0;
  int64_t written_ = 0; ///< positions that were written since the last reset
  StepObserver *observer_ = nullptr;
};

} // namespace gemmac::rt
