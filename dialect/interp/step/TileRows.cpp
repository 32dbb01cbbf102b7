// embed and take_row.
#include "dialect/interp/step/StepTask.h"

#include <algorithm>

using namespace gemmac;

static llvm::Error evalEmbed(StepTask &task, step::EmbedOp op) {
  step::WeightOp table = task.weight(op.getTableAttr());
  double scale = op.getScale().convertToDouble();
  BufferView dst = task.view(op.getDst());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r) {
    int64_t token = task.token(r);
    if (token < 0 || token >= static_cast<int64_t>(table.getN()))
      return task.error(op,
                        "token " + llvm::Twine(token) + " is not in [0, " + llvm::Twine(table.getN()) + ")");
    auto row = task.weights.row(table, 0, token);
    if (!row)
      return row.takeError();
    for (int64_t c = 0; c < dst.columns; ++c)
      dst.row<float>(r)[c] = static_cast<float>(scale * (*row)[static_cast<size_t>(c)]);
  }
  return llvm::Error::success();
}

static llvm::Error evalTakeRow(StepTask &task, step::TakeRowOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    std::copy_n(src.row<float>(task.tokenIndex(r)), src.columns, dst.row<float>(r));
  return llvm::Error::success();
}

void gemmac::addTileRowsHandlers(TileHandlerTable &table) {
  table.add<step::EmbedOp, evalEmbed>();
  table.add<step::TakeRowOp, evalTakeRow>();
}
