// The compiled model as data: the manifest that gemmac wrote into the object (fields in Abi.h), checked.
// Everything the runtime knows of a model is here; it has no names of models and no shapes of its own.
#pragma once

#include "runtime/Abi.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemmac::rt {

/// One compiled step and where it leaves its logits.
struct Entry {
  std::string name;      ///< "decode"
  GmEntry run = nullptr; ///< on a CPU
  int64_t rows = 0;      ///< most rows (tokens) of one call; 0: the model has no such entry
  bool everyRow = false; ///< leaves the logits of every row, not of the last
  uint64_t logits = 0;   ///< byte offset in the arena of f32 [rows or 1][stride]
  int64_t stride = 0;    ///< floats from one row of logits to the next
  int64_t phases = 0;
  uint64_t ids = 0; ///< decode_top: byte offset in the arena of i32 [stride], the ids of its logits
  std::vector<std::string> phaseNames; ///< in order; empty if not known

  explicit operator bool() const { return rows > 0; }
};

/// One KV cache: a ring of `slots` positions of which a row sees the last `window`, or (window 0) one slot
/// for each.
struct CacheRing {
  int64_t slots = 0, window = 0;
};

/// generation_config's values: defaults of the sampling flags.
struct SamplingDefaults {
  bool doSample = true;
  double temperature = 1, topP = 1, minP = 0, repeatPenalty = 1;
  int64_t topK = 0;
};

/// Phases of an entry, in order.
struct PhaseList {
  std::vector<std::string> names;
  std::vector<double> bytes, flops; ///< empty or as long as names
  /// Empty or as long as names: 0, or the positions that a row sees in the attention whose bytes and flops
  /// these are. A row that sees fewer costs less in proportion.
  std::vector<double> positions;
  std::vector<std::string> work; ///< empty or as long as names: kinds of MachineModel.cpp
  std::vector<int64_t> tasks;    ///< empty or as long as names
};

/// A generated function that measures how fast the machine multiplies at most (Abi.h).
struct Peak {
  std::string kind;
  GmEntry run = nullptr;
  double flops = 0; ///< of one run of its loop
};

/// What a program for a GPU needs of it.
struct GpuNeeds {
  std::vector<std::string> archs;              ///< that there is code for
  int64_t threads = 0;                         ///< of a block
  std::map<std::string, uint64_t> sharedBytes; ///< of a block, by the architecture of its code
};

struct Manifest {
  std::string_view text; ///< the JSON itself, for `info`
  std::string version, name, family, target, quantize, compute, kv;
  std::vector<std::string> march, features;
  int64_t vocab = 0, hidden = 0, layers = 0, context = 0, window = 0;
  uint64_t arenaBytes = 0, scratchBytes = 0, counters = 0;
  Entry decode, prefillNone, prefillLast, prefillAll;
  Entry decodeTop; ///< its logits are the `stride` largest, descending
  std::optional<double> softcap;
  int32_t bos = -1, pad = 0;
  std::vector<int32_t> eos, suppress;
  std::vector<int32_t> placeholders; ///< soft-token ids: as text they embed like `pad`
  bool hasTemplate = false;
  std::optional<std::vector<CacheRing>> caches; ///< nothing: not known
  SamplingDefaults sampling;
  uint64_t parameters = 0, weightBytes = 0, bytesPerToken = 0;
  PhaseList phases, prefillPhases; ///< of decode_top, or else decode; of a full step of prefill_none
  GmEntry stream = nullptr;        ///< reads the weights (Abi.h)
  std::vector<Peak> peaks;
  std::string decodePeak, prefillPeak; ///< kinds; empty if not known
  const GmDevice *device = nullptr;    ///< what computes its steps; null: the CPU
  std::vector<GmImage> images;         ///< code for it
  std::optional<uint64_t> tablesAt;    ///< from which byte on weights are read through GmStep.tables
  GpuNeeds gpu;                        ///< where there is a device
  std::string emulates;                ///< architecture of the GPU whose code runs on the CPU; empty: none

  bool isStop(int32_t id) const;
  /// Of any entry.
  int64_t mostRows() const;
};

/// Reads and checks the manifest. Fails with exit 3: it was written by gemmac, so the executable is at fault.
Manifest readManifest(const GmModel &model);

} // namespace gemmac::rt
