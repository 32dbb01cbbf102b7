// What the executable says about itself: the JSON manifest of runtime/Abi.h and the object that holds it with
// the table of entry points.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/Step.h"
#include "frontend/Checkpoint.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace gemmac {

/// Choices of the command line that the manifest repeats.
struct ManifestOptions {
  std::string quantize, compute, kv;
  std::vector<std::string> fusions;
};

/// Bytes that the emitted code uses: shared memory, and private memory of each worker.
struct CodeMemory {
  int64_t arena, scratch;
};

/// The manifest of a planned program.
llvm::json::Object buildManifest(step::ProgramOp program, const Checkpoint &checkpoint, const Target &target,
                                 const ManifestOptions &options, CodeMemory memory);

/// The same of a program for GPUs: no processor, and in its place `gpu` (runtime/Abi.h).
llvm::json::Object buildGpuManifest(step::ProgramOp program, const Checkpoint &checkpoint,
                                    const ManifestOptions &options, CodeMemory memory,
                                    llvm::json::Object gpu);

/// Code for a GPU, of one entry ("decode") for one architecture ("sm_90a"): a cubin, or PTX as text, whose
/// closing 0 is added where it is written. The bytes outlive this.
struct GpuImage {
  std::string entry, arch;
  bool ptx = false;
  llvm::StringRef bytes;
};

/// The code of one target: its planned program, its manifest, and the suffix of its functions' names; for a
/// GPU its images instead of functions.
struct TargetCode {
  step::ProgramOp program;
  Target target;
  std::string manifest;
  std::string suffix;
  std::vector<GpuImage> images = {};
};

/// An object file for `arch` that defines gm_models (runtime/Abi.h): for each of `codes`, in this order, the
/// manifest's text and the addresses of gm_entry_<name><suffix>, gm_stream<suffix> and
/// gm_peak_<kind><suffix>; where there are images, these and gm_cuda, which runs them.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> emitModelObject(llvm::ArrayRef<TargetCode> codes,
                                                                    Arch arch);

} // namespace gemmac
