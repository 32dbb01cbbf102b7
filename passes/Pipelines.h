// The order of the passes between the imported model and the step.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "passes/FuseSelection.h"

#include "mlir/Pass/PassManager.h"

namespace gemmac {

using QuantFormat = gemma::Quant;

/// Adds, for a module with @forward: entries, quantize, share-kv, prune-dead-tokens, canonicalize and cse,
/// then the fusions; those that `fuse` leaves out are not added. Whatever is left out, the result means the
/// same.
void buildGemmaPipeline(mlir::OpPassManager &manager, const FuseSelection &fuse, QuantFormat quant);

/// Registers buildGemmaPipeline as `gemma-pipeline{fuse=.. quantize=..}`.
void registerGemmaPipeline();

} // namespace gemmac
