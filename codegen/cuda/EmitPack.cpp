// step.pack, step.pack_tile: activations in the form that the products read (dialect/step/Layout.h).
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/ActTiles.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "dialect/step/Verify.h"

using namespace mlir;

namespace gemmac::cuda {

/// 32 inputs, one for each lane, -> group `index` of a packed vector of `inputs` inputs at `out`:
/// q = round(x / scale), scale = max|x| / 127. Rounds by adding 1.5 * 2^23, which leaves the integer in the
/// low bits: what is not a number stays harmless.
static void packGroup(BlockBuilder &k, Value out, Value index, Value x, int64_t inputs) {
  Value zero = k.cf(k.f32(), 0), top = k.warpMax(k.fabs(x));
  Value some = k.fcmp(arith::CmpFPredicate::OGT, top, zero);
  Value inverse = k.select(some, k.fdiv(k.cf(k.f32(), 127.0), top), zero);
  Value bits = k.bitcast(k.fma(x, inverse, k.cf(k.f32(), 12582912.0)), k.i32());
  k.store(k.trunc(bits, k.i8()), k.at(out, k.add(k.mul(index, kScaleGroup), k.lane())));
  Value sum = k.warpSum(k.add(bits, -0x4b400000LL)), word = k.mul(index, 4);
  k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
    k.store(k.fmul(top, k.cf(k.f32(), 1.0 / 127.0)), k.at(out, k.add(word, actScaleOffset(inputs))));
    k.store(sum, k.at(out, k.add(word, actSumOffset(inputs))));
  });
}

/// The same as bf16, in the tiles of a buffer of `rows` rows: inputs [first, first + 32) of `row`.
static void packLine(BlockBuilder &k, Value out, Value row, Value first, Value x, int64_t inputs,
                     int64_t rows) {
  Value line = actTileLine(k, row, first, inputs, rows);
  k.store(k.toBF16(x), k.at(out, k.add(line, k.mul(k.lane(), 2))));
}

void emitOp(PhaseEmitter &e, step::PackTileOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  const step::Place place = step::placeOf(op);
  const int64_t width = from.width, inputs = width * (place.end - place.begin);
  if (op.getAct() == step::Act::BF16T)
    return e.forWarpItems(width / kTileK, [&](Value row, Value g) {
      Value first = k.add(k.mul(e.column, width), k.mul(g, kTileK));
      Value x = k.load(k.f32(), k.at(e.rowOf(from, row), k.mul(k.add(k.mul(g, kTileK), k.lane()), 4)));
      packLine(k, to.base, row, first, x, inputs, step::rowsOf(op.getDst()));
    });
  e.forWarpItems(width / kScaleGroup, [&](Value row, Value g) {
    Value x = k.load(k.f32(), k.at(e.rowOf(from, row), k.mul(k.add(k.mul(g, kScaleGroup), k.lane()), 4)));
    packGroup(k, e.rowOf(to, row), k.add(k.mul(e.column, width / kScaleGroup), g), x, inputs);
  });
}

/// x[i] where i < columns, else 0.
static Value loadOrZero(BlockBuilder &k, Value in, Value i, int64_t columns) {
  Value inside = k.lt(i, k.c(columns));
  Value x = k.load(k.f32(), k.at(in, k.mul(k.select(inside, i, k.c(0)), 4)));
  return k.select(inside, x, k.cf(k.f32(), 0));
}

void emitOp(PhaseEmitter &e, step::PackOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc());
  const int64_t vectors = op.getGroups(), columns = from.width / vectors, packed = to.width / vectors;
  auto source = [&](Value row, Value vector) { return k.at(e.rowOf(from, row), k.mul(vector, columns * 4)); };
  if (op.getAct() == step::Act::BF16T)
    return e.forWarpItems(paddedK(columns) / kTileK, [&](Value row, Value g) {
      Value first = k.mul(g, kTileK);
      Value x = loadOrZero(k, e.rowOf(from, row), k.add(first, k.lane()), columns);
      packLine(k, to.base, row, first, x, columns, step::rowsOf(op.getDst()));
    });
  if (op.getAct() == step::Act::I8) {
    const int64_t groups = paddedK(columns) / kScaleGroup;
    return e.forWarpItems(vectors * groups, [&](Value row, Value item) {
      Value vector = k.div(item, groups), g = k.rem(item, groups);
      Value x = loadOrZero(k, source(row, vector), k.add(k.mul(g, kScaleGroup), k.lane()), columns);
      packGroup(k, k.at(e.rowOf(to, row), k.mul(vector, packed)), g, x, columns);
    });
  }
  const bool round = op.getAct() == step::Act::BF16;
  e.forCells(to.width, [&](Value row, Value cell) {
    Value x = loadOrZero(k, source(row, k.div(cell, packed)), k.rem(cell, packed), columns);
    k.store(round ? k.bitcast(k.roundBF16Bits(x), k.f32()) : x, k.at(e.rowOf(to, row), k.mul(cell, 4)));
  });
}

} // namespace gemmac::cuda
