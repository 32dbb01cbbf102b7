// What the programs of a compilation take: --estimate's table, and a warning where this machine has too
// little memory for one.
#pragma once

#include "codegen/Manifest.h"
#include "codegen/cuda/GpuTarget.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace gemmac {

/// Of one target's program.
struct ProgramMemory {
  std::string target;
  llvm::json::Object manifest; ///< buildManifest()'s
  CodeMemory memory;
};

/// Prints the sizes to stdout under a head line, in MB: weights once, then each program's memory.
void printEstimate(const std::string &head, const std::vector<ProgramMemory> &programs);

/// The same of a program for GPUs: what it takes of their memory, with a block on each multiprocessor of the
/// usual part of each architecture.
void printGpuEstimate(const std::string &head, const llvm::json::Object &manifest, CodeMemory memory,
                      llvm::ArrayRef<GpuTarget> targets);

/// Warns on stderr of programs that take more, besides the mapped weights and with a worker for each CPU of
/// this machine, than it has. They may be for another one: a warning, not an error.
void warnOfTooLittleMemory(const std::vector<ProgramMemory> &programs);

} // namespace gemmac
