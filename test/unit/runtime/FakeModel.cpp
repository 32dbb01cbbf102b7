// See FakeModel.h. Written as generated code is: tasks claimed from one counter a phase, a barrier after
// each.
#include "FakeModel.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace gemmac::test {

std::atomic<int> fakeCalls[5];
std::atomic<int> fakeDelayMs;

// Arena: u64 state[kContext], then f32 logits[kAllRows][kVocab].
static constexpr uint64_t kLogitsAt = 4096;
static constexpr uint64_t kTopAt = kLogitsAt + kVocab * 4, kTopIdsAt = kTopAt + kVocab * 4, kTop = 256;

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ (v + 0x9E3779B97F4A7C15ull)) * 0xBF58476D1CE4E5B9ull;
  return h ^ (h >> 31);
}

static float logit(uint64_t state, int64_t v) {
  return static_cast<float>(mix(state, static_cast<uint64_t>(v)) >> 40) / static_cast<float>(1 << 20) - 8;
}

static int64_t claim(const GmStep *s, int phase) {
  return __atomic_fetch_add(&s->counters[8 * phase], 1, __ATOMIC_RELAXED);
}

static void states(const GmStep *s) {
  // What a worker finds in its scratch belongs to it alone.
  std::memset(s->scratch, static_cast<int>(s->worker), kFakeScratch);
  uint64_t *state = reinterpret_cast<uint64_t *>(s->arena);
  while (claim(s, 0) == 0)
    for (int64_t r = 0; r < s->rows; ++r) {
      const int64_t p = s->positions[r];
      state[p] = mix(p ? state[p - 1] : 0, static_cast<uint64_t>(s->tokens[r]));
    }
  gm_barrier(s);
}

/// Logits of rows first..rows-1, in tiles of 256.
static void logits(const GmStep *s, int64_t first) {
  const uint64_t *state = reinterpret_cast<const uint64_t *>(s->arena);
  float *out = reinterpret_cast<float *>(s->arena + kLogitsAt);
  constexpr int64_t kTiles = kVocab / 256;
  for (int64_t task; (task = claim(s, 1)) < (s->rows - first) * kTiles;)
    for (int64_t v = task % kTiles * 256; v < (task % kTiles + 1) * 256; ++v)
      out[task / kTiles * kVocab + v] = logit(state[s->positions[first + task / kTiles]], v);
  gm_barrier(s);
}

static void count(const GmStep *s, int entry) {
  if (s->worker != 0)
    return;
  ++fakeCalls[entry];
  if (fakeDelayMs > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(fakeDelayMs));
}

static void decode(const GmStep *s) { count(s, 0), states(s), logits(s, 0); }
/// The logits of decode where those of a second and a third row would lie: the largest, and their ids.
static void decodeTop(const GmStep *s) {
  count(s, 4);
  states(s);
  while (claim(s, 1) == 0) {
    const uint64_t state = reinterpret_cast<const uint64_t *>(s->arena)[s->positions[0]];
    std::vector<std::pair<float, int32_t>> all; // negated: ascending is descending, ties by ascending id
    for (int32_t v = 0; v < kVocab; ++v)
      all.emplace_back(-logit(state, v), v);
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < kTop; ++i) {
      reinterpret_cast<float *>(s->arena + kTopAt)[i] = -all[i].first;
      reinterpret_cast<int32_t *>(s->arena + kTopIdsAt)[i] = all[i].second;
    }
  }
  gm_barrier(s);
}
static void prefillNone(const GmStep *s) { count(s, 1), states(s); }
static void prefillLast(const GmStep *s) { count(s, 2), states(s), logits(s, s->rows - 1); }
static void prefillAll(const GmStep *s) { count(s, 3), states(s), logits(s, 0); }

/// Adds up the weights, in blocks claimed from the first counter.
static void stream(const GmStep *s) {
  uint64_t *sum = reinterpret_cast<uint64_t *>(s->scratch);
  for (int64_t block; (block = claim(s, 0)) < s->rows;) {
    const uint64_t *words = reinterpret_cast<const uint64_t *>(s->weights + block * GM_STREAM_BLOCK);
    for (int64_t i = 0; i < GM_STREAM_BLOCK / 8; ++i)
      sum[0] += words[i];
  }
}

/// Runs of a loop as a generated peak has it: reads operands, writes results.
static void peak(const GmStep *s) {
  const uint32_t *x = reinterpret_cast<const uint32_t *>(s->scratch);
  uint32_t *sums = reinterpret_cast<uint32_t *>(s->scratch + GM_PEAK_BYTES - 4096);
  for (int64_t i = 0; i < s->rows; ++i)
    for (int64_t k = 0; k < 16; ++k)
      sums[k] += x[k] * x[1024 + k];
}

static constexpr char kManifest[] =
    R"({"gemmac": "0.1.0", "name": "fake", "family": "gemma4", "target": "cpu", "march": ["x86-64"],
"features": ["sse2"], "quantize": "none", "compute": "f32", "kv": "f32", "vocab": 2048, "hidden": 8, "layers": 2,
"context": 200, "max_batch": 1, "window": 16, "arena_bytes": 69632, "scratch_bytes": 1000, "counters": 2,
"entries": {"decode": {"rows": 1, "logits": 4096, "stride": 2048, "phases": 2},
"decode_top": {"rows": 1, "logits": 12288, "ids": 20480, "stride": 256, "phases": 2},
"prefill_none": {"rows": 16, "phases": 1},
"prefill_last": {"rows": 16, "logits": 4096, "stride": 2048, "phases": 2},
"prefill_all": {"rows": 8, "logits": 4096, "stride": 2048, "phases": 2}},
"softcap": null, "bos": 2, "eos": [1, 106], "suppress": [7], "has_template": false,
"sampling": {"do_sample": true, "temperature": 1.0, "top_k": 64, "top_p": 0.95, "min_p": 0.0, "repeat_penalty": 1.0},
"parameters": 1000, "weight_bytes": 3000, "bytes_per_token": 3000, "fusions": ["norm"], "glibc": "2.34", "notes": [],
"plan": {"activations": 1, "kv": 2, "scratch": 3, "caches": [{"name": "layers.0", "slots": 16, "bytes": 64}]},
"phases": ["layers.0.state", "layers.1.state"], "phase_bytes": [1000, 2000], "phase_flops": [1, 2],
"phase_positions": [0, 16], "prefill_phases": ["layers.0.state"], "prefill_last_phases": ["layers.0.state", "head"],
"prefill_all_phases": ["layers.0.state", "head"],
"peaks": [{"kind": "f32", "flops": 32}], "decode_peak": "f32", "prefill_peak": "f32"})";

std::string fakeManifest(const std::string &changes) {
  static_assert(kFakeArena == kLogitsAt + kAllRows * kVocab * 4 && kTopAt == 12288 && kTopIdsAt == 20480 &&
                    kTop == 256,
                "the manifest's");
  nlohmann::json j = nlohmann::json::parse(kManifest);
  j.merge_patch(nlohmann::json::parse(changes));
  return j.dump();
}

GmModel fakeModel(const std::string &manifest) {
  return {
      GM_ABI_VERSION, manifest.data(), manifest.size(),          decode, prefillNone, prefillLast, prefillAll,
      decodeTop,      stream,          {peak, nullptr, nullptr}, 0,      nullptr,     nullptr};
}

uint64_t fakeHash(const std::vector<char> &bytes) {
  uint64_t h = 14695981039346656037ull;
  for (const char byte : bytes)
    h = (h ^ static_cast<unsigned char>(byte)) * 1099511628211ull;
  return h;
}

std::vector<float> fakeLogits(const std::vector<int32_t> &ids) {
  uint64_t state = 0;
  for (int32_t id : ids)
    state = mix(state, static_cast<uint64_t>(id));
  std::vector<float> row(kVocab);
  for (int v = 0; v < kVocab; ++v)
    row[static_cast<size_t>(v)] = logit(state, v);
  return row;
}

} // namespace gemmac::test
