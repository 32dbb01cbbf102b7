// select_top: a task puts its columns into the selection that the tasks before it have left, in whatever
// order they run.
#include "dialect/interp/step/StepTask.h"

#include <algorithm>
#include <limits>

using namespace gemmac;

namespace {
struct Candidate {
  float value;
  int32_t id;
  bool before(const Candidate &o) const { return value != o.value ? value > o.value : id < o.id; }
};
} // namespace

static llvm::Error evalSelectTop(StepTask &task, step::SelectTopOp op) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  BufferView values = task.view(op.getValues()), ids = task.view(op.getIds()), src = task.view(op.getSrc());
  float *best = values.row<float>(0);
  auto *bestIds = ids.row<int32_t>(0);
  std::vector<Candidate> all;
  for (int64_t i = 0; !task.firstTask && i < values.columns && bestIds[i] >= 0; ++i)
    all.push_back({best[i], bestIds[i]});
  const auto columns = static_cast<int64_t>(op.getColumns());
  for (int64_t c = 0, id = task.column * src.columns; c < src.columns && id < columns; ++c, ++id)
    if (const float x = src.row<float>(0)[c]; x > kLowest) // false for NaN
      all.push_back({x, static_cast<int32_t>(id)});
  std::sort(all.begin(), all.end(), [](const Candidate &a, const Candidate &b) { return a.before(b); });
  for (int64_t i = 0; i < values.columns; ++i) {
    const bool is = i < static_cast<int64_t>(all.size());
    best[i] = is ? all[static_cast<size_t>(i)].value : kLowest;
    bestIds[i] = is ? all[static_cast<size_t>(i)].id : -1;
  }
  return llvm::Error::success();
}

void gemmac::addTileSelectHandlers(TileHandlerTable &table) { table.add<step::SelectTopOp, evalSelectTop>(); }
