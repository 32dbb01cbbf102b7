// Decodes GGUF's blocks, as a rows_* table stores them, inside generated code.
#pragma once

#include "codegen/kernel/KernelBuilder.h"
#include "dialect/step/Step.h"

namespace gemmac::kernel {

/// 16 neighbouring elements of a row of blocks at `row`, f32: those from `first` on, a multiple of 16.
mlir::Value decodeRowBlocks(KernelBuilder &k, step::Format format, mlir::Value row, mlir::Value first);

} // namespace gemmac::kernel
