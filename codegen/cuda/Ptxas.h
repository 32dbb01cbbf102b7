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
/// The same; where there is none, fails with exit code 3, naming what it is needed for ("--emit=cubin").
llvm::Expected<std::string> needPtxas(llvm::StringRef what);

/// The cubin of `ptx`, and a report of each of its functions. Fails with exit code 3 where this
/// ptxas does not know the architecture, cannot be run, or does not take the text.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> assemble(llvm::StringRef ptxas, llvm::StringRef ptx,
                                                             const GpuTarget &target,
                                                             std::vector<PtxasReport> &reports);

/// The reports in what `ptxas -v` printed.
std::vector<PtxasReport> parsePtxasReports(llvm::StringRef messages);

} // namespace gemmac
