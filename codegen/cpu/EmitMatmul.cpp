// step.matmul: the call of a kernel for the task's rows of the weight. The kernels are made by
// EmitKernel*.cpp, once for each format and kind of activation.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

using namespace mlir;

namespace gemmac::cpu {

/// What was tuned besides the streams, which stand in the name anyway.
static std::string tunedSuffix(const KernelTuning &tuning) {
  std::string suffix = tuning.ahead ? "_a" + std::to_string(tuning.ahead) : "";
  if (tuning.blockRows)
    suffix += "_b" + std::to_string(tuning.blockRows) + "x" + std::to_string(tuning.blockPanels);
  return suffix;
}

func::FuncOp KernelLibrary::matmul(step::Format format, step::Act act, int64_t panels,
                                   const KernelTuning &tuning) {
  const KernelTuning all = resolved(tuning, target, format, act, panels);
  std::string name = ("matmul_" + stringifyFormat(format) + (act == step::Act::I8 ? "_i8_x" : "_f32_x") +
                      Twine(all.streams) + tunedSuffix(tuning))
                         .str();
  return defined(name, "pippiiii", [&](KernelBuilder &k, ValueRange a) {
    emitMatmulBody(k, {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]}, format, act, all);
  });
}

void callMatmul(PhaseEmitter &e, step::WeightOp weight, step::Act act, Value actBase, int64_t actLd,
                Value panels, Value dst, int64_t dstLd, Value rows, const KernelTuning &tuning) {
  KernelBuilder &k = e.k;
  int64_t count = weight.getTile() / kPanelRows;
  func::FuncOp kernel =
      e.library.matmul(weight.getFormat(), act == step::Act::I8 ? act : step::Act::F32, count, tuning);
  Value superblocks = k.c(paddedK(weight.getK()) / kSuperblockK);
  func::CallOp::create(
      k.builder(), k.location(), kernel,
      ValueRange{actBase, k.c(actLd), panels, dst, k.c(dstLd), rows, superblocks, k.c(count)});
}

void emitOp(PhaseEmitter &e, step::MatmulOp op) {
  KernelBuilder &k = e.k;
  if (op.getFormat() == step::Act::BF16T)
    return emitTileMatmul(e, op, e.column, k.c(1));
  View to = e.view(op.getDst()), act = e.view(op.getAct());
  WeightView w = e.weight(op.getWeight());
  Value panels = k.at(w.base, k.mul(e.column, taskBytes(w.op)));
  Value first = e.row ? e.row : k.c(0), rows = e.row ? k.c(1) : e.liveRows;
  callMatmul(e, w.op, op.getFormat(), e.rowOf(act, first), act.ld, panels, e.rowOf(to, first), to.ld, rows,
             tuningOf(op));
}

} // namespace gemmac::cpu
