// step.embed: one row of a table, from row-major tables and from panels (a tied embedding is packed once, for
// the logits).
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/PanelReader.h"
#include "codegen/kernel/RowBlocks.h"

using namespace mlir;

namespace gemmac::cuda {

/// Element i of row `token` of a row-major table of numbers, or of int8 with an f16 scale per 32.
static Value rowElement(BlockBuilder &k, step::WeightOp table, Value base, Value token, Value i) {
  Value row = k.at(base, k.mul(token, rowStrideBytes(table.getFormat(), table.getK())));
  switch (table.getFormat()) {
  case step::Format::RowsF32:
    return k.load(k.f32(), k.at(row, k.mul(i, 4)));
  case step::Format::RowsF16:
    return k.extf(k.load(k.f16(), k.at(row, k.mul(i, 2))), k.f32());
  case step::Format::RowsBF16:
    return k.fromBF16(k.load(k.i16(), k.at(row, k.mul(i, 2))));
  default: { // rows_q8
    Value q = k.sext(k.load(k.i8(), k.at(row, i)), k.i32());
    Value scale = k.at(row, k.add(k.mul(k.div(i, kScaleGroup), 2), rowsQ8ScaleOffset(table.getK())));
    return k.fmul(k.sitofp(q, k.f32()), k.extf(k.load(k.f16(), scale), k.f32()));
  }
  }
}

/// Element i of row `token` of a table in panels.
static Value panelElement(BlockBuilder &k, step::WeightOp table, Value base, Value token, Value i) {
  const step::Format format = table.getFormat();
  Value panel = k.at(base, k.mul(k.div(token, kPanelRows), panelBytes(format, table.getK())));
  Value superblock = k.at(panel, k.mul(k.div(i, kSuperblockK), superblockBytes(format)));
  return kernel::panelElement(k, format, superblock, k.rem(token, kPanelRows), k.rem(i, kSuperblockK));
}

void emitOp(PhaseEmitter &e, step::EmbedOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst());
  WeightView w = e.weight(op.getTable());
  const step::Format format = w.op.getFormat();
  Value scale = k.cf(k.f32(), op.getScale().convertToDouble());
  auto token = [&](Value row) { return k.sext(e.tokenOf(row), k.i64()); };
  if (rowBlocks(format).elements > 0) // a thread decodes 16 elements
    return e.forCells(to.width / kLanes, [&](Value row, Value cell) {
      Value first = k.mul(cell, kLanes),
            base = k.at(w.base, k.mul(token(row), rowStrideBytes(format, w.op.getK())));
      Value x = k.fmul(decodeRowBlocks(k, format, base, first), k.splat(scale));
      k.store(x, k.at(e.rowOf(to, row), k.mul(first, 4)));
    });
  e.forCells(to.width, [&](Value row, Value i) {
    Value x = isPanelFormat(format) ? panelElement(k, w.op, w.base, token(row), i)
                                    : rowElement(k, w.op, w.base, token(row), i);
    k.store(k.fmul(x, scale), k.at(e.rowOf(to, row), k.mul(i, 4)));
  });
}

} // namespace gemmac::cuda
