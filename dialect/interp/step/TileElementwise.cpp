// add, mul, gelu, copy, scale, scale_by, softcap, norm, round, softmax, publish.
#include "dialect/gemma/Quantize.h"
#include "dialect/interp/Evaluation.h"
#include "dialect/interp/step/StepTask.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace gemmac;

/// dst[r][c] = f(src[r][c], c) for the task's rows.
template <typename Op, typename F> static llvm::Error unary(StepTask &task, Op op, F &&f) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t c = 0; c < src.columns; ++c)
      dst.row<float>(r)[c] = static_cast<float>(f(src.row<float>(r)[c], c));
  return llvm::Error::success();
}

template <typename Op, typename F> static llvm::Error binary(StepTask &task, Op op, F &&f) {
  BufferView dst = task.view(op.getDst()), lhs = task.view(op.getLhs()), rhs = task.view(op.getRhs());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t c = 0; c < lhs.columns; ++c)
      dst.row<float>(r)[c] = f(lhs.row<float>(r)[c], rhs.row<float>(r)[c]);
  return llvm::Error::success();
}

static llvm::Error evalAdd(StepTask &task, step::AddOp op) {
  return binary(task, op, [](float a, float b) { return a + b; });
}

static llvm::Error evalMul(StepTask &task, step::MulOp op) {
  return binary(task, op, [](float a, float b) { return a * b; });
}

static llvm::Error evalGelu(StepTask &task, step::GeluOp op) {
  return unary(task, op, [](float x, int64_t) { return geluTanh(x); });
}

static llvm::Error evalCopy(StepTask &task, step::CopyOp op) {
  return unary(task, op, [](float x, int64_t) { return x; });
}

static llvm::Error evalPublish(StepTask &task, step::PublishOp op) {
  if (!task.publishes)
    return llvm::Error::success();
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r) // f32, or i32 as they are
    std::copy_n(src.row<uint32_t>(r), src.columns, dst.row<uint32_t>(r));
  return llvm::Error::success();
}

static llvm::Error evalScale(StepTask &task, step::ScaleOp op) {
  double factor = op.getFactor().convertToDouble();
  return unary(task, op, [&](float x, int64_t) { return factor * x; });
}

static llvm::Error evalScaleBy(StepTask &task, step::ScaleByOp op) {
  auto w = task.vec(op.getWeightAttr());
  if (!w)
    return w.takeError();
  return unary(task, op, [&](float x, int64_t c) { return x * (*w)[static_cast<size_t>(c) % w->size()]; });
}

static llvm::Error evalSoftcap(StepTask &task, step::SoftcapOp op) {
  double cap = op.getCap().convertToDouble();
  return unary(task, op, [&](float x, int64_t) { return cap * std::tanh(x / cap); });
}

static llvm::Error evalNorm(StepTask &task, step::NormOp op) {
  auto w = task.vec(op.getWeightAttr());
  if (!w)
    return w.takeError();
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  int64_t group = static_cast<int64_t>(op.getGroup());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r)
    for (int64_t at = 0; at < src.columns; at += group)
      rmsNormRow(src.row<float>(r) + at, w->empty() ? nullptr : w->data(), op.getOffset().convertToDouble(),
                 op.getEps().convertToDouble(), group, dst.row<float>(r) + at);
  return llvm::Error::success();
}

static llvm::Error evalSoftmax(StepTask &task, step::SoftmaxOp op) {
  BufferView dst = task.view(op.getDst()), src = task.view(op.getSrc());
  for (int64_t r = task.rowBegin; r < task.rowEnd; ++r) {
    std::memmove(dst.row<float>(r), src.row<float>(r), static_cast<size_t>(src.columns) * sizeof(float));
    softmaxRow(dst.row<float>(r), src.columns);
  }
  return llvm::Error::success();
}

void gemmac::addTileElementwiseHandlers(TileHandlerTable &table) {
  table.add<step::AddOp, evalAdd>();
  table.add<step::MulOp, evalMul>();
  table.add<step::GeluOp, evalGelu>();
  table.add<step::CopyOp, evalCopy>();
  table.add<step::PublishOp, evalPublish>();
  table.add<step::ScaleOp, evalScale>();
  table.add<step::ScaleByOp, evalScaleBy>();
  table.add<step::SoftcapOp, evalSoftcap>();
  table.add<step::NormOp, evalNorm>();
  table.add<step::SoftmaxOp, evalSoftmax>();
}
