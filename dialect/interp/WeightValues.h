// The f32 values of gemma.weight symbols, whatever they are made of: a tensor of the checkpoint, a literal,
// or `random`. `quant` is applied: what comes out is dequantise(quantise(stored)), with the rounding of
// dialect/gemma/Quantize.h, so the interpreters compute with the very numbers that the weight packer writes.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "frontend/TensorSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <vector>

namespace gemmac {

/// Element `index` of a weight with `random = seed`, before it is rounded to the weight's element type.
/// splitmix64 of seed * 2^40 + index gives a uniform u in [-1, 1) with 24 bits; a vector (rank 1) is 1 + u /
/// 2, a matrix (rows of k elements) is u * sqrt(3 / k), so that its products keep the size of their inputs.
float randomWeight(int64_t seed, int64_t index, llvm::ArrayRef<int64_t> shape);

/// Invariant: memory stays bounded. Small tensors are decoded once and kept (kKeptElements in all), others
/// are decoded by the rows that are asked for.
class WeightValues {
public:
  /// Most elements decoded and kept over all tensors (256 MiB of f32).
  static constexpr int64_t kKeptElements = int64_t(64) << 20;

  /// `source` may be null for modules without weights in files.
  WeightValues(mlir::ModuleOp module, const TensorSource *source);

  /// The weight of that name, or null.
  gemma::WeightOp find(llvm::StringRef symbol) const;
  /// Rows [first, first + count) of the last axis, row-major. Valid until the next call on this object.
  llvm::Expected<llvm::ArrayRef<float>> rows(gemma::WeightOp weight, int64_t first, int64_t count);
  /// All values. For vectors and for weights that are small.
  llvm::Expected<llvm::ArrayRef<float>> all(gemma::WeightOp weight);
  /// How many rows to ask for at once: all of a weight that is kept, else a block of bounded size.
  int64_t blockRows(gemma::WeightOp weight) const;

private:
  llvm::Error decode(gemma::WeightOp weight, int64_t first, llvm::MutableArrayRef<float> out) const;
  llvm::Error decodeFile(gemma::WeightOp weight, int64_t first, llvm::MutableArrayRef<float> out) const;
  bool fits(gemma::WeightOp weight) const;

  const TensorSource *source;
  llvm::StringMap<gemma::WeightOp> symbols;
  llvm::DenseMap<mlir::Operation *, std::vector<float>> kept;
  int64_t keptElements = 0;
  std::vector<float> scratch;
};

} // namespace gemmac
