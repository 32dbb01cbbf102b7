// RoPE: the table of a row's cosines and sines, and the turning of heads by it; gemma4.md (8)-(10).
#include "codegen/cpu/PhaseEmitter.h"
#include "codegen/kernel/Math.h"

using namespace mlir;

namespace gemmac::cpu {

void emitOp(PhaseEmitter &e, step::RopeTableOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst());
  std::string symbol = e.library.table(inverseFrequencies(op));
  Value frequencies = LLVM::AddressOfOp::create(k.builder(), k.location(), k.ptr(), symbol);
  int64_t angles = op.getAngles();
  e.forRows([&](Value row) {
    Value cosines = e.rowOf(to, row), sines = k.at(cosines, angles * 4);
    Value position = k.splat(k.sitofp(e.positionOf(row), k.f32()));
    k.forLanes(angles, [&](Lanes lanes) {
      auto [cosine, sine] = emitCosSin(k, k.fmul(position, k.loadLanes(frequencies, lanes)));
      auto rounded = [&](Value x) { return op.getRound() ? k.bitcast(k.roundBF16Bits(x), x.getType()) : x; };
      k.storeLanes(rounded(cosine), cosines, lanes);
      k.storeLanes(rounded(sine), sines, lanes);
    });
  });
}

// Both halves of a pair are read before either is written: dst may be src.
void emitOp(PhaseEmitter &e, step::RopeOp op) {
  KernelBuilder &k = e.k;
  View to = e.view(op.getDst()), from = e.view(op.getSrc()), table = e.view(op.getTable());
  int64_t half = op.getHeadDim() / 2, angles = op.getAngles(), headBytes = op.getHeadDim() * 4;
  bool inPlace = op.getDst() == op.getSrc();
  e.forRows([&](Value row) {
    Value out = e.rowOf(to, row), in = e.rowOf(from, row), cosines = e.rowOf(table, row);
    Value sines = k.at(cosines, angles * 4);
    k.loop(0, to.width * 4, headBytes, [&](Value head) {
      Value low = k.at(in, head), high = k.at(low, half * 4);
      Value toLow = k.at(out, head), toHigh = k.at(toLow, half * 4);
      k.forLanes(angles, [&](Lanes lanes) {
        Value x = k.loadLanes(low, lanes), y = k.loadLanes(high, lanes);
        Value c = k.loadLanes(cosines, lanes), s = k.loadLanes(sines, lanes);
        k.storeLanes(k.fsub(k.fmul(x, c), k.fmul(y, s)), toLow, lanes);
        k.storeLanes(k.fadd(k.fmul(y, c), k.fmul(x, s)), toHigh, lanes);
      });
      if (inPlace || angles == half)
        return;
      for (auto [source, target] : {std::pair(low, toLow), std::pair(high, toHigh)}) {
        Value rest = k.at(source, angles * 4), toRest = k.at(target, angles * 4);
        k.forLanes(half - angles,
                   [&](Lanes lanes) { k.storeLanes(k.loadLanes(rest, lanes), toRest, lanes); });
      }
    });
  });
}

} // namespace gemmac::cpu
