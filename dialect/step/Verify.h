// What the verifiers of the step dialect share: resolving symbols of the program and comparing columns, each
// with one wording of its diagnostic. A null or failed result means that a diagnostic was emitted on `op`.
#pragma once

#include "dialect/step/StepAccess.h"

#include <utility>

namespace gemmac::step {

/// Columns of a buffer or tile (its second dimension).
int64_t columnsOf(mlir::Value buffer);
int64_t rowsOf(mlir::Value buffer);
/// `"name"` of the buffer behind a value, for diagnostics.
std::string bufferName(mlir::Value buffer);

/// Columns of `groups` packed activation vectors of k inputs each: see step.pack. None on overflow.
std::optional<int64_t> packedColumns(Act act, int64_t k, int64_t groups);

WeightOp lookupWeight(mlir::Operation *op, mlir::SymbolTableCollection &symbols, mlir::FlatSymbolRefAttr ref,
                      llvm::StringRef role);
CacheOp lookupCache(mlir::Operation *op, mlir::SymbolTableCollection &symbols, mlir::FlatSymbolRefAttr ref);

/// `ref` names a vec weight of n elements.
mlir::LogicalResult verifyVec(mlir::Operation *op, mlir::SymbolTableCollection &symbols,
                              mlir::FlatSymbolRefAttr ref, llvm::StringRef role,
                              llvm::ArrayRef<int64_t> lengths);

/// `what` has `expected` columns, which stands for `meaning`.
mlir::LogicalResult verifyColumns(mlir::Operation *op, llvm::StringRef what, mlir::Value buffer,
                                  llvm::StringRef meaning, int64_t expected);

/// An optional byte offset: a non-negative multiple of 64.
mlir::LogicalResult verifyOffset(mlir::Operation *op, llvm::StringRef what, mlir::IntegerAttr offset);

/// C5 of step.entry.
mlir::LogicalResult verifyWrittenBeforeRead(EntryOp entry);

} // namespace gemmac::step
