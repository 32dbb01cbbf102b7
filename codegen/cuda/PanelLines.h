// How a warp reads a superblock of a panel. Every panel format, and K in caches, is made of lines of 64
// bytes: a word of 4 bytes for each of 16 rows. A warp reads eight lines at a time, 16 bytes for each lane:
// lane l has the words of rows 4 (l % 4) to 4 (l % 4) + 3 in line l / 4. So a lane sums 4 rows over an eighth
// of the inputs, and three shuffles put the eighths together.
#pragma once

#include "codegen/cuda/BlockBuilder.h"
#include "dialect/step/Layout.h"

namespace gemmac::cuda {

/// Rows of a panel that a lane has.
constexpr int64_t kLaneRows = 4;

class PanelLines {
public:
  PanelLines(BlockBuilder &k, step::Format format);

  /// acc[r] + the products of the lane's inputs of `superblock` with the activations of each row r, as
  /// vectors of kLaneRows f32. act[r]: address of the packed vector of `inputs` inputs; `index`: the
  /// superblock's in it.
  llvm::SmallVector<Value> multiply(step::Act how, Value superblock, llvm::ArrayRef<Value> act, Value index,
                                    mlir::ValueRange acc, int64_t inputs);

private:
  BlockBuilder &k;
  step::Format format;
  const PanelCodes *codes; ///< null for floats
  Value line, quarter;     ///< of the lane: l / 4 and l % 4

  Value words(Value superblock, int64_t j);
  void floats(Value superblock, llvm::ArrayRef<Value> act, Value index, llvm::SmallVectorImpl<Value> &acc);
  void dequantized(Value superblock, llvm::ArrayRef<Value> act, Value index,
                   llvm::SmallVectorImpl<Value> &acc);
  void integers(Value superblock, llvm::ArrayRef<Value> act, Value index, int64_t inputs,
                llvm::SmallVectorImpl<Value> &acc);
  /// Words of 4 codes each (bytes) that a lane has of its lines j: one of 8 bits, else the low nibbles' and
  /// the high ones'.
  llvm::SmallVector<Value> codeWords(Value superblock, int64_t j);
  struct Scales {
    Value scale, minimum; ///< vectors of kLaneRows f32; minimum null where there is none
  };
  Scales scales(Value superblock, int64_t j);
  Value four(Value at, int64_t offset, Value extra);
  Value smallIntegers(Value at, bool isSigned);
};

} // namespace gemmac::cuda
