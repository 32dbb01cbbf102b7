// top_k and combine.
#include "dialect/interp/Evaluation.h"
#include "dialect/interp/step/StepTask.h"

using namespace gemmac;

static llvm::Error evalTopK(StepTask &task, step::TopKOp op) {
  auto scale = task.vec(op.getScaleAttr());
  if (!scale)
    return scale.takeError();
  BufferView weights = task.view(op.getWeights()), indices = task.view(op.getIndices()),
             src = task.view(op.getSrc());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    topK(src.row<float>(r), src.columns, static_cast<int64_t>(op.getK()),
         scale->empty() ? nullptr : scale->data(), weights.row<float>(r), indices.row<int32_t>(r));
  return llvm::Error::success();
}

static llvm::Error evalCombine(StepTask &task, step::CombineOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc()), weights = task.view(op.getWeights());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t c = 0; c < dst.columns; ++c) {
      double sum = 0;
      for (int64_t s = 0; s < weights.columns; ++s)
        sum += static_cast<double>(weights.row<float>(r)[s]) * src.row<float>(r)[s * dst.columns + c];
      dst.row<float>(r)[c] = static_cast<float>(sum);
    }
  return llvm::Error::success();
}

void gemmac::addTileMoeHandlers(TileHandlerTable &table) {
  table.add<step::TopKOp, evalTopK>();
  table.add<step::CombineOp, evalCombine>();
}
