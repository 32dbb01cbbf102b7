// exp, tanh, GELU, sin and cos as polynomials. See Math.h.
#include "codegen/kernel/Math.h"

#include <cmath>

using namespace mlir;

namespace gemmac::kernel {

/// p[0] + p[1] x + ..., Horner.
static Value polynomial(KernelBuilder &k, Value x, ArrayRef<double> p) {
  Value y = k.cf(x.getType(), p.back());
  for (size_t i = p.size() - 1; i > 0; --i)
    y = k.fma(y, x, k.cf(x.getType(), p[i - 1]));
  return y;
}

// x = n ln2 + r, |r| <= ln2 / 2. n comes from adding 1.5 * 2^23, which leaves it in the low bits: no
// conversion that could meet a NaN or an infinity.
Value emitExp(KernelBuilder &k, Value x) {
  Type type = x.getType(), bits = k.likeLanes(x, k.i32());
  auto less = arith::CmpFPredicate::OLT, more = arith::CmpFPredicate::OGT;
  Value high = k.cf(type, 88.37), low = k.cf(type, -87.3);
  Value tooSmall = k.fcmp(less, x, low);
  Value clamped = k.select(k.fcmp(more, x, high), high, k.select(tooSmall, low, x));
  Value magic = k.cf(type, 12582912.0);
  Value shifted = k.fma(clamped, k.cf(type, 1.44269504088896341), magic);
  Value n = k.fsub(shifted, magic);
  Value r = k.fma(n, k.cf(type, -0.693145751953125), clamped);
  r = k.fma(n, k.cf(type, -1.42860682030941723212e-6), r);
  Value y = polynomial(k, r, {1.0, 1.0, 0.5, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040});
  Value power = k.bitcast(k.add(k.shl(k.bitcast(shifted, bits), 23), 0x3f800000), type);
  return k.select(tooSmall, k.cf(type, 0), k.fmul(y, power));
}

// Below 0.625 an odd polynomial (Cephes tanhf), above 1 - 2 / (e^2|x| + 1) with x's sign.
Value emitTanh(KernelBuilder &k, Value x) {
  Type type = x.getType(), bits = k.likeLanes(x, k.i32());
  Value magnitude = k.fabs(x), square = k.fmul(x, x);
  Value p = polynomial(
      k, square,
      {-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3});
  Value small = k.fma(k.fmul(p, square), x, x);
  Value e = emitExp(k, k.fadd(magnitude, magnitude));
  Value one = k.cf(type, 1.0);
  Value big = k.fsub(one, k.fdiv(k.cf(type, 2.0), k.fadd(e, one)));
  Value sign = k.andi(k.bitcast(x, bits), static_cast<int64_t>(0x80000000));
  big = k.bitcast(k.ori(k.bitcast(big, bits), sign), type);
  return k.select(k.fcmp(arith::CmpFPredicate::OLT, magnitude, k.cf(type, 0.625)), small, big);
}

// 0.5 (1 + tanh u) = 1 / (1 + e^-2u), which keeps its precision where tanh u is near -1.
Value emitGelu(KernelBuilder &k, Value x) {
  Type type = x.getType();
  Value cube = k.fmul(k.fmul(x, x), x);
  Value inner = k.fma(cube, k.cf(type, 0.044715), x);
  Value e = emitExp(k, k.fmul(inner, k.cf(type, -1.5957691216057308))); // -2 sqrt(2 / pi)
  return k.fdiv(x, k.fadd(e, k.cf(type, 1.0)));
}

// angle = q pi/2 + r in f64 (exact to 2^-50 for the angles of RoPE), then Cephes' sinf and cosf on |r| <=
// pi/4.
std::pair<Value, Value> emitCosSin(KernelBuilder &k, Value angle) {
  Type type = angle.getType(), wide = k.likeLanes(angle, k.f64()), bits = k.likeLanes(angle, k.i32());
  Value a = k.extf(angle, wide);
  Value magic = k.cf(wide, 6755399441055744.0); // 1.5 * 2^52
  Value shifted = k.fma(a, k.cf(wide, 0.63661977236758134308), magic);
  Value n = k.fsub(shifted, magic);
  Value r = k.fma(n, k.cf(wide, -1.5707963267948966), a);
  r = k.fma(n, k.cf(wide, -6.123233995736766e-17), r);
  Value quadrant = k.trunc(k.bitcast(shifted, k.likeLanes(angle, k.i64())), bits);
  Value x = k.truncf(r, type), z = k.fmul(x, x);
  Value sine =
      k.fma(k.fmul(polynomial(k, z, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4}), z), x, x);
  Value cosine = polynomial(k, z, {4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5});
  cosine = k.fma(k.fmul(cosine, z), z, k.fma(z, k.cf(type, -0.5), k.cf(type, 1.0)));
  // Quadrant 1: cos = -sin r, sin = cos r; 2: both negated; 3: cos = sin r, sin = -cos r.
  Value swap = k.cmp(arith::CmpIPredicate::ne, k.andi(quadrant, 1), k.cint(bits, 0));
  Value cosBits = k.bitcast(k.select(swap, sine, cosine), bits),
        sinBits = k.bitcast(k.select(swap, cosine, sine), bits);
  auto flip = [&](Value value, Value turn) {
    Value sign = k.shl(k.andi(turn, 2), 30);
    return k.bitcast(arith::XOrIOp::create(k.builder(), k.location(), value, sign), type);
  };
  return {flip(cosBits, k.add(quadrant, 1)), flip(sinBits, quadrant)};
}

std::vector<float> inverseFrequencies(step::RopeTableOp op) {
  std::vector<float> table;
  double theta = op.getTheta().convertToDouble();
  for (int64_t i = 0, n = op.getAngles(); i < n; ++i) {
    float exponent = static_cast<float>(2 * i) / static_cast<float>(op.getHeadDim());
    float power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    table.push_back(1.0f / power / static_cast<float>(op.getFactor().convertToDouble()));
  }
  return table;
}

} // namespace gemmac::kernel
