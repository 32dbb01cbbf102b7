// rope. Angles in double: what gemma4.md (10) tends to when nothing is rounded on the way.
#include "dialect/interp/Evaluation.h"

#include <cmath>

using namespace gemmac;

double gemmac::ropeAngle(double pos, double factor, double theta, int64_t j, int64_t headDim) {
  return pos / factor * std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(headDim));
}

void gemmac::rotatePair(const float *x, float *out, int64_t j, int64_t headDim, double angle) {
  int64_t other = j + headDim / 2;
  double cosine = std::cos(angle), sine = std::sin(angle), a = x[j], b = x[other];
  out[j] = static_cast<float>(a * cosine - b * sine);
  out[other] = static_cast<float>(b * cosine + a * sine);
}

static llvm::Error evalRope(Evaluation &e, gemma::RopeOp op) {
  const Tensor &x = e.get(op.getX()), &pos = e.get(op.getPos());
  int64_t headDim = static_cast<int64_t>(op.getHeadDim()), angles = static_cast<int64_t>(op.getAngles());
  double theta = op.getTheta().convertToDouble(), factor = op.getFactor().convertToDouble();
  Tensor y = x;
  for (int64_t r = 0; r < x.rows(); ++r)
    for (int64_t j = 0; j < angles; ++j) {
      double angle = ropeAngle(pos.i32[static_cast<size_t>(r)], factor, theta, j, headDim);
      for (int64_t head = 0; head < x.columns(); head += headDim)
        rotatePair(x.row(r) + head, y.row(r) + head, j, headDim, angle);
    }
  e.set(op.getResult(), std::move(y));
  return llvm::Error::success();
}

void gemmac::addRopeHandlers(HandlerTable &table) { table.add<gemma::RopeOp, evalRope>(); }
