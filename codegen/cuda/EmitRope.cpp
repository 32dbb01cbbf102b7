// RoPE: the table of a row's cosines and sines, and the turning of heads by it; gemma4.md (8)-(10).
#include "codegen/cuda/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

using namespace mlir;

namespace gemmac::cuda {

void emitOp(PhaseEmitter &e, step::RopeTableOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst());
  std::string symbol = e.library.table(inverseFrequencies(op));
  Value frequencies = LLVM::AddressOfOp::create(k.builder(), k.location(), k.ptr(), symbol);
  const int64_t angles = op.getAngles();
  e.forCells(angles, [&](Value row, Value i) {
    Value position = k.sitofp(e.positionOf(row), k.f32()), at = k.mul(i, 4), out = e.rowOf(to, row);
    auto [cosine, sine] = emitCosSin(k, k.fmul(position, k.load(k.f32(), k.at(frequencies, at))));
    auto rounded = [&](Value x) { return op.getRound() ? k.bitcast(k.roundBF16Bits(x), k.f32()) : x; };
    k.store(rounded(cosine), k.at(out, at));
    k.store(rounded(sine), k.at(out, k.add(at, angles * 4)));
  });
}

// A thread does both halves of a pair and reads them before it writes either: dst may be src.
void emitOp(PhaseEmitter &e, step::RopeOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc()), table = e.view(op.getTable());
  const int64_t half = op.getHeadDim() / 2, angles = op.getAngles(), heads = to.width / op.getHeadDim();
  e.forCells(heads * half, [&](Value row, Value cell) {
    Value i = k.rem(cell, half), at = k.add(k.mul(k.div(cell, half), op.getHeadDim() * 4), k.mul(i, 4));
    Value low = k.at(e.rowOf(from, row), at), out = k.at(e.rowOf(to, row), at);
    Value x = k.load(k.f32(), low), y = k.load(k.f32(), k.at(low, half * 4));
    auto write = [&](Value first, Value second) {
      k.store(first, out);
      k.store(second, k.at(out, half * 4));
    };
    auto turn = [&] {
      Value cosine = k.at(e.rowOf(table, row), k.mul(i, 4));
      Value c = k.load(k.f32(), cosine), s = k.load(k.f32(), k.at(cosine, angles * 4));
      write(k.fsub(k.fmul(x, c), k.fmul(y, s)), k.fadd(k.fmul(y, c), k.fmul(x, s)));
    };
    if (angles == half)
      return turn();
    k.ifElse(k.lt(i, k.c(angles)), turn, [&] { write(x, y); });
  });
}

} // namespace gemmac::cuda
