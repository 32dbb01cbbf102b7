// A model in place of generated code: its logits are a hash of everything before them, so that any token
// lost, doubled, reordered or computed by two workers shows. Its state is kept in the arena as KV caches are.
#pragma once

#include "runtime/Abi.h"

#include <atomic>
#include <string>
#include <vector>

namespace gemmac::test {

constexpr int kVocab = 2048, kContext = 200, kChunk = 16, kAllRows = 8;

/// Bytes that its steps use: of the arena, and of each worker's scratch.
constexpr uint64_t kFakeArena = 69632, kFakeScratch = 1000;

/// Calls of decode, prefill_none, prefill_last, prefill_all, decode_top so far.
extern std::atomic<int> fakeCalls[5];
/// What a step takes at least, for tests that meet one under way.
extern std::atomic<int> fakeDelayMs;

/// The manifest, with `changes` (a JSON object) merged over it.
std::string fakeManifest(const std::string &changes = "{}");
/// The fake entries with another manifest; `manifest` outlives the result.
GmModel fakeModel(const std::string &manifest);
/// FNV-1a, to compare what lies in memory that a test cannot look into.
uint64_t fakeHash(const std::vector<char> &bytes);
/// What the model must answer after `ids`, computed in one go.
std::vector<float> fakeLogits(const std::vector<int32_t> &ids);

} // namespace gemmac::test
