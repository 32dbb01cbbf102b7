// See AttentionParts.h. The equations are gemma4.md (19); parts are put together as in "Flash-Decoding" (Dao
// et al. 2023): with M the largest maximum, each part counts exp(its maximum - M).
#include "codegen/cuda/AttentionParts.h"

#include "codegen/cuda/HeadView.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/Layout.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

namespace {

/// Of one KV head there are at most so many parts, and none is shorter than so many blocks of 16 positions
/// (unless fewer are seen).
constexpr int64_t kMostParts = 128, kLeastBlocks = 4;
/// Query heads of a KV head that a thread has sums for.
constexpr int64_t kMostGroup = 16;
/// Counters, i32: one for each KV head.
constexpr int64_t kCounterBytes = 1024;

/// Sizes known from the shapes.
struct PartShape {
  int64_t kvHeads, group, dim;
  int64_t mostBlocks; ///< that a row sees

  explicit PartShape(step::AttentionOp op);
  /// Blocks of a part where most are seen.
  int64_t partBlocks() const { return std::max(kLeastBlocks, (mostBlocks + kMostParts - 1) / kMostParts); }
  int64_t mostParts() const { return std::min(kMostParts, (mostBlocks + kLeastBlocks - 1) / kLeastBlocks); }
  /// Of a head's part: dim f32, then its maximum and its sum.
  int64_t resultBytes() const { return roundUp((dim + 2) * 4, kAlign); }
  int64_t bytes() const { return kvHeads * group * mostParts() * resultBytes(); }
  /// f32 that a head has in room(): scores of a part, and then a factor for each part.
  int64_t scores() const { return std::max(partBlocks() * kLanes, roundUp(mostParts(), kLanes)); }
};

PartShape::PartShape(step::AttentionOp op) {
  auto program = op->getParentOfType<step::ProgramOp>();
  auto cache = SymbolTable::lookupNearestSymbolFrom<step::CacheOp>(op, op.getCacheAttr());
  kvHeads = cache.getHeads();
  group = static_cast<int64_t>(op.getHeads()) / kvHeads;
  dim = cache.getHeadDim();
  mostBlocks = scoreBytes(op) / 4 / kLanes;
  mostBlocks = std::min(mostBlocks, roundUp(static_cast<int64_t>(program.getContext()), kLanes) / kLanes);
}

class PartedAttention {
public:
  PartedAttention(PhaseEmitter &e, step::AttentionOp op)
      : e(e), k(e.k), op(op), shape(op), room(e.room(partsRoomBytes(op))), to(e.view(op.getDst())),
        from(e.view(op.getQ())) {
    auto program = op->getParentOfType<step::ProgramOp>();
    counters = k.at(k.load(k.ptr(), k.at(e.gmStep, Arena)),
                    roundUp(static_cast<int64_t>(*program.getArenaBytes()), kAlign));
  }
  void emit();

private:
  PhaseEmitter &e;
  BlockBuilder &k;
  step::AttentionOp op;
  PartShape shape;
  Value room;
  View to, from;
  Value counters;
  Value blocksOfPart, parts; ///< of this step

  Value scoresOf(Value head) { return k.at(room, k.mul(head, shape.scores() * 4)); }
  Value headAt(const View &v, Value kvHead, Value head) {
    return k.at(e.rowOf(v, k.c(0)), k.mul(k.add(k.mul(kvHead, shape.group), head), shape.dim * 4));
  }
  /// What part `part` of query head `head` of KV head `kvHead` has found.
  Value resultAt(Value kvHead, Value head, Value part);
  void doPart(HeadView &view, Value kvHead, Value part);
  void softmax(Value kvHead, Value part, Value positions);
  void sumValues(HeadView &view, Value kvHead, Value part, Value begin, Value end);
  Value isLast(Value kvHead);
  void putTogether(Value kvHead);
  void factors(Value kvHead);
};

Value PartedAttention::resultAt(Value kvHead, Value head, Value part) {
  Value index = k.add(k.mul(k.add(k.mul(kvHead, shape.group), head), shape.mostParts()), part);
  return k.at(counters, k.add(k.mul(index, shape.resultBytes()), kCounterBytes));
}

void PartedAttention::doPart(HeadView &view, Value kvHead, Value part) {
  Value begin = k.add(view.firstBlock, k.mul(part, blocksOfPart));
  Value end = k.mins(k.add(begin, blocksOfPart), view.endBlock), blocks = k.sub(end, begin);
  k.forWarps(k.mul(blocks, shape.group), [&](Value item) {
    Value head = k.rem(item, shape.group), block = k.div(item, shape.group);
    view.scores(headAt(from, kvHead, head), k.add(begin, block), op.getScale().convertToDouble(),
                k.at(scoresOf(head), k.mul(block, kLanes * 4)));
  });
  k.sync();
  softmax(kvHead, part, k.mul(blocks, kLanes));
  k.sync();
  sumValues(view, kvHead, part, begin, end);
}

/// Scores -> exp(score - the part's maximum), by a warp for each head. Of each part the row sees something.
void PartedAttention::softmax(Value kvHead, Value part, Value positions) {
  k.forWarps(k.c(shape.group), [&](Value head) {
    Value scores = scoresOf(head), result = resultAt(kvHead, head, part);
    auto over = [&](double start, function_ref<Value(Value, Value)> f) {
      return k.loop(k.lane(), positions, kWarp, ValueRange{k.cf(k.f32(), start)},
                    [&](Value i, ValueRange now) {
                      return SmallVector<Value>{f(k.at(scores, k.mul(i, 4)), now[0])};
                    })[0];
    };
    Value top = k.warpMax(over(-std::numeric_limits<double>::infinity(),
                               [&](Value at, Value now) { return k.fmax(k.load(k.f32(), at), now); }));
    Value sum = k.warpSum(over(0, [&](Value at, Value now) {
      Value p = emitExp(k, k.fsub(k.load(k.f32(), at), top));
      k.store(p, at);
      return k.fadd(now, p);
    }));
    k.ifThen(k.eq(k.lane(), k.c(0)), [&] {
      k.store(top, k.at(result, shape.dim * 4));
      k.store(sum, k.at(result, shape.dim * 4 + 4));
    });
  });
}

void PartedAttention::sumValues(HeadView &view, Value kvHead, Value part, Value begin, Value end) {
  k.forThreads(k.c(shape.dim), [&](Value d) {
    SmallVector<Value> sums(shape.group, k.cf(k.f32(), 0));
    sums = k.loop(begin, end, 1, sums, [&](Value block, ValueRange now) {
      SmallVector<Value> weights;
      for (int64_t head = 0; head < shape.group; ++head)
        weights.push_back(k.at(scoresOf(k.c(head)), k.mul(k.sub(block, begin), kLanes * 4)));
      return view.addBlock(block, d, weights, now);
    });
    for (int64_t head = 0; head < shape.group; ++head)
      k.store(sums[head], k.at(resultAt(kvHead, k.c(head), part), k.mul(d, 4)));
  });
}

/// i1, uniform: all other parts of `kvHead` are done, and what they found is seen. Its counter is zero again.
Value PartedAttention::isLast(Value kvHead) {
  OpBuilder &b = k.builder();
  k.sync();
  k.once([&] {
    Value counter = k.at(counters, k.mul(kvHead, 4));
    Value before = LLVM::AtomicRMWOp::create(b, k.location(), LLVM::AtomicBinOp::add, counter,
                                             k.cint(k.i32(), 1), LLVM::AtomicOrdering::acq_rel, "device");
    Value last = k.eq(k.sext(before, k.i64()), k.add(parts, -1));
    k.ifThen(last, [&] { k.store(k.cint(k.i32(), 0), counter); });
    k.store(k.zext(last, k.i32()), k.shared(0));
  });
  k.sync();
  return k.cmp(arith::CmpIPredicate::ne, k.load(k.i32(), k.shared(0)), k.cint(k.i32(), 0));
}

/// exp(a part's maximum - the largest) / the sum over all parts, to the scores' place: by a warp for each
/// head.
void PartedAttention::factors(Value kvHead) {
  k.forWarps(k.c(shape.group), [&](Value head) {
    auto found = [&](Value part, int64_t which) {
      return k.load(k.f32(), k.at(resultAt(kvHead, head, part), (shape.dim + which) * 4));
    };
    auto over = [&](double start, function_ref<Value(Value, Value)> f) {
      return k.loop(k.lane(), parts, kWarp, ValueRange{k.cf(k.f32(), start)},
                    [&](Value part, ValueRange now) { return SmallVector<Value>{f(part, now[0])}; })[0];
    };
    Value top = k.warpMax(over(-std::numeric_limits<double>::infinity(),
                               [&](Value part, Value now) { return k.fmax(found(part, 0), now); }));
    auto weight = [&](Value part) { return emitExp(k, k.fsub(found(part, 0), top)); };
    Value sum =
        k.warpSum(over(0, [&](Value part, Value now) { return k.fma(weight(part), found(part, 1), now); }));
    k.loop(k.lane(), parts, kWarp,
           [&](Value part) { k.store(k.fdiv(weight(part), sum), k.at(scoresOf(head), k.mul(part, 4))); });
  });
}

void PartedAttention::putTogether(Value kvHead) {
  factors(kvHead);
  k.sync();
  k.forThreads(k.c(shape.group * shape.dim), [&](Value cell) {
    Value head = k.div(cell, shape.dim), d = k.rem(cell, shape.dim);
    Value sum = k.loop(k.c(0), parts, 1, ValueRange{k.cf(k.f32(), 0)}, [&](Value part, ValueRange now) {
      Value factor = k.load(k.f32(), k.at(scoresOf(head), k.mul(part, 4)));
      Value x = k.load(k.f32(), k.at(resultAt(kvHead, head, part), k.mul(d, 4)));
      return SmallVector<Value>{k.fma(factor, x, now[0])};
    })[0];
    k.store(sum, k.at(headAt(to, kvHead, head), k.mul(d, 4)));
  });
  k.sync(); // before the next part's scores
}

void PartedAttention::emit() {
  HeadView sight(e, op.getCache(), k.c(0), op.getWindow());
  sight.see(k.c(0));
  Value blocks = k.sub(sight.endBlock, sight.firstBlock);
  blocksOfPart = k.maxs(k.div(k.add(blocks, kMostParts - 1), kMostParts), k.c(kLeastBlocks));
  parts = k.div(k.add(k.add(blocks, blocksOfPart), -1), blocksOfPart);
  auto loop =
      scf::ForOp::create(k.builder(), k.location(), k.block(), k.mul(parts, shape.kvHeads), k.blocks());
  OpBuilder::InsertionGuard guard(k.builder());
  k.builder().setInsertionPoint(loop.getBody()->getTerminator());
  Value task = loop.getInductionVar(), kvHead = k.rem(task, shape.kvHeads), part = k.div(task, shape.kvHeads);
  HeadView view(e, op.getCache(), kvHead, op.getWindow());
  view.see(k.c(0));
  doPart(view, kvHead, part);
  k.ifThen(isLast(kvHead), [&] { putTogether(kvHead); });
}

} // namespace

void emitAttentionParts(PhaseEmitter &e, step::AttentionOp op) { PartedAttention(e, op).emit(); }

step::AttentionOp partedAttention(step::PhaseOp phase) {
  const bool single =
      phase.getRows() == step::Rows::Last || cast<step::EntryOp>(phase->getParentOp()).getRows() == 1;
  if (!single || (!phase.getPrologue().empty() && !phase.getPrologue().front().empty()))
    return {};
  Block &body = phase.getBody().front();
  auto op = llvm::hasSingleElement(body) ? dyn_cast<step::AttentionOp>(body.front()) : step::AttentionOp();
  if (!op)
    return {};
  const PartShape shape(op);
  return shape.group <= kMostGroup && shape.kvHeads * 4 <= kCounterBytes ? op : step::AttentionOp();
}

int64_t partsRoomBytes(step::AttentionOp op) {
  const PartShape shape(op);
  return shape.group * shape.scores() * 4;
}

int64_t partsBytes(step::ProgramOp program) {
  int64_t bytes = 0;
  program.walk([&](step::PhaseOp phase) {
    if (step::AttentionOp op = partedAttention(phase))
      bytes = std::max(bytes, kCounterBytes + PartShape(op).bytes());
  });
  return bytes;
}

} // namespace gemmac::cuda
