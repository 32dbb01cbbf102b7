// What the verifiers of the gemma dialect share: resolving weights and caches, and comparing shapes, each
// with one wording of its diagnostic. Every function returns failure only after it has emitted a diagnostic
// on `op`.
#pragma once

#include "dialect/gemma/Gemma.h"

namespace gemmac::gemma {

/// The gemma.weight that `ref` names; null, with a diagnostic that calls it `role`, if there is none.
WeightOp lookupWeight(mlir::Operation *op, mlir::SymbolTableCollection &symbols, mlir::FlatSymbolRefAttr ref,
                      llvm::StringRef role);

/// `ref` names a gemma.weight of exactly this shape.
mlir::LogicalResult verifyWeightShape(mlir::Operation *op, mlir::SymbolTableCollection &symbols,
                                      mlir::FlatSymbolRefAttr ref, llvm::StringRef role,
                                      llvm::ArrayRef<int64_t> shape);

/// Two row counts are the same: both `?`, or the same number.
mlir::LogicalResult verifySameRows(mlir::Operation *op, llvm::StringRef what, int64_t rows,
                                   llvm::StringRef other, int64_t otherRows);

/// A column count (never `?`) is `expected`, where `meaning` says what that stands for.
mlir::LogicalResult verifyColumns(mlir::Operation *op, llvm::StringRef what, int64_t columns,
                                  llvm::StringRef meaning, int64_t expected);

/// A shape as it stands in a type: "4x?x16".
std::string shapeText(llvm::ArrayRef<int64_t> shape);
/// A dimension as it stands in a type: "4" or "?".
std::string dimText(int64_t dim);

/// The columns (last dimension) of a ranked tensor; 1 for rank 0.
int64_t columnsOf(mlir::Value value);
/// The rows (first dimension) of a ranked tensor; 1 for rank 0.
int64_t rowsOf(mlir::Value value);

} // namespace gemmac::gemma
