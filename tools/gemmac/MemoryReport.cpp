// See MemoryReport.h.
#include "tools/gemmac/MemoryReport.h"

#include "tools/gemmac/Process.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <thread>

namespace gemmac {

static void printBytes(const llvm::Twine &name, int64_t bytes) {
  llvm::outs() << llvm::format("%-28s %14.3f MB\n", name.str().c_str(), bytes / 1e6);
}

static void printHead(const std::string &head, const llvm::json::Object &manifest) {
  llvm::outs() << "model                        " << head << ", context " << *manifest.getInteger("context")
               << "\n";
}

void printEstimate(const std::string &head, const std::vector<ProgramMemory> &programs) {
  const llvm::json::Object &first = programs.front().manifest;
  printHead(head, first);
  printBytes("weights (file, mapped)", *first.getInteger("weight_bytes"));
  for (const ProgramMemory &each : programs) {
    const llvm::json::Object &plan = *each.manifest.getObject("plan");
    if (programs.size() > 1)
      llvm::outs() << "for " << each.target << "\n";
    printBytes("KV cache", *plan.getInteger("kv"));
    printBytes("activations", *plan.getInteger("activations"));
    printBytes("scratch of each worker", each.memory.scratch);
  }
  printBytes("memory of this machine", machineMemory());
  printBytes("read per decoded token", *first.getInteger("bytes_per_token"));
}

void printGpuEstimate(const std::string &head, const llvm::json::Object &manifest, CodeMemory memory,
                      llvm::ArrayRef<GpuTarget> targets) {
  const llvm::json::Object &plan = *manifest.getObject("plan");
  const int64_t all = *manifest.getInteger("weight_bytes"),
                weights = manifest.getInteger("tables_at").value_or(all);
  printHead(head, manifest);
  printBytes("weights (copied to the GPU)", weights);
  if (weights < all)
    printBytes("tables (pinned memory of the host)", all - weights);
  printBytes("KV cache", *plan.getInteger("kv"));
  printBytes("activations", *plan.getInteger("activations"));
  printBytes("scratch of each block", memory.scratch);
  for (const GpuTarget &target : targets)
    printBytes("total, " + target.name + ", " + llvm::Twine(target.multiprocessors) + " blocks",
               weights + memory.arena + target.multiprocessors * memory.scratch);
  printBytes("read per decoded token", *manifest.getInteger("bytes_per_token"));
  llvm::outs()
      << "a block on each multiprocessor of the usual part; when the executable starts it compares what "
         "it needs with what the GPU has free\n";
}

void warnOfTooLittleMemory(const std::vector<ProgramMemory> &programs) {
  const int64_t workers = std::max(1u, std::thread::hardware_concurrency()), there = machineMemory();
  for (const ProgramMemory &each : programs) {
    const int64_t needed = each.memory.arena + workers * each.memory.scratch;
    if (needed > there)
      llvm::errs() << "gemmac: warning: --context: " << *each.manifest.getInteger("context")
                   << " tokens need "
                   << llvm::format("%.3f GB besides the weights, this machine has %.3f GB", needed / 1e9,
                                   there / 1e9)
                   << (programs.size() > 1 ? " (" + each.target + ")" : "")
                   << ": the executable will not start here; give a smaller --context\n";
  }
}

} // namespace gemmac
