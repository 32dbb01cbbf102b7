// top_k, expert_linear, combine.
#include "dialect/interp/Evaluation.h"

#include <algorithm>
#include <numeric>

using namespace gemmac;

void gemmac::topK(const float *p, int64_t n, int64_t k, const float *scale, float *weights,
                  int32_t *indices) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return p[a] > p[b]; });
  double sum = 0;
  for (int64_t s = 0; s < k; ++s)
    sum += p[order[static_cast<size_t>(s)]];
  for (int64_t s = 0; s < k; ++s) {
    indices[s] = order[static_cast<size_t>(s)];
    weights[s] = static_cast<float>(p[indices[s]] / sum * (scale ? scale[indices[s]] : 1));
  }
}

static llvm::Error evalTopK(Evaluation &e, gemma::TopKOp op) {
  const float *scale = nullptr;
  if (auto symbol = op.getExpertScaleAttr()) {
    auto values = e.weights().all(e.weight(symbol));
    if (!values)
      return values.takeError();
    scale = values->data();
  }
  const Tensor &p = e.get(op.getP());
  int64_t k = static_cast<int64_t>(op.getK());
  Tensor weights = Tensor::ofFloats({p.rows(), k}), indices = Tensor::ofInts({p.rows(), k});
  for (int64_t r = 0; r < p.rows(); ++r)
    topK(p.row(r), p.columns(), k, scale, weights.row(r), indices.i32.data() + r * k);
  e.set(op.getWeights(), std::move(weights));
  e.set(op.getIndices(), std::move(indices));
  return llvm::Error::success();
}

/// Expert by expert, so that a matrix is decoded once however many rows chose it.
static llvm::Error evalExpertLinear(Evaluation &e, gemma::ExpertLinearOp op) {
  gemma::WeightOp weight = e.weight(op.getWeightAttr());
  const Tensor &x = e.get(op.getX()), &indices = e.get(op.getIndices());
  int64_t experts = weight.getShape()[0], n = weight.getShape()[1], c = weight.getShape()[2];
  int64_t slots = indices.columns(), count = indices.rows() * slots;
  bool perSlot = x.shape.size() == 3;
  for (int32_t index : indices.i32)
    if (index < 0 || index >= experts)
      return opError(op, "expert " + llvm::Twine(index) + " is not in [0, " + llvm::Twine(experts) + ")");
  Tensor y = Tensor::ofFloats({indices.rows(), slots, n});
  for (int64_t expert = 0; expert < experts; ++expert) {
    if (!llvm::is_contained(indices.i32, static_cast<int32_t>(expert)))
      continue;
    auto w = e.weights().rows(weight, expert * n, n);
    if (!w)
      return w.takeError();
    for (int64_t at = 0; at < count; ++at) {
      if (indices.i32[static_cast<size_t>(at)] != expert)
        continue;
      const float *input = x.f32.data() + (perSlot ? at : at / slots) * c;
      for (int64_t i = 0; i < n; ++i)
        y.f32[static_cast<size_t>(at * n + i)] = static_cast<float>(dot(input, w->data() + i * c, c));
    }
  }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

static llvm::Error evalCombine(Evaluation &e, gemma::CombineOp op) {
  const Tensor &y = e.get(op.getY()), &weights = e.get(op.getWeights());
  int64_t slots = y.shape[1], n = y.shape[2];
  Tensor out = Tensor::ofFloats({y.rows(), n});
  for (int64_t r = 0; r < y.rows(); ++r)
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t s = 0; s < slots; ++s)
        sum += static_cast<double>(weights.row(r)[s]) * y.row(r)[s * n + i];
      out.row(r)[i] = static_cast<float>(sum);
    }
  e.set(op.getResult(), std::move(out));
  return llvm::Error::success();
}

void gemmac::addMoeHandlers(HandlerTable &table) {
  table.add<gemma::TopKOp, evalTopK>();
  table.add<gemma::ExpertLinearOp, evalExpertLinear>();
  table.add<gemma::CombineOp, evalCombine>();
}
