// See Generate.h.
#include "runtime/Generate.h"

#include "runtime/Failure.h"
#include "runtime/Signals.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace gemmac::rt {

using Clock = std::chrono::steady_clock;

static double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool StopFilter::feed(std::string_view text, std::string &out) {
  held_ += text;
  size_t found = held_.npos;
  for (const std::string &stop : stops_)
    found = std::min(found, held_.find(stop));
  if (found != held_.npos) {
    out.append(held_, 0, found);
    held_.clear();
    return true;
  }
  size_t keep = 0; // the longest end of held_ that some stop text starts with
  for (const std::string &stop : stops_)
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n)
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0)
        keep = n;
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

GenerateResult generate(Session &session, Sampler &sampler, const Tokenizer &tokenizer,
                        const Manifest &manifest, std::span<const int32_t> prompt,
                        const GenerateOptions &options,
                        const std::function<void(const std::string &)> &show) {
  GenerateResult result;
  StreamDecoder decoder(tokenizer);
  StopFilter filter(options.stops);
  for (int32_t id : prompt)
    sampler.accept(id);
  auto start = Clock::now();
  float *logits = session.prefillLast(prompt); // all of them: this is once a prompt
  const bool needsTop = manifest.decodeTop && sampler.needsOnly(manifest.decodeTop.stride);
  std::optional<TopLogits> top;
  result.promptSeconds = since(start);
  start = Clock::now();
  while (static_cast<int64_t>(result.ids.size()) < options.limit) {
    const int32_t id = top ? sampler.sample(*top) : sampler.sample(logits);
    if (id < 0)
      throw Failure(kLacking,
                    cat("the logits at position ", session.position() - 1,
                        " are not finite; try --compute=f32, or check the executable with `verify`"));
    if (!options.ignoreEos && manifest.isStop(id)) {
      result.reason = StopReason::StopId;
      break;
    }
    sampler.accept(id);
    result.ids.push_back(id);
    std::string text;
    const bool stop = filter.feed(decoder.feed(id), text);
    if (!text.empty())
      show(text);
    if (stop) {
      result.reason = StopReason::StopText;
      break;
    }
    if (static_cast<int64_t>(result.ids.size()) == options.limit)
      break;
    if (interrupted() || session.position() == session.context()) {
      result.reason = interrupted() ? StopReason::Interrupt : StopReason::Context;
      break;
    }
    if (needsTop)
      top = session.decodeTop(id);
    else
      logits = session.decode(id);
    ++result.decodeSteps;
  }
  result.answerSeconds = since(start);
  if (result.reason != StopReason::StopText) {
    std::string text;
    if (!filter.feed(decoder.finish(), text))
      text += filter.finish();
    if (!text.empty())
      show(text);
  }
  return result;
}

double nll(const float *logits, int64_t vocab, int32_t target) {
  if (!std::all_of(logits, logits + vocab, [](float x) { return std::isfinite(x); }))
    throw Failure(kLacking,
                  "the logits are not finite; try --compute=f32, or check the executable with `verify`");
  const double most = *std::max_element(logits, logits + vocab);
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    sum += std::exp(logits[i] - most);
  return std::log(sum) + most - logits[target];
}

double perplexity(Session &session, const Manifest &manifest, std::vector<int32_t> ids, int64_t window,
                  int64_t windows, const std::function<void(int64_t, double)> &done) {
  const int64_t first = window / 2; // logits of positions first .. window-2 are scored, as llama.cpp does
  double sum = 0;
  int64_t count = 0;
  for (int64_t w = 0; w < windows; ++w) {
    int32_t *start = ids.data() + w * window;
    if (manifest.bos >= 0)
      start[0] = manifest.bos;
    session.reset();
    session.prefill({start, static_cast<size_t>(first)});
    session.prefillAll({start + first, static_cast<size_t>(window - 1 - first)},
                       [&](int64_t i, const float *logits) {
                         sum += nll(logits, manifest.vocab, start[first + i + 1]);
                         ++count;
                       });
    done(w, std::exp(sum / static_cast<double>(count)));
  }
  return std::exp(sum / static_cast<double>(count));
}

} // namespace gemmac::rt
