// add, mul, gelu, scale, scale_by, softcap, slice.
#include "dialect/interp/Evaluation.h"

#include <algorithm>
#include <cmath>

using namespace gemmac;

double gemmac::geluTanh(double x) {
  constexpr double kSqrt2OverPi = 0.79788456080286535588;
  return 0.5 * x * (1 + std::tanh(kSqrt2OverPi * (x + 0.044715 * x * x * x)));
}

template <typename F> static Tensor mapped(const Tensor &x, F &&f) {
  Tensor y = Tensor::ofFloats(x.shape);
  for (size_t i = 0; i < y.f32.size(); ++i)
    y.f32[i] = static_cast<float>(f(x.f32[i]));
  return y;
}

template <typename Op, typename F> static llvm::Error binary(Evaluation &e, Op op, F &&f) {
  const Tensor &a = e.get(op.getLhs()), &b = e.get(op.getRhs());
  if (a.shape != b.shape)
    return opError(op, "operands have different numbers of rows");
  Tensor y = Tensor::ofFloats(a.shape);
  for (size_t i = 0; i < y.f32.size(); ++i)
    y.f32[i] = f(a.f32[i], b.f32[i]);
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

static llvm::Error evalAdd(Evaluation &e, gemma::AddOp op) {
  return binary(e, op, [](float a, float b) { return a + b; });
}

static llvm::Error evalMul(Evaluation &e, gemma::MulOp op) {
  return binary(e, op, [](float a, float b) { return a * b; });
}

static llvm::Error evalGelu(Evaluation &e, gemma::GeluOp op) {
  e.set(op.getResult(), mapped(e.get(op.getX()), [](float x) { return geluTanh(x); }));
  return llvm::Error::success();
}

static llvm::Error evalScale(Evaluation &e, gemma::ScaleOp op) {
  double factor = op.getFactor().convertToDouble();
  e.set(op.getResult(), mapped(e.get(op.getX()), [&](float x) { return factor * x; }));
  return llvm::Error::success();
}

static llvm::Error evalScaleBy(Evaluation &e, gemma::ScaleByOp op) {
  auto w = e.weights().all(e.weight(op.getWeightAttr()));
  if (!w)
    return w.takeError();
  const Tensor &x = e.get(op.getX());
  Tensor y = Tensor::ofFloats(x.shape);
  for (size_t i = 0; i < y.f32.size(); ++i)
    y.f32[i] = x.f32[i] * (*w)[i % w->size()];
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

static llvm::Error evalSoftcap(Evaluation &e, gemma::SoftcapOp op) {
  double cap = op.getCap().convertToDouble();
  e.set(op.getResult(), mapped(e.get(op.getX()), [&](float x) { return cap * std::tanh(x / cap); }));
  return llvm::Error::success();
}

static llvm::Error evalSlice(Evaluation &e, gemma::SliceOp op) {
  const Tensor &x = e.get(op.getX());
  int64_t size = static_cast<int64_t>(op.getSize()), offset = static_cast<int64_t>(op.getOffset());
  Tensor y;
  y.shape = x.shape;
  y.shape.back() = size;
  y.f32.resize(static_cast<size_t>(elementCount(y.shape)));
  for (int64_t r = 0, n = elementCount(x.shape) / x.columns(); r < n; ++r)
    std::copy_n(x.f32.data() + r * x.columns() + offset, size, y.f32.data() + r * size);
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addElementwiseHandlers(HandlerTable &table) {
  table.add<gemma::AddOp, evalAdd>();
  table.add<gemma::MulOp, evalMul>();
  table.add<gemma::GeluOp, evalGelu>();
  table.add<gemma::ScaleOp, evalScale>();
  table.add<gemma::ScaleByOp, evalScaleBy>();
  table.add<gemma::SoftcapOp, evalSoftcap>();
  table.add<gemma::SliceOp, evalSlice>();
}
