// The rows of packed weights as f32, in packed order: sources one below the other or interleaved, with their
// padding, as docs/architecture.md lays them out. Values are those that the packed format holds.
#pragma once

#include "dialect/interp/WeightValues.h"
#include "dialect/step/Step.h"

namespace gemmac {

class StepWeights {
public:
  StepWeights(step::ProgramOp program, mlir::ModuleOp module, const TensorSource *source);

  step::WeightOp find(llvm::StringRef symbol) const;
  /// The k values of packed row `row` of expert `expert` (0 where there are none); zeros for padding. Valid
  /// until the next call.
  llvm::Expected<llvm::ArrayRef<float>> row(step::WeightOp weight, int64_t expert, int64_t row);
  /// The n elements of a vec.
  llvm::Expected<llvm::ArrayRef<float>> vec(step::WeightOp weight);

private:
  /// A source's rows, or one half's of a source interleaved with itself.
  struct Part {
    gemma::WeightOp source;
    int64_t first, rows; ///< of one matrix of the source
    int64_t matrixRows;  ///< rows of one matrix of the source
  };
  llvm::Expected<llvm::ArrayRef<Part>> partsOf(step::WeightOp weight);

  WeightValues values;
  llvm::StringMap<step::WeightOp> symbols;
  llvm::DenseMap<mlir::Operation *, std::vector<Part>> parts;
  std::vector<float> rounded;
};

} // namespace gemmac
