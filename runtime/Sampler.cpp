// See Sampler.h.
#include "runtime/Sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace gemmac::rt {

static constexpr size_t kRecent = 64;

Random::Random(uint64_t seed) {
  for (uint64_t &s : state_) {
    uint64_t z = seed += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    s = z ^ (z >> 31);
  }
}

uint64_t Random::next() {
  const auto rotate = [](uint64_t x, int k) { return x << k | x >> (64 - k); };
  auto &s = state_;
  const uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result;
}

/// 1 / i!
static constexpr auto kInverseFactorials = [] {
  std::array<double, 15> table{};
  double factorial = 1;
  for (int i = 0; i < 15; factorial *= ++i)
    table[static_cast<size_t>(i)] = 1 / factorial;
  return table;
}();

double portableExp(double x) {
  if (!(x > -708))
    return 0;
  // x = k ln 2 + r, |r| <= ln 2 / 2; e^r by its series; 2^k by the exponent's bits.
  const double k = std::floor(x * 1.4426950408889634 + 0.5);
  const double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
  double sum = kInverseFactorials[14];
  for (int i = 13; i >= 0; --i)
    sum = kInverseFactorials[static_cast<size_t>(i)] + sum * r;
  const uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(k) + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return sum * power;
}

int32_t argmax(const float *logits, int64_t vocab) {
  float best = -std::numeric_limits<float>::infinity();
  int32_t id = -1;
  for (int64_t i = 0; i < vocab; ++i)
    if (logits[i] > best) { // false for NaN
      best = logits[i];
      id = static_cast<int32_t>(i);
    }
  return std::isfinite(best) ? id : -1;
}

Sampler::Sampler(const SamplingParams &params, int64_t vocab, std::optional<double> softcap,
                 std::vector<int32_t> suppress)
    : params_(params), vocab_(vocab), softcap_(softcap), suppress_(std::move(suppress)),
      random_(params.seed) {
  candidates_.reserve(static_cast<size_t>(vocab));
  recent_.reserve(kRecent);
}

void Sampler::accept(int32_t id) {
  if (recent_.size() < kRecent)
    recent_.push_back(id);
  else
    recent_[recentNext_] = id;
  recentNext_ = (recentNext_ + 1) % kRecent;
}

/// As llama.cpp: positive logits are divided, others multiplied. A penalty above 1 never raises a logit, not
/// even by the rounding of one that the softcap has brought to its end: needsOnly() relies on it.
float Sampler::penalised(float logit) const {
  double z = logit;
  if (softcap_)
    z = *softcap_ * std::atanh(std::clamp(z / *softcap_, -1 + 1e-7, 1 - 1e-7));
  z = z > 0 ? z / params_.repeatPenalty : z * params_.repeatPenalty;
  const float result = static_cast<float>(softcap_ ? *softcap_ * std::tanh(z / *softcap_) : z);
  return params_.repeatPenalty > 1 ? std::min(result, logit) : result;
}

/// Each token that occurred counts once; ascending.
std::span<const int32_t> Sampler::distinctRecent(std::array<int32_t, kRecent> &ids) const {
  auto end = std::copy(recent_.begin(), recent_.end(), ids.begin());
  std::sort(ids.begin(), end);
  return {ids.begin(), std::unique(ids.begin(), end)};
}

void Sampler::penalise(float *logits) {
  std::array<int32_t, kRecent> ids;
  for (int32_t id : distinctRecent(ids))
    if (id >= 0 && id < vocab_)
      logits[id] = penalised(logits[id]);
}

/// Fills candidates_ with the top-k (or all) finite logits. The top-k come sorted, all of them by id. False
/// if one is plus infinity.
bool Sampler::collect(const float *logits) {
  const auto before = [](const Candidate &a, const Candidate &b) { return a.before(b); };
  const size_t k = params_.topK > 0 && params_.topK < vocab_ ? static_cast<size_t>(params_.topK) : 0;
  candidates_.clear();
  for (int64_t i = 0; i < vocab_; ++i) {
    const Candidate c{logits[i], static_cast<int32_t>(i)};
    if (c.logit == std::numeric_limits<float>::infinity())
      return false;
    if (!std::isfinite(c.logit))
      continue;
    if (!k || candidates_.size() < k) {
      candidates_.push_back(c);
      if (k && candidates_.size() == k)
        std::make_heap(candidates_.begin(), candidates_.end(), before);
    } else if (c.logit >
               candidates_.front().logit) { // the heap's front is the worst; a tie has the larger id
      std::pop_heap(candidates_.begin(), candidates_.end(), before);
      candidates_.back() = c;
      std::push_heap(candidates_.begin(), candidates_.end(), before);
    }
  }
  if (k)
    std::sort(candidates_.begin(), candidates_.end(), before);
  return true;
}

/// Keeps the shortest prefix in descending order whose probabilities sum to topP, and sorts only as far as
/// needed.
void Sampler::cutTopP() {
  const auto before = [](const Candidate &a, const Candidate &b) { return a.before(b); };
  const float most = std::min_element(candidates_.begin(), candidates_.end(), before)->logit;
  double total = 0, sum = 0;
  for (const Candidate &c : candidates_)
    total += portableExp(static_cast<double>(c.logit) - most);
  size_t sorted = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(candidates_.size(), std::max<size_t>(256, 8 * sorted));
      std::partial_sort(candidates_.begin() + static_cast<ptrdiff_t>(i),
                        candidates_.begin() + static_cast<ptrdiff_t>(sorted), candidates_.end(), before);
    }
    sum += portableExp(static_cast<double>(candidates_[i].logit) - most);
    if (sum >= params_.topP * total) {
      candidates_.resize(i + 1);
      return;
    }
  }
}

int32_t Sampler::draw() {
  const auto before = [](const Candidate &a, const Candidate &b) { return a.before(b); };
  const double most = std::min_element(candidates_.begin(), candidates_.end(), before)->logit;
  const auto weight = [&](const Candidate &c) {
    const double below = c.logit - most;
    return params_.minP > 0 && portableExp(below) < params_.minP ? 0
                                                                 : portableExp(below / params_.temperature);
  };
  double total = 0;
  for (const Candidate &c : candidates_)
    total += weight(c);
  double left = random_.uniform() * total;
  int32_t last = -1;
  for (const Candidate &c : candidates_) {
    const double w = weight(c);
    if (w <= 0)
      continue;
    last = c.id;
    if ((left -= w) < 0)
      break;
  }
  return last;
}

int32_t Sampler::sample(float *logits) {
  if (params_.repeatPenalty != 1)
    penalise(logits);
  for (int32_t id : suppress_)
    logits[id] = -std::numeric_limits<float>::infinity();
  if (params_.temperature <= 0)
    return argmax(logits, vocab_);
  return collect(logits) ? choose() : -1;
}

int32_t Sampler::choose() {
  if (candidates_.empty())
    return -1;
  if (params_.topP < 1)
    cutTopP();
  return draw();
}

// Let S be the n largest logits and k what top-k leaves (greedy: 1). At most 64 ids are penalised and u are
// suppressed, so at least n - 64 - u >= k of S keep their logits. An id outside of S comes after every one of
// S, and still does once it is penalised, for a penalty above 1 only lowers logits: k of S come before it. So
// the k best of all are the k best of S, in the same order, and nothing later looks at others. (Where S has
// fewer than n, every logit above minus infinity is in S. Where any logit is plus infinity to the end, one of
// S is: the largest that nothing has touched.)
bool Sampler::needsOnly(int64_t candidates) const {
  const int64_t k = params_.temperature <= 0 ? 1 : params_.topK;
  if (k <= 0 || k >= vocab_ || !(params_.repeatPenalty >= 1))
    return false;
  const int64_t touched = (params_.repeatPenalty > 1 ? static_cast<int64_t>(kRecent) : 0) +
                          static_cast<int64_t>(suppress_.size());
  return k <= candidates - touched;
}

int32_t Sampler::sample(const TopLogits &top) {
  std::array<int32_t, kRecent> ids;
  std::span<const int32_t> recent;
  if (params_.repeatPenalty != 1)
    recent = distinctRecent(ids);
  candidates_.clear();
  for (size_t i = 0; i < top.ids.size() && top.ids[i] >= 0; ++i) {
    Candidate c{top.values[i], top.ids[i]};
    if (std::find(suppress_.begin(), suppress_.end(), c.id) != suppress_.end())
      continue;
    if (std::binary_search(recent.begin(), recent.end(), c.id))
      c.logit = penalised(c.logit);
    if (c.logit == std::numeric_limits<float>::infinity())
      return -1;
    if (std::isfinite(c.logit))
      candidates_.push_back(c);
  }
  const auto before = [](const Candidate &a, const Candidate &b) { return a.before(b); };
  const size_t k = params_.temperature <= 0 ? 1 : static_cast<size_t>(params_.topK);
  if (!recent.empty())
    std::sort(candidates_.begin(), candidates_.end(), before);
  candidates_.resize(std::min(k, candidates_.size()));
  if (params_.temperature <= 0)
    return candidates_.empty() ? -1 : candidates_.front().id;
  return choose();
}

} // namespace gemmac::rt
