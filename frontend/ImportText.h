// A checkpoint's text decoder as gemma IR: one module with a gemma.weight for each tensor that the decoder
// uses, a gemma.cache for each layer and one function @forward, one op for each line of gemma4.md section 2,
// nothing fused. Only names, shapes and places of tensors enter the IR, never their contents.
#pragma once

#include "frontend/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace gemmac {

/// Builds
///   func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?xVxf32>
/// whose result are the logits of all rows. Module attributes: gemma.name, gemma.family, gemma.vocab,
/// gemma.hidden, gemma.layers, gemma.max_positions. `checkpoint` must come from loadCheckpoint(), which
/// proved that every tensor of expectedTensors() is there with its shape. Loads the dialects it needs into
/// `context`.
mlir::OwningOpRef<mlir::ModuleOp> importText(mlir::MLIRContext &context, const Checkpoint &checkpoint);

} // namespace gemmac
