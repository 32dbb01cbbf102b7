// What an emitter of product kernels may choose by measurement. Every choice changes in which order a kernel
// walks over rows and panels, or when it asks for memory, and never which numbers are added in which order:
// tuned and untuned code give the same bits (test/unit/codegen/TuningTest.cpp). What lays out weights (the
// tile of a task), and what cuts sums (parts of attention, chunks of a prompt), is not among them.
//
// Choices are attributes of the product, `step.kernel = {streams = 4 : i64}`; what it does not name, and a
// product without it, has the model's: the emitters' own rule.
#pragma once

#include "codegen/Target.h"
#include "dialect/step/Step.h"

#include <optional>
#include <string>
#include <vector>

namespace gemmac {

/// 0: as the model chooses.
struct KernelTuning {
  int64_t streams = 0;                    ///< panels that a single row reads side by side
  int64_t ahead = 0;                      ///< bytes before their use that a single row's weights are fetched
  int64_t blockRows = 0, blockPanels = 0; ///< what shares the unpacking of weights where rows are many
  int64_t columns = 0;                    ///< bf16t: most columns that neighbouring tasks compute at once

  bool operator==(const KernelTuning &other) const;
  /// "streams=4 ahead=2048"; "model" where nothing is chosen.
  std::string text() const;
};

/// What the attribute of `product`, a step.matmul or step.expert_matmul, says.
KernelTuning tuningOf(mlir::Operation *product);
/// Sets the attribute, or takes it away where `tuning` chooses nothing.
void setTuning(mlir::Operation *product, const KernelTuning &tuning);
/// Fails with a message on `product` whose attribute is no dictionary of known names, or has values that no
/// kernel can be made with.
mlir::LogicalResult verifyTuning(mlir::Operation *product, const mlir::SymbolTable &symbols);

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
