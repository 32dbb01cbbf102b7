// See AutotuneStage.h.
#include "tools/gemmac/AutotuneStage.h"

#include "codegen/autotune/Autotune.h"
#include "codegen/autotune/HostCpu.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace gemmac {

static void print(const AutotuneReport &report, const Target &target, const std::string &folder,
                  bool verbose) {
  llvm::raw_ostream &os = llvm::errs();
  if (verbose)
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
}

std::optional<llvm::json::Object> autotuneStage(step::ProgramOp program, const Target &target,
                                                const Options &options) {
  if (const std::string why = whyNotRunnable(target); !why.empty()) {
    llvm::errs() << "gemmac: note: --autotune: " << target.name
                 << " cannot be measured on this machine: " << why
                 << "; its kernels are as the cost model has them\n";
    return std::nullopt;
  }
  const std::string folder = options.autotuneCache.empty() ? defaultTuningFolder() : options.autotuneCache;
  if (folder.empty())
    llvm::errs() << "gemmac: warning: --autotune: neither XDG_CACHE_HOME nor HOME names a folder: what is "
                    "measured is not kept; give --autotune-cache=DIR\n";
  const TuningCache cache(folder);
  KernelTimer timer(target, options.optLevel);
  const AutotuneReport report =
      autotune(program, target, options.optLevel, cache,
               [&](const Product &product, llvm::MutableArrayRef<CandidateCode> code) {
                 return timer.prepare(product, code);
               });
  print(report, target, folder, options.verbose);
  return report.manifest();
}

} // namespace gemmac
