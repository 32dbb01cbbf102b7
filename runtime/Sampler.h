// From logits to the next token. Order: repeat penalty (on logits before the softcap), softcap, top-k, top-p,
// min-p, temperature, draw. The same logits and seed give the same token on every machine: own generator, own
// exp, ties by id.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gemmac::rt {

/// xoshiro256**, seeded through splitmix64.
class Random {
public:
  explicit Random(uint64_t seed);
  uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
  std::array<uint64_t, 4> state_;
};

struct SamplingParams {
  double temperature = 1; ///< 0: greedy
  int64_t topK = 0;       ///< 0: off
  double topP = 1, minP = 0, repeatPenalty = 1;
  uint64_t seed = 0;
};

/// The largest logits, as decode_top leaves them: descending, ties by ascending id; id -1 where there are no
/// more above minus infinity.
struct TopLogits {
  std::span<const float> values;
  std::span<const int32_t> ids;
};

class Sampler {
public:
  /// `softcap`: the cap that the logits already carry, if any. `suppress`: ids never drawn.
  Sampler(const SamplingParams &params, int64_t vocab, std::optional<double> softcap,
          std::vector<int32_t> suppress);

  /// The next token from logits [vocab], which it may change; -1 if none is finite, or one is plus infinity.
  int32_t sample(float *logits);
  /// Whether sample() draws the same token from the `candidates` largest logits as from all of them.
  bool needsOnly(int64_t candidates) const;
  int32_t sample(const TopLogits &top);
  /// Remembers a token of prompt or answer for the repeat penalty (the last 64 count).
  void accept(int32_t id);

private:
  struct Candidate {
    float logit;
    int32_t id;
    bool before(const Candidate &o) const { return logit != o.logit ? logit > o.logit : id < o.id; }
  };
  float penalised(float logit) const;
  std::span<const int32_t> distinctRecent(std::array<int32_t, 64> &ids) const;
  void penalise(float *logits);
  int32_t choose();
  bool collect(const float *logits);
  void cutTopP();
  int32_t draw();

  SamplingParams params_;
  int64_t vocab_;
  std::optional<double> softcap_;
  std::vector<int32_t> suppress_;
  Random random_;
  std::vector<Candidate> candidates_; ///< capacity: the vocabulary
  std::vector<int32_t> recent_;       ///< a ring of kRecent
  size_t recentNext_ = 0;
};

/// The id of the largest finite logit (the lowest such id), -1 if there is none.
int32_t argmax(const float *logits, int64_t vocab);

/// e^x for x <= 0 within 2 ulp, from additions and multiplications only: equal on every machine.
double portableExp(double x);

} // namespace gemmac::rt
