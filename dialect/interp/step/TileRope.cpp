// rope_table and rope.
#include "dialect/gemma/Quantize.h"
#include "dialect/interp/Evaluation.h"
#include "dialect/interp/step/StepTask.h"

#include <algorithm>
#include <cmath>

using namespace gemmac;

static llvm::Error evalRopeTable(StepTask &task, step::RopeTableOp op) {
  BufferView dst = task.view(op.getDst());
  int64_t angles = static_cast<int64_t>(op.getAngles());
  auto rounded = [&](double x) {
    float value = static_cast<float>(x);
    return op.getRound() ? bf16ToF32(f32ToBF16(value)) : value;
  };
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t j = 0; j < angles; ++j) {
      double angle = ropeAngle(static_cast<double>(task.position(r)), op.getFactor().convertToDouble(),
                               op.getTheta().convertToDouble(), j, static_cast<int64_t>(op.getHeadDim()));
      dst.row<float>(r)[j] = rounded(std::cos(angle));
      dst.row<float>(r)[angles + j] = rounded(std::sin(angle));
    }
  return llvm::Error::success();
}

static llvm::Error evalRope(StepTask &task, step::RopeOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc()), table = task.view(op.getTable());
  int64_t headDim = static_cast<int64_t>(op.getHeadDim()), angles = static_cast<int64_t>(op.getAngles());
  std::vector<float> x(static_cast<size_t>(headDim));
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t head = 0; head < src.columns; head += headDim) {
      std::copy_n(src.row<float>(r) + head, headDim, x.begin());
      float *out = dst.row<float>(r) + head;
      std::copy(x.begin(), x.end(), out);
      for (int64_t j = 0; j < angles; ++j) {
        size_t a = static_cast<size_t>(j), b = static_cast<size_t>(j + headDim / 2);
        float cosine = table.row<float>(r)[j], sine = table.row<float>(r)[angles + j];
        out[a] = x[a] * cosine - x[b] * sine;
        out[b] = x[b] * cosine + x[a] * sine;
      }
    }
  return llvm::Error::success();
}

void gemmac::addTileRopeHandlers(TileHandlerTable &table) {
  table.add<step::RopeTableOp, evalRopeTable>();
  table.add<step::RopeOp, evalRope>();
}
