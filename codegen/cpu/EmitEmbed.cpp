// step.embed: one row of a table, from row-major tables and from panels (a tied embedding is packed once, for
// the logits).
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/PanelReader.h"
#include "codegen/kernel/RowBlocks.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

namespace {

struct Gather {
  PhaseEmitter &e;
  step::WeightOp table;
  Value base, token; ///< token as i64
  Value scale;       ///< vector
  Value out;

  void rows();
  void rowsQ8();
  void blocks();
  void panels();
};

/// Row-major f32, bf16, f16: 16 columns at a time; a last partial group is read element by element.
void Gather::rows() {
  KernelBuilder &k = e.k;
  step::Format format = table.getFormat();
  int64_t bytes = format == step::Format::RowsF32 ? 4 : 2;
  Value row = k.at(base, k.mul(token, rowStrideBytes(format, table.getK())));
  auto widen = [&](Type stored, Value from) {
    Value x = k.load(stored, from);
    if (format == step::Format::RowsF32)
      return x;
    return format == step::Format::RowsF16 ? k.extf(x, k.likeLanes(x, k.f32())) : k.fromBF16(x);
  };
  Type element = format == step::Format::RowsF32   ? k.f32()
                 : format == step::Format::RowsF16 ? k.f16()
                                                   : k.i16();
  int64_t columns = table.getK(), whole = columns / kLanes * kLanes;
  k.loop(0, whole, kLanes, [&](Value i) {
    k.store(k.fmul(widen(k.vec(element), k.at(row, k.mul(i, bytes))), scale), k.at(out, k.mul(i, 4)));
  });
  if (whole < columns)
    k.loop(whole, columns, 1, [&](Value i) {
      Value x = widen(element, k.at(row, k.mul(i, bytes)));
      k.store(k.fmul(x, k.extract(scale, 0)), k.at(out, k.mul(i, 4)));
    });
}

/// int8 in groups of 32 with an f16 scale each.
void Gather::rowsQ8() {
  KernelBuilder &k = e.k;
  int64_t columns = table.getK();
  Value row = k.at(base, k.mul(token, rowStrideBytes(step::Format::RowsQ8, columns)));
  Value scales = k.at(row, rowsQ8ScaleOffset(columns));
  k.forLanes(columns, [&](Lanes lanes) {
    Value q = k.load(k.vec(k.i8()), k.at(row, lanes.first)); // padded to 32: whole groups can be read
    Value s = k.load(k.f16(), k.at(scales, k.mul(k.div(lanes.first, kScaleGroup), 2)));
    Value x = k.fmul(k.sitofp(q, k.vec(k.f32())), k.splat(k.extf(s, k.f32())));
    k.storeLanes(k.fmul(x, scale), out, lanes);
  });
}

/// GGUF's blocks as stored: rows are whole blocks, so 16 elements are always there.
void Gather::blocks() {
  KernelBuilder &k = e.k;
  Value row = k.at(base, k.mul(token, rowStrideBytes(table.getFormat(), table.getK())));
  k.loop(0, table.getK(), kLanes, [&](Value i) {
    k.store(k.fmul(decodeRowBlocks(k, table.getFormat(), row, i), scale), k.at(out, k.mul(i, 4)));
  });
}

void Gather::panels() {
  KernelBuilder &k = e.k;
  step::Format format = table.getFormat();
  Value panel = k.at(base, k.mul(k.div(token, kPanelRows), panelBytes(format, table.getK())));
  Value lane = k.rem(token, kPanelRows), first = k.extract(scale, 0);
  k.loop(0, table.getK(), 1, [&](Value i) {
    Value superblock = k.at(panel, k.mul(k.div(i, kSuperblockK), superblockBytes(format)));
    k.store(k.fmul(panelElement(k, format, superblock, lane, k.rem(i, kSuperblockK)), first),
            k.at(out, k.mul(i, 4)));
  });
}

} // namespace

void emitOp(PhaseEmitter &e, step::EmbedOp op) {
  View to = e.view(op.getDst());
  WeightView w = e.weight(op.getTable());
  Value scale = e.k.vf(op.getScale().convertToDouble());
  e.forRows([&](Value row) {
    Gather gather{e, w.op, w.base, e.k.sext(e.tokenOf(row), e.k.i64()), scale, e.rowOf(to, row)};
    if (isPanelFormat(w.op.getFormat()))
      gather.panels();
    else if (w.op.getFormat() == step::Format::RowsQ8)
      gather.rowsQ8();
    else if (rowBlocks(w.op.getFormat()).elements > 0)
      gather.blocks();
    else
      gather.rows();
  });
}

} // namespace gemmac::cpu
