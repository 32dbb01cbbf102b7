// rms_norm.
#include "dialect/interp/Evaluation.h"

#include <cmath>

using namespace gemmac;

void gemmac::rmsNormRow(const float *x, const float *weight, double offset, double eps, int64_t n,
                        float *out) {
  double square = 0;
  for (int64_t i = 0; i < n; ++i)
    square += static_cast<double>(x[i]) * x[i];
  double factor = 1 / std::sqrt(square / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i)
    out[i] = static_cast<float>(x[i] * factor * (weight ? offset + weight[i] : 1));
}

static llvm::Error evalRmsNorm(Evaluation &e, gemma::RmsNormOp op) {
  const float *weight = nullptr;
  if (auto symbol = op.getWeightAttr()) {
    auto values = e.weights().all(e.weight(symbol));
    if (!values)
      return values.takeError();
    weight = values->data();
  }
  const Tensor &x = e.get(op.getX());
  Tensor y = Tensor::ofFloats(x.shape);
  int64_t group = static_cast<int64_t>(op.getGroup());
  for (int64_t at = 0, n = elementCount(x.shape); at < n; at += group)
    rmsNormRow(x.f32.data() + at, weight, op.getOffset().convertToDouble(), op.getEps().convertToDouble(),
               group, y.f32.data() + at);
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addNormHandlers(HandlerTable &table) { table.add<gemma::RmsNormOp, evalRmsNorm>(); }
