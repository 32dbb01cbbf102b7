// Attention of one query head for each row, gemma4.md (19): whole (step.attention) or in three phases (qk,
// softmax, pv). Two passes: all scores, of blocks of 16 positions by warps, then the exact softmax and its
// product with V, of whose positions the threads that have the same column take every n-th.
#include "codegen/cuda/HeadView.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/Layout.h"
#include "dialect/step/StepAccess.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

namespace {

double lowest() { return -std::numeric_limits<double>::infinity(); }

/// The KV head that the task's query head has.
Value kvHeadOf(PhaseEmitter &e, StringRef cache, int64_t heads) {
  return e.k.div(e.column, heads / static_cast<int64_t>(e.cache(cache).op.getHeads()));
}

/// Address of the task's head in a row of heads of `width` columns each.
Value headOf(PhaseEmitter &e, const View &v, Value row, int64_t width) {
  return e.k.at(e.rowOf(v, row), e.k.mul(e.column, width * 4));
}

} // namespace

int64_t scoreBytes(step::AttentionOp op) {
  auto program = op->getParentOfType<step::ProgramOp>();
  const int64_t seen = step::visiblePositions(program.getContext(), op.getWindow());
  // A window that starts in the middle of a block is seen in one block more.
  return (roundUp(seen - 1, kLanes) + 2 * kLanes) * 4;
}

void emitOp(PhaseEmitter &e, step::AttentionOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), kvHeadOf(e, op.getCache(), op.getHeads()), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  Value scores = e.room(scoreBytes(op));
  e.forRows([&](Value row) {
    head.see(row);
    Value q = headOf(e, from, row, head.dim), out = headOf(e, to, row, head.dim);
    Value origin = k.mul(head.firstBlock, kLanes), blocks = k.sub(head.endBlock, head.firstBlock);
    k.forWarps(blocks, [&](Value b) {
      head.scores(q, k.add(head.firstBlock, b), op.getScale().convertToDouble(),
                  k.at(scores, k.mul(b, kLanes * 4)));
    });
    k.sync();
    Value count = k.mul(blocks, kLanes);
    auto each = [&](double start, function_ref<Value(Value, Value)> f) {
      return k.loop(k.thread(), count, kThreads, ValueRange{k.cf(k.f32(), start)},
                    [&](Value i, ValueRange now) {
                      return SmallVector<Value>{f(k.at(scores, k.mul(i, 4)), now[0])};
                    })[0];
    };
    Value top =
        k.blockMax(each(lowest(), [&](Value at, Value now) { return k.fmax(k.load(k.f32(), at), now); }));
    Value total = k.blockSum(each(0, [&](Value at, Value now) {
      Value p = emitExp(k, k.fsub(k.load(k.f32(), at), top));
      k.store(p, at);
      return k.fadd(now, p);
    }));
    head.accumulate(scores, origin, total, out);
    k.sync(); // before the next row's scores
  });
}

void emitOp(PhaseEmitter &e, step::QkOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), kvHeadOf(e, op.getCache(), op.getHeads()), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  const int64_t positions = to.width / op.getHeads();
  e.forRows([&](Value row) {
    head.see(row);
    Value q = headOf(e, from, row, head.dim), out = headOf(e, to, row, positions);
    k.forWarps(k.c(positions / kLanes), [&](Value block) {
      Value there = k.at(out, k.mul(block, kLanes * 4));
      Value seen = k.andi(k.ge(block, head.firstBlock), k.lt(block, head.endBlock)); // uniform over the warp
      k.ifElse(
          seen, [&] { head.scores(q, block, op.getScale().convertToDouble(), there); },
          [&] {
            k.ifThen(k.lt(k.lane(), k.c(kLanes)),
                     [&] { k.store(k.cf(k.f32(), lowest()), k.at(there, k.mul(k.lane(), 4))); });
          });
    });
  });
}

void emitOp(PhaseEmitter &e, step::PvOp op) {
  BlockBuilder &k = e.k;
  HeadView head(e, op.getCache(), kvHeadOf(e, op.getCache(), op.getHeads()), op.getWindow());
  View to = e.view(op.getDst()), from = e.view(op.getP());
  e.forRows([&](Value row) {
    head.see(row);
    head.accumulate(headOf(e, from, row, from.width / op.getHeads()), k.c(0), Value(),
                    headOf(e, to, row, head.dim));
    k.sync();
  });
}

} // namespace gemmac::cuda
