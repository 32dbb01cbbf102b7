// step.pack: activations in the form that the products read (dialect/step/Layout.h).
#include "codegen/cpu/AmxTiles.h"
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/ActTiles.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "dialect/step/Verify.h"

using namespace mlir;

namespace gemmac::cpu {

/// f32, or f32 rounded to bf16, with zeros up to `padded` columns.
static void packFloats(KernelBuilder &k, Value out, Value in, int64_t columns, int64_t padded, bool round) {
  k.forLanes(columns, [&](Lanes lanes) {
    Value x = k.loadLanes(in, lanes);
    k.storeLanes(round ? k.bitcast(k.roundBF16Bits(x), x.getType()) : x, out, lanes);
  });
  if (padded > columns) {
    Value rest = k.at(out, columns * 4);
    k.forLanes(padded - columns, [&](Lanes lanes) { k.storeLanes(k.vf(0), rest, lanes); });
  }
}

namespace {

/// One vector of `columns` f32 -> int8 with a scale and a sum per 32.
struct PackI8 {
  KernelBuilder &k;
  Value out, in;
  int64_t columns;

  /// Group `group` (i64), whose values begin at `first` of `in`: q = round(x / scale), scale = max|x| / 127;
  /// masks for a group cut short, null if it is whole.
  void group(Value group, Value first, Value maskLow, Value maskHigh);
  void group(Value index, Value maskLow, Value maskHigh) {
    group(index, k.mul(index, kScaleGroup), maskLow, maskHigh);
  }
  void all();
  Value quantize(Value x, Value inverse, Value to);
};

/// Rounds by adding 1.5 * 2^23, which leaves the integer in the low bits: what is not a number stays
/// harmless.
Value PackI8::quantize(Value x, Value inverse, Value to) {
  Value bits = k.bitcast(k.fma(x, inverse, k.vf(12582912.0)), k.vec(k.i32()));
  Value q = k.trunc(bits, k.vec(k.i8()));
  k.store(q, to);
  return k.add(bits, -0x4b400000LL);
}

void PackI8::group(Value group, Value first, Value maskLow, Value maskHigh) {
  Value low = k.loadLanes(in, {first, maskLow}), high = k.loadLanes(in, {k.add(first, kLanes), maskHigh});
  Value top = k.largest(k.fmax(k.fabs(low), k.fabs(high)));
  Value scale = k.fmul(top, k.cf(k.f32(), 1.0 / 127.0));
  Value zero = k.cf(k.f32(), 0);
  Value inverse =
      k.select(k.fcmp(arith::CmpFPredicate::OGT, top, zero), k.fdiv(k.cf(k.f32(), 127.0), top), zero);
  Value spread = k.splat(inverse), to = k.at(out, k.mul(group, kScaleGroup));
  Value sums = k.add(quantize(low, spread, to), quantize(high, spread, k.at(to, kLanes)));
  Value word = k.mul(group, 4);
  k.store(scale, k.at(out, k.add(word, actScaleOffset(columns))));
  k.store(k.sum(sums), k.at(out, k.add(word, actSumOffset(columns))));
}

void PackI8::all() {
  int64_t groups = paddedK(columns) / kScaleGroup, whole = columns / kScaleGroup,
          rest = columns % kScaleGroup;
  if (whole > 0)
    k.loop(0, whole, 1, [&](Value g) { group(g, Value(), Value()); });
  if (rest > 0) {
    Value low = rest < kLanes ? k.firstLanes(rest) : Value();
    group(k.c(whole), low, k.firstLanes(rest > kLanes ? rest - kLanes : 0));
    ++whole;
  }
  for (; whole < groups; ++whole) { // at most one: padding from 32 to 64
    for (int64_t half = 0; half < 2; ++half)
      k.store(k.cint(k.vec(k.i8()), 0), k.at(out, whole * kScaleGroup + half * kLanes));
    k.store(k.cf(k.f32(), 0), k.at(out, actScaleOffset(columns) + whole * 4));
    k.store(k.cint(k.i32(), 0), k.at(out, actSumOffset(columns) + whole * 4));
  }
}

} // namespace

void packTiles(KernelBuilder &k, Value out, Value row, Value in, int64_t columns, int64_t rows) {
  // Inputs [first + 16 half, ..) of the row; those beyond its end are zero.
  auto sixteen = [&](Value first, int64_t there) -> Value {
    if (there <= 0)
      return k.vf(0);
    return k.loadLanes(in, {first, there < kLanes ? k.firstLanes(there) : Value()});
  };
  auto line = [&](Value first, int64_t there) {
    Value low = sixteen(first, there), high = sixteen(k.add(first, kLanes), there - kLanes);
    k.store(AmxTiles(k).narrow(low, high), k.at(out, actTileLine(k, row, first, columns, rows)), 64);
  };
  const int64_t whole = columns / kTileK;
  if (whole > 0)
    k.loop(0, whole, 1, [&](Value t) { line(k.mul(t, kTileK), kTileK); });
  for (int64_t first = whole * kTileK; first < paddedK(columns); first += kTileK)
    line(k.c(first), columns - first);
}

/// Inputs [column * width, ..) of a row of k inputs -> their tiles. `in`: the first of them.
static void packTilesOf(KernelBuilder &k, Value out, Value row, Value in, Value column, int64_t width,
                        int64_t inputs, int64_t rows) {
  for (int64_t i = 0; i < width; i += kTileK) {
    Value to = actTileLine(k, row, k.add(k.mul(column, width), i), inputs, rows);
    auto half = [&](int64_t at) { return k.load(k.vec(k.f32()), k.at(in, (i + at) * 4)); };
    k.store(AmxTiles(k).narrow(half(0), half(kLanes)), k.at(out, to), 64);
  }
}

void emitOp(PhaseEmitter &e, step::PackTileOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  const step::Place place = step::placeOf(op);
  const int64_t width = from.width, inputs = width * (place.end - place.begin);
  e.forRows([&](Value row) {
    Value in = e.rowOf(from, row);
    if (op.getAct() == step::Act::BF16T)
      return packTilesOf(k, to.base, row, in, e.column, width, inputs, step::rowsOf(op.getDst()));
    Value first = k.mul(e.column, width / kScaleGroup);
    PackI8 pack{k, e.rowOf(to, row), in, inputs};
    k.loop(0, width / kScaleGroup, 1,
           [&](Value g) { pack.group(k.add(first, g), k.mul(g, kScaleGroup), Value(), Value()); });
  });
}

void emitOp(PhaseEmitter &e, step::PackOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  if (op.getAct() == step::Act::BF16T) {
    const int64_t rows = step::rowsOf(op.getDst());
    return e.forRows([&](Value row) { packTiles(k, to.base, row, e.rowOf(from, row), from.width, rows); });
  }
  int64_t groups = op.getGroups(), columns = from.width / groups, padded = to.width / groups;
  bool bytes = op.getAct() == step::Act::I8;
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, row);
    auto one = [&](Value target, Value source) {
      if (bytes)
        PackI8{k, target, source, columns}.all();
      else
        packFloats(k, target, source, columns, padded, op.getAct() == step::Act::BF16);
    };
    if (groups == 1)
      return one(out, in);
    k.loop(0, groups, 1, [&](Value g) {
      one(k.at(out, k.mul(g, padded * (bytes ? 1 : 4))), k.at(in, k.mul(g, columns * 4)));
    });
  });
}

} // namespace gemmac::cpu
