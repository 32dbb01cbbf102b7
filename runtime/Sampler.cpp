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

/// As llama.cpp: each token that occurred counts once; positive logits are divided, others multiplied.
void Sampler::penalise(float *logits) {
  std::array<int32_t, kRecent> ids;
  auto end = std::copy(recent_.begin(), recent_.end(), ids.begin());
  std::sort(ids.begin(), end);
  end = std::unique(ids.begin(), end);
  for (auto it = ids.begin(); it != end; ++it) {
    if (*it < 0 || *it >= vocab_)
      continue;
    double z = logits[*it];
    if (softcap_)
      z = *softcap_ * std::atanh(std::clamp(z / *softcap_, -1 + 1e-7, 1 - 1e-7));
    z = z > 0 ? z / params_.repeatPenalty : z * params_.repeatPenalty;
    logits[*it] = static_cast<float>(softcap_ ? *softcap_ * std::tanh(z / *softcap_) : z);
  }
}

/// Fills candidates_ with the top-k (or all) finite logits. The top-k come sorted, all of them by id.
void Sampler::collect(const float *logits) {
  const auto before = [](const Candidate &a, const Candidate &b) { return a.before(b); };
  const size_t k = params_.topK > 0 && params_.topK < vocab_ ? static_cast<size_t>(params_.topK) : 0;
  candidates_.clear();
  for (int64_t i = 0; i < vocab_; ++i) {
    const Candidate c{logits[i], static_cast<int32_t>(i)};
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
  collect(logits);
  if (candidates_.empty())
    return -1;
  if (params_.topP < 1)
    cutTopP();
  return draw();
}

} // namespace gemmac::rt
