// See AutotuneStage.h.
#include "tools/gemmac/AutotuneStage.h"

#include "codegen/autotune/HostCpu.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace gemmac {

AutotuneStage::AutotuneStage(const Target &target, const Options &options)
    : target(target), options(options),
      folder(options.autotuneCache.empty() ? defaultTuningFolder() : options.autotuneCache), cache(folder),
      timer(target, options.optLevel), runs(false) {
  if (const std::string why = whyNotRunnable(target); !why.empty()) {
    llvm::errs() << "gemmac: note: --autotune: " << target.name
                 << " cannot be measured on this machine: " << why
                 << "; its kernels are as the cost model has them\n";
    return;
  }
  runs = true;
  if (folder.empty())
    llvm::errs() << "gemmac: warning: --autotune: neither XDG_CACHE_HOME nor HOME names a folder: what is "
                    "measured is not kept; give --autotune-cache=DIR\n";
}

int64_t AutotuneStage::chooseChunk(mlir::MLIRContext &context, llvm::ArrayRef<ChunkCandidate> candidates) {
  chunkReport.chunk = tuneChunk(
      context, candidates, target, options.optLevel, cache,
      [&](const Product &product, llvm::MutableArrayRef<CandidateCode> code) {
        return timer.prepare(product, code, /*streams=*/true);
      },
      chunkReport);
  return chunkReport.chunk ? chunkReport.chunk->rows : candidates.front().rows;
}

static void print(const TunedChunk &chunk, const Target &target) {
  llvm::raw_ostream &os = llvm::errs();
  os << "gemmac: autotune: " << target.name << ": chunks of a prompt of " << chunk.rows << " rows, "
     << (chunk.cached ? "from the cache" : "measured");
  if (chunk.rows != chunk.model)
    os << ", in the place of the model's " << chunk.model
       << llvm::format(": %.1f %% less time for a row", 100 * chunk.gain);
  os << "\n";
}

void AutotuneStage::print(const AutotuneReport &report) const {
  llvm::raw_ostream &os = llvm::errs();
  if (options.verbose)
    for (const std::string &ignored : report.ignored)
      os << "gemmac: autotune: ignored and measured anew: " << ignored << "\n";
  for (const std::string &warning : report.warnings)
    os << "gemmac: warning: --autotune: " << warning << "\n";
  const auto differing = llvm::count_if(
      report.kernels, [](const TunedKernel &kernel) { return !(kernel.choice == KernelTuning()); });
  os << "gemmac: autotune: " << target.name << ": " << report.measured << " kernels measured, "
     << report.cached << " from " << (folder.empty() ? "the cache" : folder) << "; " << differing
     << " differ from the model's choice\n";
  for (const TunedKernel &kernel : report.kernels)
    if (!(kernel.choice == KernelTuning()))
      os << "gemmac: autotune:   " << kernel.product.text() << ": " << kernel.choice.text()
         << llvm::format(", %.1f %% less time\n", 100 * kernel.gain);
  if (report.chunk)
    gemmac::print(*report.chunk, target);
}

/// Both parts as one; what could not be kept is said once.
static AutotuneReport together(AutotuneReport chunk, AutotuneReport kernels) {
  kernels.chunk = chunk.chunk;
  llvm::append_range(kernels.ignored, chunk.ignored);
  for (std::string &warning : chunk.warnings)
    if (!llvm::is_contained(kernels.warnings, warning))
      kernels.warnings.push_back(std::move(warning));
  return kernels;
}

llvm::json::Object AutotuneStage::tuneKernels(step::ProgramOp program) {
  const AutotuneReport report =
      together(chunkReport, autotune(program, target, options.optLevel, cache,
                                     [&](const Product &product, llvm::MutableArrayRef<CandidateCode> code) {
                                       return timer.prepare(product, code);
                                     }));
  print(report);
  return report.manifest();
}

} // namespace gemmac
