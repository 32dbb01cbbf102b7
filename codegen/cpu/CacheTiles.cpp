// See CacheTiles.h; the layout of the cache is in docs/architecture.md.
#include "codegen/cpu/CacheTiles.h"

#include "codegen/kernel/PanelReader.h"

using namespace mlir;

namespace gemmac::cpu {

using P = arith::CmpFPredicate;

void CacheTiles::keys(Value key, Value t, Value to) {
  constexpr int64_t kWord = 4, kAligned = 32; // inputs side by side; a block is a multiple of 17 * 32 bytes
  PanelReader reader(k, step::Format::Q8P16); // whose words are those of a block of keys
  for (int64_t p = 0; p < 2; ++p) {
    Value block = k.at(key, p * layout.keyBlockBytes()), tile = k.at(to, p * kTileBytes);
    Value codes = k.at(block, k.mul(t, kTileK * kLanes));
    Value scales = k.at(block, k.add(k.mul(t, kLanes * 2), layout.keyScales()));
    Value scale = k.extf(k.load(k.vec(k.f16()), scales, kAligned), k.vec(k.f32()));
    for (int64_t word = 0; word < kTileK / kWord; ++word) {
      Value four = k.load(k.vec(k.i32()), k.at(codes, word * kLanes * kWord), kAligned);
      auto input = [&](int64_t i) { return k.fmul(reader.code(four, Value(), i, Value()), scale); };
      for (int64_t i = 0; i < kWord; i += 2)
        k.store(tiles.pairs(input(i), input(i + 1)), k.at(tile, (word * kWord + i) / 2 * 64), 64);
    }
  }
}

void CacheTiles::values(Value values, Value slot, Value d, Value to) {
  Value codes = k.at(values, k.add(k.mul(slot, layout.dim), k.mul(d, kTileK)));
  Value scales = k.at(valueScales(values, slot), k.mul(d, 2));
  auto scaleOf = [&](int64_t j) {
    Value scale = k.extf(k.load(k.f16(), k.at(scales, j * groups * 2)), k.f32());
    return k.splat(k.select(k.fcmp(P::ORD, scale, scale), scale, k.cf(k.f32(), 0)));
  };
  auto columns = [&](int64_t j, int64_t half) {
    Value code = k.load(k.vec(k.i8()), k.at(codes, j * layout.dim + half * kLanes), 16);
    return k.sitofp(k.sext(code, k.vec(k.i32())), k.vec(k.f32()));
  };
  for (int64_t j = 0; j < kTileK; j += 2) {
    Value even = scaleOf(j), odd = scaleOf(j + 1);
    for (int64_t half = 0; half < 2; ++half) {
      Value pairs = tiles.pairs(k.fmul(columns(j, half), even), k.fmul(columns(j + 1, half), odd));
      k.store(pairs, k.at(to, half * kTileBytes + j / 2 * 64), 64);
    }
  }
}

void CacheTiles::spoilScores(Value values, Value slot, Value scores, int64_t ld) {
  Value scales = valueScales(values, slot), zero = k.cf(k.f32(), 0);
  // x - x is 0, or NaN: first of all positions together, since there is hardly ever one.
  Value all = k.vf(0);
  for (int64_t i = 0; i < kTileK * groups / kLanes; ++i) {
    Value some = k.extf(k.load(k.vec(k.f16()), k.at(scales, i * kLanes * 2), 32), k.vec(k.f32()));
    all = k.fadd(all, k.fsub(some, some));
  }
  Value any = k.sum(all);
  k.ifThen(k.fcmp(P::UNO, any, any), [&] {
    k.loop(0, kTileK, 1, [&](Value j) {
      Value own = k.loop(k.c(0), k.c(groups), 1, ValueRange{zero}, [&](Value g, ValueRange now) {
        Value at = k.at(scales, k.mul(k.add(k.mul(j, groups), g), 2));
        Value scale = k.extf(k.load(k.f16(), at), k.f32());
        return SmallVector<Value>{k.fadd(now[0], k.fsub(scale, scale))};
      })[0];
      k.loop(0, kTileRowGroup, 1, [&](Value i) {
        Value at = k.at(scores, k.add(k.mul(i, ld), k.mul(j, 4)));
        k.store(k.fadd(k.load(k.f32(), at), own), at);
      });
    });
  });
}

} // namespace gemmac::cpu
