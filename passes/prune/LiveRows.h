// Which part of each layer an entry computes for all of its rows. The ops of layer N are those that use its
// weights @layers.N.*; what part of it they are is told by what the module's other functions do with these.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <map>
#include <string>

namespace gemmac {

/// What of a layer is computed: all of it, what its KV cache stores, some other part, nothing.
enum class LayerPart { None, Kv, Part, Full };

struct LiveRows {
  std::map<int64_t, LayerPart> all;   ///< by layer: computed for all rows
  std::map<int64_t, LayerPart> taken; ///< by layer: computed for rows of a take_rows
  double allFlops = 0;                ///< multiplications of the layers' matrices for each of all rows
};

/// Analyses one entry. "All rows" are the rows of the function's first argument.
LiveRows analyseLiveRows(mlir::func::FuncOp function);

/// "layers 0-13 full, 14 kv, 15-34 none" for layers 0..count-1.
std::string describeLayers(const std::map<int64_t, LayerPart> &layers, int64_t count);

} // namespace gemmac
