// cache_update, qk, softmax, pv.
#include "dialect/interp/Evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace gemmac;

static constexpr float kMasked = -std::numeric_limits<float>::infinity();

void gemmac::softmaxRow(float *x, int64_t n) {
  float largest = *std::max_element(x, x + n);
  double sum = 0;
  std::vector<double> e(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    if (x[i] != kMasked)
      sum += e[static_cast<size_t>(i)] = std::exp(static_cast<double>(x[i]) - largest);
  for (int64_t i = 0; i < n; ++i)
    x[i] = sum > 0 ? static_cast<float>(e[static_cast<size_t>(i)] / sum) : 0;
}

static llvm::Error evalCacheUpdate(Evaluation &e, gemma::CacheUpdateOp op) {
  const Tensor &k = e.get(op.getK()), &v = e.get(op.getV()), &pos = e.get(op.getPos()),
               &seq = e.get(op.getSeq());
  KvCache &cache = e.cache(op.getCacheAttr(), op.getKv().getType());
  for (int64_t r = 0; r < k.rows(); ++r)
    cache.write(seq.i32[static_cast<size_t>(r)], pos.i32[static_cast<size_t>(r)], k.row(r), v.row(r));
  Tensor all;
  all.kv = &cache;
  e.set(op.getKv(), std::move(all));
  return llvm::Error::success();
}

static llvm::Error missingPosition(mlir::Operation *op, int64_t j, int32_t seq) {
  return opError(op, "position " + llvm::Twine(j) + " of sequence " + llvm::Twine(seq) + " was never cached");
}

static llvm::Error evalQk(Evaluation &e, gemma::QkOp op) {
  const Tensor &q = e.get(op.getQ()), &pos = e.get(op.getPos()), &seq = e.get(op.getSeq());
  const KvCache &cache = *e.get(op.getKv()).kv;
  int64_t heads = static_cast<int64_t>(op.getHeads()), window = static_cast<int64_t>(op.getWindow());
  int64_t group = heads / cache.heads, width = *std::max_element(pos.i32.begin(), pos.i32.end()) + 1;
  double scale = op.getScale().convertToDouble();
  Tensor s = Tensor::ofFloats({q.rows(), heads, width});
  std::fill(s.f32.begin(), s.f32.end(), kMasked);
  for (int64_t r = 0; r < q.rows(); ++r) {
    int32_t row = pos.i32[static_cast<size_t>(r)], sequence = seq.i32[static_cast<size_t>(r)];
    for (int64_t j = window > 0 ? std::max<int64_t>(0, row - window + 1) : 0; j <= row; ++j)
      for (int64_t h = 0; h < heads; ++h) {
        const float *key = cache.key(sequence, static_cast<int32_t>(j), h / group);
        if (!key)
          return missingPosition(op, j, sequence);
        s.row(r)[h * width + j] =
            static_cast<float>(scale * dot(q.row(r) + h * cache.headDim, key, cache.headDim));
      }
  }
  e.set(op.getResult(), std::move(s));
  return llvm::Error::success();
}

static llvm::Error evalSoftmax(Evaluation &e, gemma::SoftmaxOp op) {
  Tensor y = e.get(op.getX());
  for (int64_t at = 0, n = elementCount(y.shape); at < n; at += y.columns())
    softmaxRow(y.f32.data() + at, y.columns());
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

static llvm::Error evalPv(Evaluation &e, gemma::PvOp op) {
  const Tensor &p = e.get(op.getP()), &seq = e.get(op.getSeq());
  const KvCache &cache = *e.get(op.getKv()).kv;
  int64_t heads = p.shape[1], width = p.shape[2], group = heads / cache.heads;
  Tensor y = Tensor::ofFloats({p.rows(), heads * cache.headDim});
  std::vector<double> sum(static_cast<size_t>(cache.headDim));
  for (int64_t r = 0; r < p.rows(); ++r)
    for (int64_t h = 0; h < heads; ++h) {
      std::fill(sum.begin(), sum.end(), 0.0);
      const float *weights = p.row(r) + h * width;
      int32_t sequence = seq.i32[static_cast<size_t>(r)];
      for (int64_t j = 0; j < width; ++j) {
        if (weights[j] == 0) // masked, or so small that V does not matter
          continue;
        const float *value = cache.value(sequence, static_cast<int32_t>(j), h / group);
        if (!value)
          return missingPosition(op, j, sequence);
        for (int64_t i = 0; i < cache.headDim; ++i)
          sum[static_cast<size_t>(i)] += static_cast<double>(weights[j]) * value[i];
      }
      std::copy(sum.begin(), sum.end(), y.row(r) + h * cache.headDim);
    }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addAttentionHandlers(HandlerTable &table) {
  table.add<gemma::CacheUpdateOp, evalCacheUpdate>();
  table.add<gemma::QkOp, evalQk>();
  table.add<gemma::SoftmaxOp, evalSoftmax>();
  table.add<gemma::PvOp, evalPv>();
}
