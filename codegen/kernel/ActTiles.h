// Where activations lie that are packed as bf16 tiles (bf16t, dialect/step/Layout.h), inside generated code.
#pragma once

#include "codegen/kernel/KernelBuilder.h"

namespace gemmac::kernel {

/// actTileOffset() of `row` and `first`, a multiple of 32, in a buffer of `rows` rows of `inputs` inputs.
mlir::Value actTileLine(KernelBuilder &k, mlir::Value row, mlir::Value first, int64_t inputs, int64_t rows);

} // namespace gemmac::kernel
