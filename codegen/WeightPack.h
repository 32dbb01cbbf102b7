// Weights on their way into the executable: read from the checkpoint, quantised, laid out in the panels of
// docs/architecture.md and written in execution order. One tile of rows is in memory at a time.
#pragma once

#include "codegen/OutputFile.h"
#include "dialect/step/Step.h"
#include "frontend/TensorSource.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace gemmac {

/// Where a packed row comes from: source `source` of the step.weight, row `row` of it (of one expert); -1:
/// padding.
struct PackedRow {
  int64_t source, row;
};

/// The source of packed row `r` of `weight`; `sourceRows[i]` = rows of source i (of one expert, halves
/// counted apart where one 3-D source is interleaved with itself).
PackedRow packedRow(step::WeightOp weight, llvm::ArrayRef<int64_t> sourceRows, int64_t r);

/// What became of one step.weight.
struct PackedWeightInfo {
  std::string name;
  std::string from; ///< stored type of its tensors: "BF16", "Q4_0"
  std::string to;   ///< layout: "q4p16", "rows_q8"
  double bits = 0;  ///< of the file per element, padding included
  /// sqrt(sum (packed - stored)^2 / sum stored^2) over all elements; 0 where nothing was rounded.
  double error = 0;
};
using WeightReport = std::vector<PackedWeightInfo>;

/// Packs all weights of `program` and writes them from byte `base` of `out`, in 16 MiB writes at multiples of
/// 2 MiB. `progress` is called with the bytes done. `hash` receives every byte in file order.
/// `report` gets one entry for each weight, in the same order.
llvm::Error packWeights(step::ProgramOp program, const TensorSource &tensors, OutputFile &out, uint64_t base,
                        llvm::function_ref<void(llvm::ArrayRef<char>)> hash,
                        llvm::function_ref<void(uint64_t)> progress, WeightReport &report);

} // namespace gemmac
