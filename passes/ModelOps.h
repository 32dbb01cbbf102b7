// Questions about ops and types of the gemma dialect that several passes ask.
#pragma once

#include "dialect/gemma/Gemma.h"

namespace gemmac {

/// A product of activations and weights, or of activations and a cache: linear, expert_linear, qk, pv.
inline bool isProduct(mlir::Operation *op) {
  return llvm::isa<gemma::LinearOp, gemma::ExpertLinearOp, gemma::QkOp, gemma::PvOp>(op);
}

/// A type that has rows with `rows` of them.
inline mlir::RankedTensorType withRows(mlir::Type type, int64_t rows) {
  auto tensor = llvm::cast<mlir::RankedTensorType>(type);
  llvm::SmallVector<int64_t> shape(tensor.getShape());
  shape.front() = rows;
  return mlir::RankedTensorType::get(shape, tensor.getElementType());
}

} // namespace gemmac
