// See Trace.h. The format: "Trace Event Format" (Google), complete events ("X") and metadata ("M").
#include "runtime/Trace.h"

#include "runtime/Commands.h"
#include "runtime/Failure.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace gemmac::rt {

static std::string quoted(const std::string &text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

/// Names thread `tid` of the trace, and where it stands.
static std::string track(int tid, const std::string &name) {
  return cat(R"({"ph":"M","pid":1,"tid":)", tid, R"(,"name":"thread_name","args":{"name":)", quoted(name),
             R"(}},{"ph":"M","pid":1,"tid":)", tid, R"(,"name":"thread_sort_index","args":{"sort_index":)",
             tid, "}}");
}

Trace::Trace(const std::string &path, const Manifest &manifest, Session &session,
             std::chrono::steady_clock::time_point start, size_t mostSpans)
    : file_(path), manifest_(manifest), session_(session),
      start_(std::chrono::duration_cast<std::chrono::nanoseconds>(start.time_since_epoch()).count()),
      most_(mostSpans), clocks_(static_cast<size_t>(session.executor().clocks())),
      times_(std::max<size_t>(1, clocks_)) {
  int64_t phases = 0;
  for (const Entry *e : {&manifest.decode, &manifest.decodeTop, &manifest.prefillNone, &manifest.prefillLast,
                         &manifest.prefillAll})
    phases = std::max(phases, e->phases);
  for (WorkerTimes &worker : times_)
    worker.ns.reserve(2 * static_cast<size_t>(phases) + 8);
  spans_.reserve(most_);
  session_.observe(this);
}

Trace::~Trace() { session_.observe(nullptr); }

void Trace::before() {
  for (WorkerTimes &worker : times_)
    worker.ns.clear();
  session_.executor().setTimes(&times_);
}

/// Times of a worker: when the step began, then when it came to each barrier and when it left it; behind the
/// last phase's barrier, or instead of it, the one that ends the step.
void Trace::after(const Entry &entry, int64_t position, int64_t rows) {
  session_.executor().setTimes(nullptr);
  size_t more = 0;
  for (size_t w = 0; w < clocks_; ++w)
    more += times_[w].ns.size() / 2;
  if (leftOut_ || spans_.size() + more > most_ ||
      steps_.size() == most_) { // without a gap: a later one may be smaller
    ++leftOut_;
    return;
  }
  if (times_[0].ns.empty())
    return;
  steps_.push_back({&entry, position, rows, times_[0].ns.front(), times_[0].ns.back(), spans_.size()});
  for (size_t w = 0; w < clocks_; ++w) {
    const std::vector<int64_t> &ns = times_[w].ns;
    const size_t phases =
        std::min(ns.size() / 2, entry.phaseNames.empty() ? ns.size() : entry.phaseNames.size());
    for (size_t i = 0; i < phases; ++i)
      spans_.push_back({ns[2 * i], ns[2 * i + 1], static_cast<uint32_t>(i), static_cast<uint32_t>(w)});
  }
}

std::string Trace::duration(int64_t from, int64_t to) const {
  char text[96];
  std::snprintf(text, sizeof text, R"("ts":%.3f,"dur":%.3f)", static_cast<double>(from - start_) * 1e-3,
                static_cast<double>(to - from) * 1e-3);
  return text;
}

std::string Trace::events(const Step &step, size_t lastSpan) const {
  std::string s = cat(",\n", R"({"ph":"X","pid":1,"tid":0,"name":")", step.entry->name, R"(",)",
                      duration(step.from, step.to), R"(,"args":{"position":)", step.position, R"(,"rows":)",
                      step.rows, "}}");
  for (size_t i = step.spans; i < lastSpan; ++i) {
    const Span &span = spans_[i];
    const std::vector<std::string> &names = step.entry->phaseNames;
    s += cat(",\n", R"({"ph":"X","pid":1,"tid":)", span.worker + 1, R"(,"name":)",
             quoted(span.phase < names.size() ? names[span.phase] : cat("phase ", span.phase)), ",",
             duration(span.from, span.to), "}");
  }
  return s;
}

void Trace::commit() {
  std::string head = cat(R"({"displayTimeUnit":"ms","traceEvents":[)", "\n",
                         R"({"ph":"M","pid":1,"name":"process_name","args":{"name":)", quoted(manifest_.name),
                         "}},\n", track(0, "steps"));
  for (size_t w = 0; w < clocks_; ++w)
    head += cat(",\n", track(static_cast<int>(w) + 1, cat("worker ", w)));
  file_.write(head.data(), head.size());
  for (size_t i = 0; i < steps_.size(); ++i) {
    const std::string text = events(steps_[i], i + 1 < steps_.size() ? steps_[i + 1].spans : spans_.size());
    file_.write(text.data(), text.size());
  }
  file_.write("\n]}\n", 4);
  file_.commit();
  if (leftOut_)
    note(cat("the trace has the first ", steps_.size(), " steps; ", leftOut_, " more found no room in its ",
             most_, " spans"));
}

} // namespace gemmac::rt
