// Names of phases, buffers and packed weights, made of where in the model an op is (its NameLoc).
#pragma once

#include "mlir/IR/Operation.h"

#include <string>

namespace gemmac::lower {

/// The NameLoc of an op, else the symbol of its weight, else its mnemonic.
std::string nameOf(mlir::Operation *op);
/// Splits "layers.3.q" into "layers.3." and "q"; a name without a layer has an empty prefix.
std::pair<llvm::StringRef, llvm::StringRef> splitName(llvm::StringRef name);
/// {"layers.3.q", "layers.3.k"} with "_" -> "layers.3.q_k".
std::string joinNames(llvm::ArrayRef<llvm::StringRef> names, llvm::StringRef separator);
/// The phase that computes linears with these names: {q, k, v} -> qkv, {gate, up} -> mlp, ..
std::string productName(llvm::ArrayRef<std::string> names);

} // namespace gemmac::lower
