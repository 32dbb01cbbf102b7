// Functions that generated code computes itself, on scalars and vectors of f32: it calls no libm, and every
// target gives the same bits (only fused multiply-add, which all have). Errors in units in the last place
// over the stated range.
#pragma once

#include "codegen/kernel/KernelBuilder.h"
#include "dialect/step/Step.h"

#include <utility>
#include <vector>

namespace gemmac::kernel {

mlir::Value emitExp(KernelBuilder &k,
                    mlir::Value x); ///< < 2 ulp; 0 below -87.3, e^88.37 above 88.37, NaN stays
mlir::Value emitTanh(KernelBuilder &k, mlir::Value x); ///< < 3 ulp
mlir::Value emitGelu(KernelBuilder &k, mlir::Value x); ///< gemma4.md (2)
/// cos and sin of f32 angles, reduced in f64: < 2 ulp up to 2^22.
std::pair<mlir::Value, mlir::Value> emitCosSin(KernelBuilder &k, mlir::Value angle);

/// inv_freq[i] = theta^(-2i / head_dim) / factor, each step rounded to f32 as the reference does it (10).
std::vector<float> inverseFrequencies(step::RopeTableOp op);

} // namespace gemmac::kernel
