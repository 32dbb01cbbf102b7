// What `gemmac --autotune` may choose for the kernel of a product. A choice changes in which order a kernel
// walks over rows and panels, or when it asks for memory, and never which numbers are added in which order:
// tuned and untuned code give the same bits (test/unit/codegen/TuningTest.cpp).
//
// Choices are an attribute of the product, `step.kernel = {streams = 4 : i64}`; what it does not name, and a
// product without it, has the model's: the emitters' own rule. The dialect's verifiers let nothing through
// that no kernel can be made with.
#pragma once

#include "dialect/step/Step.h"

#include <string>

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

namespace step {

constexpr llvm::StringLiteral kKernelAttr = "step.kernel";

/// The attribute `value` of `op`: on a product, a dictionary of known names, each with a value that it may
/// have.
mlir::LogicalResult verifyKernelAttr(mlir::Operation *op, mlir::Attribute value);
/// The streams of `product`, whose attribute is verified, divide the panels of a task of `weight`.
mlir::LogicalResult verifyStreams(mlir::Operation *product, WeightOp weight);

} // namespace step
} // namespace gemmac
