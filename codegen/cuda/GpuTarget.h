// What is known about a GPU architecture, as data: emitters ask for features, never for a name.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace gemmac {

struct GpuTarget {
  std::string name;        ///< as given to --gpu-arch, LLVM's -mcpu and ptxas's -arch: "sm_90a"
  std::string parts;       ///< what it is the architecture of, for people: "H100, H200"
  std::string toolkit;     ///< the first CUDA toolkit whose ptxas knows it
  unsigned capability = 0; ///< compute capability times 10
  unsigned ptx = 0;        ///< version of the PTX ISA times 10: the lowest that knows the architecture
  bool exact = false; ///< code is for this capability alone; else for later ones too (a cubin: of one major)

  // What code may use.
  bool cpAsync = false;  ///< cp.async: 16 bytes from global to shared memory, past the registers
  bool mmaBf16 = false;  ///< mma.sync of bf16
  bool mmaFp8 = false;   ///< tensor cores multiply e4m3 and e5m2
  bool bulkCopy = false; ///< cp.async.bulk and its tensors (TMA), mbarriers that count bytes
  bool wgmma = false;    ///< wgmma.mma_async, of four warps together
  bool tcgen05 = false;  ///< tcgen05.mma and tensor memory
  bool nvfp4 = false;    ///< tensor cores multiply e2m1 with a scale for each 16

  // Of a block of threads.
  int64_t sharedBytes = 0;   ///< shared memory at most, with the opt-in above 48 KiB
  int64_t registers = 65536; ///< of 32 bits, for all threads together

  // Of the usual part, from its data sheet: what a cost model reckons with.
  int64_t multiprocessors = 0;
  double bandwidth = 0; ///< bytes per second from and to device memory
  double bf16Peak = 0;  ///< operations per second, dense, sums in f32; a product and a sum are two
};

/// Names for --gpu-arch and --list-targets, the lowest capability first.
std::vector<std::string> gpuTargetNames();

/// "sm_80 (A100), ..": what to choose from.
std::string describeGpuTargets();

/// The targets of a list "sm_80,sm_90a", the highest capability first, whatever the list's order. Fails with
/// exit code 2 where a name is empty, not one of gpuTargetNames(), or there twice.
llvm::Expected<std::vector<GpuTarget>> lookupGpuTargets(llvm::StringRef list);

} // namespace gemmac
