// cache_write, attention, qk, pv. A row that asks for a position which its ring of slots no longer (or not
// yet) holds is an error: the plan made the cache too small, or phases are out of order.
#include "dialect/interp/Evaluation.h"
#include "dialect/interp/step/StepTask.h"

#include <algorithm>
#include <limits>

using namespace gemmac;

static llvm::Error evalCacheWrite(StepTask &task, step::CacheWriteOp op) {
  CacheHalf &cache = task.memory.cache(op.getCache(), op.getWhich());
  auto symbol = mlir::SymbolTable::lookupNearestSymbolFrom<step::CacheOp>(op, op.getCacheAttr());
  BufferView src = task.view(op.getSrc());
  int64_t headDim = static_cast<int64_t>(symbol.getHeadDim());
  int64_t first = static_cast<int64_t>(op.getHead()) + static_cast<int64_t>(op.getHeadStride()) * task.column;
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t h = 0; h < src.columns / headDim; ++h)
      cache.write(task.sequence(r), first + h, task.position(r), src.row<float>(r) + h * headDim);
  return llvm::Error::success();
}

namespace {
/// One query head of one row: what it may see.
struct HeadTask {
  template <typename Op> HeadTask(StepTask &task, Op op) {
    auto cache = mlir::SymbolTable::lookupNearestSymbolFrom<step::CacheOp>(op, op.getCacheAttr());
    row = task.rowBegin;
    head = task.column;
    headDim = static_cast<int64_t>(cache.getHeadDim());
    kvHead = head / (static_cast<int64_t>(op.getHeads()) / static_cast<int64_t>(cache.getHeads()));
    end = task.position(row) + 1;
    int64_t window = static_cast<int64_t>(op.getWindow());
    begin = window > 0 ? std::max<int64_t>(0, end - window) : 0;
    seq = task.sequence(row);
    keys = &task.memory.cache(op.getCache(), step::Which::K);
    values = &task.memory.cache(op.getCache(), step::Which::V);
  }

  /// scores[j - begin] for the visible positions.
  llvm::Error scores(StepTask &task, mlir::Operation *op, const float *q, double scale, float *out) const {
    std::vector<float> key(static_cast<size_t>(headDim));
    for (int64_t j = begin; j < end; ++j) {
      if (!keys->read(seq, kvHead, j, key.data()))
        return missing(task, op, j);
      out[j - begin] = static_cast<float>(scale * dot(q, key.data(), headDim));
    }
    return llvm::Error::success();
  }

  /// out = sum of p[j - begin] * V[j].
  llvm::Error weigh(StepTask &task, mlir::Operation *op, const float *p, float *out) const {
    std::vector<float> value(static_cast<size_t>(headDim));
    std::vector<double> sum(static_cast<size_t>(headDim));
    for (int64_t j = begin; j < end; ++j) {
      if (!values->read(seq, kvHead, j, value.data()))
        return missing(task, op, j);
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] += static_cast<double>(p[j - begin]) * value[i];
    }
    std::copy(sum.begin(), sum.end(), out);
    return llvm::Error::success();
  }

  int64_t row, head, headDim, kvHead, begin, end, seq;

private:
  llvm::Error missing(StepTask &task, mlir::Operation *op, int64_t j) const {
    return task.error(op, "position " + llvm::Twine(j) + " of sequence " + llvm::Twine(seq) +
                              " is not in the cache, while position " + llvm::Twine(end - 1) + " reads it");
  }
  CacheHalf *keys, *values;
};
} // namespace

static llvm::Error evalAttention(StepTask &task, step::AttentionOp op) {
  HeadTask head(task, op);
  std::vector<float> p(static_cast<size_t>(head.end - head.begin));
  const float *q = task.f32(op.getQ(), head.row) + head.head * head.headDim;
  if (llvm::Error error = head.scores(task, op, q, op.getScale().convertToDouble(), p.data()))
    return error;
  softmaxRow(p.data(), static_cast<int64_t>(p.size()));
  return head.weigh(task, op, p.data(), task.f32(op.getDst(), head.row) + head.head * head.headDim);
}

static llvm::Error evalQk(StepTask &task, step::QkOp op) {
  HeadTask head(task, op);
  int64_t width = task.columns(op.getDst()) / static_cast<int64_t>(op.getHeads());
  float *out = task.f32(op.getDst(), head.row) + head.head * width;
  std::fill_n(out, width, -std::numeric_limits<float>::infinity());
  const float *q = task.f32(op.getQ(), head.row) + head.head * head.headDim;
  return head.scores(task, op, q, op.getScale().convertToDouble(), out + head.begin);
}

static llvm::Error evalPv(StepTask &task, step::PvOp op) {
  HeadTask head(task, op);
  int64_t width = task.columns(op.getP()) / static_cast<int64_t>(op.getHeads());
  const float *p = task.f32(op.getP(), head.row) + head.head * width;
  return head.weigh(task, op, p + head.begin, task.f32(op.getDst(), head.row) + head.head * head.headDim);
}

void gemmac::addTileAttentionHandlers(TileHandlerTable &table) {
  table.add<step::CacheWriteOp, evalCacheWrite>();
  table.add<step::AttentionOp, evalAttention>();
  table.add<step::QkOp, evalQk>();
  table.add<step::PvOp, evalPv>();
}
