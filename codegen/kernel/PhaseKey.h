// Which phases can share a function: those that are equal up to names, offsets, costs and the entry's rows.
#pragma once

#include "dialect/step/Step.h"

#include "llvm/ADT/SetVector.h"

#include <string>

namespace gemmac::kernel {

struct PhaseKey {
  std::string text; ///< equal for phases that can share a function
  llvm::SetVector<mlir::Value>
      buffers; ///< what differs, in the order of first use: arguments of the function. Buffers, and tiles
               ///< that are all that the phase sees of a buffer (where column task 0's begins)
  llvm::SetVector<mlir::StringAttr> weights, caches;
};

/// `how`: what a target makes code depend on beside the phase itself.
PhaseKey phaseKey(step::PhaseOp phase, const mlir::SymbolTable &symbols, llvm::StringRef how = "");

} // namespace gemmac::kernel
