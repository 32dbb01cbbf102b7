// The table of GPU architectures. See GpuTarget.h.
#include "codegen/cuda/GpuTarget.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace gemmac {

namespace {

enum Has : unsigned {
  CpAsync = 1,
  MmaBf16 = 2,
  MmaFp8 = 4,
  BulkCopy = 8,
  Wgmma = 16,
  Tcgen05 = 32,
  Nvfp4 = 64
};

struct Row {
  const char *name, *parts, *toolkit;
  unsigned capability, ptx;
  bool exact;
  unsigned has;
  int64_t sharedKiB, multiprocessors;
  double bandwidth, bf16Peak;
};

constexpr unsigned kAmpere = CpAsync | MmaBf16, kAda = kAmpere | MmaFp8, kHopper = kAda | BulkCopy;

/// Shared memory: CUDA programming guide, technical specifications by compute capability (a block may have
/// 1 KiB less than a multiprocessor lends to all its blocks). Rates: of A100 80 GB SXM, RTX 4090, H100 SXM,
/// B200 and RTX 5090.
constexpr Row kRows[] = {
    {"sm_80", "A100", "11.1", 80, 71, false, kAmpere, 163, 108, 2.039e12, 312e12},
    {"sm_89", "RTX 4090, L4, L40S", "11.8", 89, 78, false, kAda, 99, 128, 1.008e12, 165e12},
    {"sm_90a", "H100, H200", "12.0", 90, 80, true, kHopper | Wgmma, 227, 132, 3.352e12, 989e12},
    {"sm_100a", "B200", "12.8", 100, 86, true, kHopper | Tcgen05 | Nvfp4, 227, 148, 8e12, 2250e12},
    {"sm_120a", "RTX 5090, RTX PRO 6000", "12.8", 120, 87, true, kHopper | Nvfp4, 99, 170, 1.792e12,
     209.5e12},
};

GpuTarget makeTarget(const Row &row) {
  GpuTarget t;
  t.name = row.name;
  t.parts = row.parts;
  t.toolkit = row.toolkit;
  t.capability = row.capability;
  t.ptx = row.ptx;
  t.exact = row.exact;
  t.cpAsync = row.has & CpAsync;
  t.mmaBf16 = row.has & MmaBf16;
  t.mmaFp8 = row.has & MmaFp8;
  t.bulkCopy = row.has & BulkCopy;
  t.wgmma = row.has & Wgmma;
  t.tcgen05 = row.has & Tcgen05;
  t.nvfp4 = row.has & Nvfp4;
  t.sharedBytes = row.sharedKiB << 10;
  t.multiprocessors = row.multiprocessors;
  t.bandwidth = row.bandwidth;
  t.bf16Peak = row.bf16Peak;
  return t;
}

Expected<GpuTarget> lookupGpuTarget(StringRef name) {
  for (const Row &row : kRows)
    if (name == row.name)
      return makeTarget(row);
  return usageError("--gpu-arch: found \"" + name + "\", expected one of " + join(gpuTargetNames(), ", "));
}

} // namespace

std::vector<std::string> gpuTargetNames() {
  std::vector<std::string> names;
  for (const Row &row : kRows)
    names.push_back(row.name);
  return names;
}

std::string describeGpuTargets() {
  std::string text;
  for (const Row &row : kRows)
    text += (text.empty() ? "" : ", ") + std::string(row.name) + " (" + row.parts + ")";
  return text;
}

Expected<std::vector<GpuTarget>> lookupGpuTargets(StringRef list) {
  SmallVector<StringRef> names;
  list.split(names, ',');
  std::vector<GpuTarget> targets;
  for (StringRef name : names) {
    if (name.empty() && names.size() > 1)
      return usageError("--gpu-arch: found an empty name in \"" + list +
                        "\", expected names separated by single commas");
    Expected<GpuTarget> target = lookupGpuTarget(name);
    if (!target)
      return target.takeError();
    if (any_of(targets, [&](const GpuTarget &other) { return other.name == target->name; }))
      return usageError("--gpu-arch: found " + target->name + " twice in \"" + list +
                        "\"; name each architecture once");
    targets.push_back(*target);
  }
  llvm::sort(targets, [](const GpuTarget &x, const GpuTarget &y) { return x.capability > y.capability; });
  return targets;
}

} // namespace gemmac
