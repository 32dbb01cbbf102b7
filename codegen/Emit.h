// The last stage: ELF, weights, tokenizer, template, index and footer become one file
// (runtime/PayloadFormat.h).
#pragma once

#include "codegen/WeightPack.h"
#include "dialect/step/Step.h"
#include "frontend/Checkpoint.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/MemoryBuffer.h"

namespace gemmac {

/// Writes the executable `path` whole or not at all. `progress(done, total)` counts bytes of weights;
/// `report` is packWeights()'s.
llvm::Error writeExecutable(llvm::StringRef path, llvm::MemoryBufferRef elf, step::ProgramOp program,
                            const Checkpoint &checkpoint,
                            llvm::function_ref<void(uint64_t, uint64_t)> progress, WeightReport &report);

} // namespace gemmac
