// The products of a program as their kernels see them, and what an emitter may choose for each by
// measurement: KernelTuning of the step dialect. What lays out weights (the tile of a task), and what cuts
// sums (parts of attention, chunks of a prompt), is not among it.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/KernelTuning.h"

#include <optional>
#include <string>
#include <vector>

namespace gemmac {

/// A product as its kernel sees it: equal ones are measured once.
struct Product {
  step::Format format;
  step::Act act;
  int64_t k, tile; ///< inputs; columns of a task
  int64_t tasks;   ///< of the phase, where rows are many; 0 for a single row, which streams them one by one
  int64_t rows;    ///< 1, or the most that the entry has

  /// "q4p16 x i8, k 1536, 24 tasks of 64 columns, 128 rows".
  std::string text() const;
};
/// The product that `op` is measured as; none where there is nothing to choose: other ops, products of many
/// rows one row at a time, experts of many rows.
std::optional<Product> productOf(mlir::Operation *op, const mlir::SymbolTable &symbols);
/// What can be chosen for `op`, for which productOf() has an answer: the model's choice first, then others
/// that make a difference, each in one respect.
std::vector<KernelTuning> tuningCandidates(mlir::Operation *op, const mlir::SymbolTable &symbols,
                                           const Target &target);

} // namespace gemmac
