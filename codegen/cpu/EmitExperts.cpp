// A phase of expert_matmul with many rows, and what a task does to its columns behind it. Task by task, an
// expert's weights would be read once for each row that chose it; here they are read once for all of them:
// the rows are listed by expert, a task takes one chosen expert (or some of its columns), gathers the rows
// that chose it and multiplies them together. What follows the product in the phase runs row by row as
// always. Sums are made as for a single row, so the result is the same; bf16t, tiles of a matrix unit, also
// rounds the weights.
#include "codegen/cpu/Experts.h"

#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"
#include "dialect/step/Verify.h"

#include <algorithm>

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// Rows of one expert that are multiplied at once; further ones read its weights again.
constexpr int64_t kRowsAtOnce = 128;
/// With fewer chosen experts than this their columns are cut as well, so that workers have something to
/// share.
constexpr int64_t kShares = 64;

struct ExpertShape {
  ExpertShape(step::ExpertMatmulOp op, const SymbolTable &symbols)
      : op(op), weight(symbols.lookup<step::WeightOp>(op.getWeight())), format(op.getFormat()),
        rows(op->getParentOfType<step::EntryOp>().getRows()), slots(op.getSlots()),
        experts(weight.getExperts()), tile(weight.getTile()), tiles(weight.getN() / weight.getTile()),
        inputs(weight.getK()) {}

  step::ExpertMatmulOp op;
  step::WeightOp weight;
  step::Act format;
  int64_t rows; ///< of the entry
  int64_t slots, experts;
  int64_t tile, tiles; ///< columns of a tile, tiles of an expert
  int64_t inputs;

  bool usesTiles() const { return format == step::Act::BF16T; }
  /// Tasks that share an expert's columns where `chosen` experts are computed.
  int64_t parts(int64_t chosen) const {
    return std::clamp<int64_t>((kShares + chosen - 1) / chosen, 1, tiles);
  }
  // Private memory, one after the other.
  int64_t capacity() const { return std::min(kRowsAtOnce, roundUp(rows, kTileRowGroup)); }
  int64_t chosenAt() const { return roundUp((experts + 1) * 4, kAlign); }
  int64_t pairsAt() const { return chosenAt() + roundUp(experts * 4, kAlign); }
  int64_t actAt() const { return pairsAt() + roundUp(rows * slots * 4, kAlign); }
  int64_t sumsAt() const { return actAt() + capacity() * actRowBytes(format, inputs); }
  int64_t workAt() const { return sumsAt() + capacity() * tile * 4; }
  int64_t bytes() const {
    return workAt() + (usesTiles() ? kTileScratch + capacity() * roundUp(tile, 2 * kPanelRows) * 4 : 0);
  }
};

class ExpertPhase {
public:
  ExpertPhase(PhaseEmitter &e, ExpertShape shape, LogicalResult &result)
      : e(e), k(e.k), shape(shape), result(result), indices(e.view(shape.op.getIndices())) {
    Value scratch = e.extraScratch();
    first = scratch;
    chosen = k.at(scratch, shape.chosenAt());
    pairs = k.at(scratch, shape.pairsAt());
    act = k.at(scratch, shape.actAt());
    sums = k.at(scratch, shape.sumsAt());
    work = k.at(scratch, shape.workAt());
    listRows();
    listExperts();
  }

  Value tasks() { return k.mul(chosenCount, parts); }
  void task(Value task);

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  ExpertShape shape;
  LogicalResult &result;
  View indices;
  Value first;  ///< i32 [experts + 1]: where an expert's pairs start
  Value chosen; ///< i32: the experts that have any, ascending
  Value pairs;  ///< i32: row * slots + slot, by expert, ascending
  Value act, sums, work;
  Value chosenCount, parts; ///< tasks that share an expert's columns

  Value word(Value base, Value index) { return k.at(base, k.mul(index, 4)); }
  Value get(Value base, Value index) { return k.sext(k.load(k.i32(), word(base, index)), k.i64()); }
  void put(Value x, Value base, Value index) { k.store(k.trunc(x, k.i32()), word(base, index)); }
  Value slots() { return k.c(shape.slots); }

  void listRows();
  void listExperts();
  void forPairs(llvm::function_ref<void(Value pair, Value expert)> body);
  void gather(Value from, Value count);
  void multiply(Value expert, Value tile, Value count);
  void finish(Value from, Value tile, Value count);
};

void ExpertPhase::forPairs(llvm::function_ref<void(Value pair, Value expert)> body) {
  k.loop(k.c(0), e.liveRows, 1, [&](Value row) {
    Value chosen = e.rowOf(indices, row);
    k.loop(k.c(0), slots(), 1,
           [&](Value slot) { body(k.add(k.mul(row, shape.slots), slot), get(chosen, slot)); });
  });
}

/// A counting sort. Every worker makes the list for itself: that is cheaper than waiting for one of them.
void ExpertPhase::listRows() {
  Value none = k.cint(k.i32(), 0);
  k.loop(k.c(0), k.c(shape.experts + 1), 1, [&](Value i) { k.store(none, word(first, i)); });
  forPairs([&](Value, Value expert) {
    Value next = k.add(expert, 1);
    put(k.add(get(first, next), 1), first, next);
  });
  k.loop(k.c(1), k.c(shape.experts + 1), 1,
         [&](Value i) { put(k.add(get(first, i), get(first, k.add(i, -1))), first, i); });
  // first[x] moves on to the end of x, which is where x + 1 starts.
  forPairs([&](Value pair, Value expert) {
    Value at = get(first, expert);
    put(pair, pairs, at);
    put(k.add(at, 1), first, expert);
  });
  k.loop(k.c(0), k.c(shape.experts), 1, [&](Value i) {
    Value x = k.sub(k.c(shape.experts), i);
    put(get(first, k.add(x, -1)), first, x);
  });
  k.store(none, first);
}

void ExpertPhase::listExperts() {
  chosenCount = k.loop(k.c(0), k.c(shape.experts), 1, ValueRange{k.c(0)}, [&](Value x, ValueRange count) {
    put(x, chosen, count[0]);
    Value any = k.lt(get(first, x), get(first, k.add(x, 1)));
    return SmallVector<Value>{k.add(count[0], k.zext(any, k.i64()))};
  })[0];
  Value some = k.maxs(chosenCount, k.c(1)); // as ExpertShape::parts()
  Value wanted = k.div(k.add(some, kShares - 1), some);
  parts = k.mins(k.maxs(wanted, k.c(1)), k.c(shape.tiles));
}

/// The packed activations of pairs [from, from + count), one behind the other or in tiles.
void ExpertPhase::gather(Value from, Value count) {
  View source = e.view(shape.op.getAct());
  const int64_t bytes = actRowBytes(expertAct(shape.format), shape.inputs);
  k.loop(k.c(0), count, 1, [&](Value i) {
    Value pair = get(pairs, k.add(from, i));
    Value in = e.rowOf(source, k.div(pair, shape.slots));
    if (shape.op.getActPerSlot())
      in = k.at(in, k.mul(k.rem(pair, shape.slots), bytes));
    if (shape.usesTiles())
      return packTiles(k, act, i, in, paddedK(shape.inputs), shape.capacity());
    Value out = k.at(act, k.mul(i, bytes));
    k.loop(0, bytes, 64, [&](Value at) { k.store(k.load(k.vec(k.f32()), k.at(in, at)), k.at(out, at), 64); });
  });
}

void ExpertPhase::multiply(Value expert, Value tile, Value count) {
  step::WeightOp w = shape.weight;
  Value matrix =
      k.at(e.weight(w.getSymName()).base, k.mul(expert, matrixBytes(w.getFormat(), w.getN(), w.getK())));
  Value panels = k.at(matrix, k.mul(tile, taskBytes(w)));
  const int64_t ld = shape.tile * 4;
  if (!shape.usesTiles())
    return callMatmul(e, w, shape.format, act, actRowBytes(shape.format, w.getK()), panels, sums, ld, count);
  func::CallOp::create(k.builder(), k.location(), e.library.tileMatmul(w.getFormat()),
                       ValueRange{act, k.c(shape.capacity()), panels, sums, k.c(ld), count,
                                  k.c(paddedK(w.getK()) / kSuperblockK), k.c(shape.tile / kPanelRows), work});
}

/// The rest of the phase for pairs [from, from + count), whose sums are there.
void ExpertPhase::finish(Value from, Value tile, Value count) {
  Value dst = shape.op.getDst();
  auto type = cast<MemRefType>(dst.getType());
  const bool own = type.getMemorySpace() && type.getShape()[0] == 1 && !dst.getDefiningOp<step::TileOp>();
  k.loop(k.c(0), count, 1, [&](Value i) {
    Value pair = get(pairs, k.add(from, i)), sum = k.at(sums, k.mul(i, shape.tile * 4));
    e.row = k.div(pair, shape.slots);
    e.column = k.add(k.mul(k.rem(pair, shape.slots), shape.tiles), tile);
    if (own) { // the task's own row: it may as well lie where the sums are
      e.place(dst, sum);
    } else {
      Value out = e.rowOf(e.view(dst), e.row);
      k.forLanes(shape.tile, [&](Lanes lanes) { k.storeLanes(k.loadLanes(sum, lanes), out, lanes); });
    }
    for (Operation &op : e.phase.getBody().front())
      if (!isa<step::ExpertMatmulOp>(op) && succeeded(result))
        result = e.emitOp(op);
  });
  e.row = Value();
}

void ExpertPhase::task(Value task) {
  Value expert = get(chosen, k.div(task, parts)), part = k.rem(task, parts);
  const int64_t tiles = shape.tiles;
  Value firstTile = k.div(k.mul(part, tiles), parts), endTile = k.div(k.mul(k.add(part, 1), tiles), parts);
  Value begin = get(first, expert), end = get(first, k.add(expert, 1));
  k.loop(begin, end, shape.capacity(), [&](Value from) {
    Value count = k.mins(k.c(shape.capacity()), k.sub(end, from));
    gather(from, count);
    k.loop(firstTile, endTile, 1, [&](Value tile) {
      multiply(expert, tile, count);
      finish(from, tile, count);
    });
  });
}

} // namespace

int64_t mostGroupedExpertTasks(step::ExpertMatmulOp op, const SymbolTable &symbols, int64_t rows) {
  const ExpertShape shape(op, symbols);
  const int64_t chosen = std::min(shape.experts, rows * shape.slots);
  return chosen * shape.parts(chosen);
}

int64_t groupedExpertScratch(step::ExpertMatmulOp op, const SymbolTable &symbols) {
  return step::groupedExperts(op->getParentOfType<step::PhaseOp>()) == op ? ExpertShape(op, symbols).bytes()
                                                                          : 0;
}

Tasks groupedExpertTasks(PhaseEmitter &e, step::ExpertMatmulOp op, const SymbolTable &symbols,
                         LogicalResult &result) {
  ExpertShape shape(op, symbols);
  auto phase = std::make_shared<ExpertPhase>(e, shape, result);
  return {phase->tasks(), [phase](Value task) { phase->task(task); }};
}

} // namespace gemmac::cpu
