// The CUDA toolkit's assembler, ptxas: PTX -> cubin. It is a program of its own and need not be there: code
// can also go out as PTX, which the driver compiles.
#pragma once

#include "codegen/cuda/GpuTarget.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemmac {

/// What ptxas -v says of a kernel, or of a function that kernels call.
struct PtxasReport {
  std::string name;
  bool kernel = false;
  unsigned registers = 0;  ///< of a kernel: per thread, of 32 bits, with those of what it calls
  int64_t sharedBytes = 0; ///< of a kernel: per block, besides dynamic shared memory
  // Per thread, each function's own.
  int64_t stackBytes = 0, spillStores = 0, spillLoads = 0; ///< bytes
};

/// The kernels' reports alone, with the largest frame and the spills of all functions of each.
std::vector<PtxasReport> perKernel(llvm::ArrayRef<PtxasReport> reports);

/// "gm_decode: 128 registers, 0 bytes of shared memory, ..", one line for each report.
std::string printReports(llvm::ArrayRef<PtxasReport> reports);

/// Where ptxas is looked for.
struct PtxasPlaces {
  std::string cudaHome; ///< $CUDA_HOME; empty: not set
  std::string path;     ///< $PATH
  std::string fallback = "/usr/local/cuda";
};
/// $CUDA_HOME/bin where that is set, else PATH, else /usr/local/cuda/bin; nothing where there is none. Fails
/// with exit code 3 where CUDA_HOME names a folder that has none: what was asked for is not replaced.
llvm::Expected<std::optional<std::string>> findPtxas();
llvm::Expected<std::optional<std::string>> findPtxas(const PtxasPlaces &places);

/// A ptxas that has been asked what it is, once.
struct Ptxas {
  std::string path;
  std::string release; ///< of the toolkit: "13.0", or "an unknown version"
  std::string help;    ///< what --help prints, with the names of architectures

  /// Whether it knows the architecture; also where it does not say which ones it knows.
  bool knows(const GpuTarget &target) const;
  /// Of one that does not: "PATH: found CUDA 11.8, which does not know sm_90a".
  std::string lacks(const GpuTarget &target) const;
  /// Fails with exit code 3 where it does not.
  llvm::Error require(const GpuTarget &target) const;
};
/// Asks the one at `path`. Fails with exit code 3 where it cannot be run.
llvm::Expected<Ptxas> askPtxas(llvm::StringRef path);
/// Finds and asks; where there is none, fails with exit code 3, naming what it is needed for
/// ("--emit=cubin").
llvm::Expected<Ptxas> needPtxas(llvm::StringRef what);

/// What became of a text.
struct Assembly {
  std::unique_ptr<llvm::MemoryBuffer> cubin;
  std::vector<PtxasReport> reports; ///< of each of its functions
};
/// One for each of the PTX texts, in their order. At most `atOnce` (at least 1) are made side by side, each
/// by a process of its own. Fails with exit code 3 where this ptxas does not know the architecture, cannot be
/// run, or does not take a text: the first one's message.
llvm::Expected<std::vector<Assembly>> assemble(const Ptxas &ptxas, llvm::ArrayRef<std::string> texts,
                                               const GpuTarget &target, unsigned atOnce);
/// The same with as many as there are cores.
llvm::Expected<std::vector<Assembly>> assemble(const Ptxas &ptxas, llvm::ArrayRef<std::string> texts,
                                               const GpuTarget &target);

/// The reports in what `ptxas -v` printed.
std::vector<PtxasReport> parsePtxasReports(llvm::StringRef messages);

} // namespace gemmac
