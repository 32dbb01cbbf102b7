// See CpuExecutor.h.
#include "runtime/CpuExecutor.h"

#include "runtime/Failure.h"
#include "runtime/Topology.h"

#include <algorithm>
#include <cstring>

namespace gemmac::rt {

static uint64_t counterBytes(const Manifest &m) {
  constexpr uint64_t kLine = 64, kOwn = 2; // runOther's
  return std::max(m.counters, kOwn) * kLine;
}

/// Workers' scratch starts on pages of its own: no two workers write one cache line, and no two share its TLB
/// entry.
static uint64_t scratchStride(const Manifest &m) {
  return roundUp(std::max<uint64_t>(m.scratchBytes, m.peaks.empty() ? 64 : GM_PEAK_BYTES), 4096);
}

CpuExecutor::CpuExecutor(const Manifest &manifest, const char *weights, int workers, std::vector<int> cpus)
    : counterBytes_(counterBytes(manifest)), scratchStride_(scratchStride(manifest)),
      arena_(Region::anonymous(manifest.arenaBytes, true, "the arena (activations and KV caches)")),
      pool_(workers, std::move(cpus)) {
  const auto rows = static_cast<uint64_t>(manifest.mostRows());
  const uint64_t idBytes = roundUp(rows * sizeof(int32_t), 64);
  const uint64_t head = roundUp(counterBytes_ + 2 * idBytes, 4096);
  uint64_t scratch = 0, total = 0;
  if (!mulOk(scratchStride_, static_cast<uint64_t>(workers), scratch) || !addOk(scratch, head, total))
    throw Failure(kLacking, cat("the scratch of ", workers, " workers, ", manifest.scratchBytes,
                                " bytes each, exceeds the address space; use fewer with -t"));
  work_ = Region::anonymous(total, false, "the workers' scratch");
  char *p = work_.data();
  tokens_ = {reinterpret_cast<int32_t *>(p + counterBytes_), rows};
  positions_ = {reinterpret_cast<int32_t *>(p + counterBytes_ + idBytes), rows};
  proto_.counters = reinterpret_cast<int64_t *>(p);
  proto_.scratch = p + head;
  proto_.arena = arena_.data();
  proto_.weights = weights;
  if (manifest.tablesAt)
    proto_.tables = weights + *manifest.tablesAt;
  proto_.tokens = tokens_.data();
  proto_.positions = positions_.data();
}

void CpuExecutor::runOther(GmEntry entry, int64_t rows) {
  proto_.rows = rows;
  std::memset(proto_.counters, 0, counterBytes_);
  pool_.run(entry, proto_, scratchStride_);
}

ExecutorFacts CpuExecutor::facts() const {
  return {"CPU",
          "",
          "workers",
          pool_.workers(),
          workersText(thisMachine(), pool_.workers(), pool_.cpus()),
          pool_.cpus(),
          {{"arena", arena_.bytes()}, {"scratch of all workers", work_.bytes()}}};
}

} // namespace gemmac::rt
