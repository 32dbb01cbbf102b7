// See ActTiles.h.
#include "codegen/kernel/ActTiles.h"

#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::kernel {

Value actTileLine(KernelBuilder &k, Value row, Value first, int64_t inputs, int64_t rows) {
  constexpr int64_t kRowBytes = kTileBytes / kTileRows;
  Value group = k.div(row, kTileRowGroup), within = k.mul(k.rem(row, kTileRowGroup), kRowBytes);
  Value inBlock = k.rem(first, kTileBlockK), block = k.sub(first, inBlock);
  Value columns = k.mins(k.c(kTileBlockK), k.sub(k.c(paddedK(inputs)), block));
  Value to = k.add(k.mul(block, rows * 2), k.mul(group, k.mul(columns, kTileRowGroup * 2)));
  return k.add(k.add(to, k.mul(inBlock, 2 * kTileBytes / kTileK)), within);
}

} // namespace gemmac::kernel
