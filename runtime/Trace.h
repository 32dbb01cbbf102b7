// --trace: what each worker did when, as Chrome's trace events, which Perfetto and chrome://tracing show: a
// track of steps, and for each worker that has a clock one of phases; what lies between two phases is
// waiting. Costs two looks at the clock a phase and worker while it is on, and nothing when it is off.
#pragma once

#include "runtime/Output.h"
#include "runtime/Session.h"

#include <chrono>
#include <string>
#include <vector>

namespace gemmac::rt {

class Trace : public StepObserver {
public:
  static constexpr size_t kMostSpans = 1 << 20; ///< 24 MB; steps that find no more room are left out

  /// Watches the session until it goes. Opens `path` now: a name that cannot be written fails (as OutputFile
  /// does) before anything runs. Times are from `start` on.
  Trace(const std::string &path, const Manifest &manifest, Session &session,
        std::chrono::steady_clock::time_point start, size_t mostSpans = kMostSpans);
  Trace(const Trace &) = delete;
  ~Trace() override;

  void before() override;
  void after(const Entry &entry, int64_t position, int64_t rows) override;

  /// Steps that found no room.
  int64_t leftOut() const { return leftOut_; }
  /// Writes the file; a note says how many steps were left out. Fails with exit 3 if it cannot be written.
  void commit();

private:
  struct Span {
    int64_t from, to; ///< ns
    uint32_t phase, worker;
  };
  struct Step {
    const Entry *entry;
    int64_t position, rows, from, to;
    size_t spans; ///< index of the first
  };
  std::string events(const Step &step, size_t lastSpan) const;
  std::string duration(int64_t from, int64_t to) const;

  OutputFile file_;
  const Manifest &manifest_;
  Session &session_;
  const int64_t start_;
  const size_t most_;
  const size_t clocks_;            ///< who has a track of phases
  std::vector<WorkerTimes> times_; ///< of each, or of steps alone
  std::vector<Span> spans_;
  std::vector<Step> steps_;
  int64_t leftOut_ = 0;
};

} // namespace gemmac::rt
