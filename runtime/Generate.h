// The token loop: prefill, then sample, observe, decode, until a stop. It has four seams - accept, sample,
// observe and the stop test - and no output of its own.
#pragma once

#include "runtime/Sampler.h"
#include "runtime/Session.h"
#include "runtime/Tokenizer.h"

#include <functional>
#include <string>

namespace gemmac::rt {

enum class StopReason { Limit, StopId, StopText, Context, Interrupt };

struct GenerateOptions {
  int64_t limit = INT64_MAX; ///< most tokens of the answer
  bool ignoreEos = false;    ///< a stop id is printed like any other and ends nothing
  std::vector<std::string> stops;
};

struct GenerateResult {
  std::vector<int32_t> ids; ///< the answer, without the stop id that ended it
  StopReason reason = StopReason::Limit;
  double promptSeconds = 0, answerSeconds = 0;
  int64_t decodeSteps = 0; ///< steps within answerSeconds
};

/// Finds stop texts in a stream of pieces and holds back what may still become one.
class StopFilter {
public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  /// Appends to `out` what can be shown; true once a stop text was met, at which the output ends.
  bool feed(std::string_view text, std::string &out);
  /// What was held back, at the end of the answer.
  std::string finish() { return std::move(held_); }

private:
  std::vector<std::string> stops_;
  std::string held_;
};

/// Answers `prompt` (at least one id). show(text) gets the answer's text as soon as it is certain.
GenerateResult generate(Session &session, Sampler &sampler, const Tokenizer &tokenizer,
                        const Manifest &manifest, std::span<const int32_t> prompt,
                        const GenerateOptions &options, const std::function<void(const std::string &)> &show);

/// Negative log-likelihood (nats) of `target` under logits [vocab].
double nll(const float *logits, int64_t vocab, int32_t target);

/// llama.cpp's perplexity: `ids` (with <bos> in front) is cut into windows of `window`; the first id of each
/// is replaced by bos, and of its predictions the second half is scored. done(i, perplexity so far) after
/// each window.
double perplexity(Session &session, const Manifest &manifest, std::vector<int32_t> ids, int64_t window,
                  int64_t windows, const std::function<void(int64_t, double)> &done);

} // namespace gemmac::rt
