// Attention of one row, gemma4.md (19): whole (step.attention) or in three phases (qk, softmax, pv). What a
// row sees is cut into parts whose borders depend on its position only, and parts are put together in their
// order: one result, whether a task computes all parts of a row (prompts), or parts are tasks of their own
// and whoever finishes the last one of a row's heads puts them together (a single row, so that there are
// tasks enough). A task has all query heads of a KV head, so that the cache is read once, or as many of them
// as the registers hold where that makes too few tasks.
#include "codegen/cpu/HeadGroup.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/StepAccess.h"

#include <algorithm>
#include <limits>

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// Blocks of 16 positions in a part of what a row sees: about, and at most.
constexpr int64_t kPartBlocks = 16, kMostPartBlocks = kPartBlocks + kPartBlocks / 2 - 1;
/// Lines of counters, and arrivals that one counts, i32. A phase's first line counts claims.
constexpr int64_t kLine = 64, kArrivals = kLine / 4;
constexpr int64_t kMostHeads = 4; ///< whose sums the registers hold

double lowest() { return -std::numeric_limits<double>::infinity(); }

/// Blocks that a row may see: of a window that starts in the middle of a block one more.
int64_t mostBlocks(step::ProgramOp program, step::AttentionOp op) {
  const auto context = static_cast<int64_t>(program.getContext());
  const int64_t seen = step::visiblePositions(context, op.getWindow());
  return std::min(roundUp(seen - 1, kLanes) + kLanes, roundUp(context, kLanes)) / kLanes;
}

/// Parts of that many blocks. A row's parts are as equal as blocks allow.
int64_t partsOf(int64_t blocks) { return std::max<int64_t>(1, (blocks + kPartBlocks / 2) / kPartBlocks); }

/// Sizes of a step.attention.
struct AttentionPlan {
  int64_t dim, heads, kvHeads, mostParts, partBlocks;

  AttentionPlan(step::AttentionOp op, step::CacheOp cache)
      : dim(cache.getHeadDim()), heads(op.getHeads()), kvHeads(cache.getHeads()) {
    const int64_t blocks = mostBlocks(op->getParentOfType<step::ProgramOp>(), op);
    mostParts = partsOf(blocks);
    partBlocks = std::min(blocks, kMostPartBlocks);
  }
  int64_t perKv() const { return heads / kvHeads; }
  /// What is left of positions: sums over V, behind them the largest score and the sum of exponentials.
  int64_t recordBytes() const { return roundUp(dim * 4 + 8, kAlign); }

  // Private memory of a task, for each of its heads: scores of a part; the largest so far, by lanes; records
  // of the parts so far and of one more.
  int64_t scoreBytes() const { return partBlocks * kLanes * 4; }
  int64_t tops() const { return perKv() * scoreBytes(); }
  int64_t record(int64_t which) const { return tops() + perKv() * (kLanes * 4 + which * recordBytes()); }
  int64_t scratchBytes() const { return record(2); }
  /// Records of all parts of a row.
  int64_t partsBytes() const { return heads * mostParts * recordBytes(); }
};

/// Attention of one row for query heads of one KV head.
class RowAttention {
public:
  /// Heads [first, first + count), `atOnce` in the registers.
  RowAttention(PhaseEmitter &e, step::AttentionOp op, Value row, Value first, Value count, int64_t atOnce);

  Value parts; ///< how many
  /// What part `index` makes of each head goes to `records`.
  void part(Value index, HeadRows records);
  /// `records` become those of the positions of both: each weighted by e^(its largest score - the larger
  /// one).
  void fold(HeadRows records, HeadRows other);
  /// The result, of the records of all positions.
  void finish(HeadRows records);
  /// All parts in this task.
  void whole();

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  AttentionPlan plan;
  HeadGroup group;
  Value count;
  int64_t atOnce;
  double scale;
  HeadRows q, out, scores, tops;

  HeadRows inScratch(int64_t offset, int64_t bytes) { return {k.at(e.extraScratch(), offset), bytes}; }
  Value border(Value index) {
    Value blocks = k.sub(group.endBlock, group.firstBlock);
    return k.add(group.firstBlock, k.div(k.mul(blocks, index), parts));
  }
  Value number(Value record, int64_t index) { return k.at(record, plan.dim * 4 + index * 4); }
  void score(HeadGroup &mine);
  void exponentials(HeadGroup &mine, Value head, Value record);
};

RowAttention::RowAttention(PhaseEmitter &e, step::AttentionOp op, Value row, Value first, Value count,
                           int64_t atOnce)
    : e(e), k(e.k), plan(op, e.cache(op.getCache()).op),
      group(e, e.cache(op.getCache()), k.div(first, plan.perKv()), op.getWindow()), count(count),
      atOnce(atOnce), scale(op.getScale().convertToDouble()) {
  group.see(row);
  Value blocks = k.sub(group.endBlock, group.firstBlock);
  parts = k.maxs(k.div(k.add(blocks, kPartBlocks / 2), kPartBlocks), k.c(1)); // as partsOf()
  const int64_t bytes = plan.dim * 4;
  q = {k.at(e.rowOf(e.view(op.getQ()), row), k.mul(first, bytes)), bytes};
  out = {k.at(e.rowOf(e.view(op.getDst()), row), k.mul(first, bytes)), bytes};
  scores = inScratch(0, plan.scoreBytes());
  tops = inScratch(plan.tops(), kLanes * 4);
}

/// Scores of the part's positions, and the largest of each lane.
void RowAttention::score(HeadGroup &mine) {
  k.loop(k.c(0), count, 1, [&](Value h) { k.store(k.vf(lowest()), tops.at(k, h), 64); });
  k.loop(mine.firstBlock, mine.endBlock, 1, [&](Value block) {
    Value offset = k.mul(k.sub(block, mine.firstBlock), kLanes * 4);
    k.loop(k.c(0), count, atOnce, [&](Value h) {
      HeadGroup::Values s = mine.scores(q.from(k, h, atOnce), block, scale);
      for (int64_t i = 0; i < atOnce; ++i) {
        Value head = k.add(h, i), top = tops.at(k, head);
        k.store(s[i], k.at(scores.at(k, head), offset), 64);
        k.store(k.fmax(s[i], k.load(k.vec(k.f32()), top, 64)), top, 64);
      }
    });
  });
}

/// Scores of a head become e^(score - the largest of the part).
void RowAttention::exponentials(HeadGroup &mine, Value head, Value record) {
  Value top = k.largest(k.load(k.vec(k.f32()), tops.at(k, head), 64)), largest = k.splat(top);
  Value row = scores.at(k, head), end = k.mul(k.sub(mine.endBlock, mine.firstBlock), kLanes * 4);
  Value total = k.loop(k.c(0), end, kLanes * 4, ValueRange{k.vf(0)}, [&](Value offset, ValueRange now) {
    Value p = emitExp(k, k.fsub(k.load(k.vec(k.f32()), k.at(row, offset), 64), largest));
    k.store(p, k.at(row, offset), 64);
    return SmallVector<Value>{k.fadd(now[0], p)};
  })[0];
  k.store(top, number(record, 0));
  k.store(k.sum(total), number(record, 1));
}

void RowAttention::part(Value index, HeadRows records) {
  HeadGroup mine = group;
  mine.restrictTo(border(index), border(k.add(index, 1)));
  score(mine);
  k.loop(k.c(0), count, 1, [&](Value h) { exponentials(mine, h, records.at(k, h)); });
  mine.accumulate(records, scores, k.mul(mine.firstBlock, kLanes), count, atOnce);
}

void RowAttention::fold(HeadRows records, HeadRows other) {
  k.loop(k.c(0), count, 1, [&](Value h) {
    Value to = records.at(k, h), from = other.at(k, h);
    auto spread = [&](Value record, int64_t index) {
      return k.splat(k.load(k.f32(), number(record, index)));
    };
    Value top = k.fmax(spread(to, 0), spread(from, 0));
    Value mine = emitExp(k, k.fsub(spread(to, 0), top)), its = emitExp(k, k.fsub(spread(from, 0), top));
    auto both = [&](Value x, Value y) { return k.fma(its, y, k.fmul(mine, x)); };
    Value total = both(spread(to, 1), spread(from, 1));
    k.forLanes(plan.dim, [&](Lanes lanes) {
      k.storeLanes(both(k.loadLanes(to, lanes), k.loadLanes(from, lanes)), to, lanes);
    });
    k.store(k.extract(top, 0), number(to, 0));
    k.store(k.extract(total, 0), number(to, 1));
  });
}

void RowAttention::finish(HeadRows records) {
  k.loop(k.c(0), count, 1, [&](Value h) {
    Value record = records.at(k, h), total = k.splat(k.load(k.f32(), number(record, 1)));
    k.forLanes(plan.dim, [&](Lanes lanes) {
      k.storeLanes(k.fdiv(k.loadLanes(record, lanes), total), out.at(k, h), lanes);
    });
  });
}

void RowAttention::whole() {
  HeadRows all = inScratch(plan.record(0), plan.recordBytes()),
           next = inScratch(plan.record(1), plan.recordBytes());
  k.loop(k.c(0), parts, 1, [&](Value index) {
    Value isNext = k.mins(index, k.c(1)); // the first one starts the record of all
    part(index, {k.at(all.base, k.mul(isNext, plan.record(1) - plan.record(0))), all.bytes});
    k.ifThen(k.lt(k.c(0), index), [&] { fold(all, next); });
  });
  finish(all);
}

/// Of `perKv` heads as many as the registers hold sums of.
int64_t headsAtOnce(int64_t perKv, bool wide) {
  int64_t size = wide ? kMostHeads : 1;
  while (perKv % size != 0)
    size /= 2;
  return size;
}

/// A phase that is nothing but attention.
class AttentionPhase {
public:
  AttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter);

  Value tasks; ///< how many
  void task(Value task);

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  step::AttentionOp op;
  AttentionPlan plan;
  int64_t atOnce;
  bool splits;
  Value counter;
  Value count;  ///< heads of a task
  Value groups; ///< tasks of a row, or of a part of one

  HeadRows records(Value firstHead, Value part);
};

AttentionPhase::AttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter)
    : e(e), k(e.k), op(op), plan(op, e.cache(op.getCache()).op),
      atOnce(headsAtOnce(plan.perKv(), k.cpu().avx512)), splits(isSplit(op)), counter(counter) {
  Value others = splits ? RowAttention(e, op, k.c(0), k.c(0), k.c(atOnce), atOnce).parts : Value(e.liveRows);
  Value enough = k.le(e.stepField(Workers, k.i64()), k.mul(others, plan.kvHeads));
  count = k.select(enough, k.c(plan.perKv()), k.c(atOnce));
  groups = k.select(enough, k.c(plan.kvHeads), k.c(plan.heads / atOnce));
  tasks = k.mul(others, groups);
}

/// Where tasks of `part` leave what they make of the heads from `firstHead` on.
HeadRows AttentionPhase::records(Value firstHead, Value part) {
  const auto arena = static_cast<int64_t>(*op->getParentOfType<step::ProgramOp>().getArenaBytes());
  const int64_t headBytes = plan.mostParts * plan.recordBytes();
  Value offset = k.add(k.mul(firstHead, headBytes), k.mul(part, plan.recordBytes()));
  return {k.at(k.at(e.stepField(Arena, k.ptr()), roundUp(arena, kAlign)), offset), headBytes};
}

void AttentionPhase::task(Value task) {
  Value group = k.rem(task, groups), other = k.div(task, groups), first = k.mul(group, count);
  RowAttention row(e, op, splits ? k.c(0) : other, first, count, atOnce);
  if (!splits)
    return row.whole();
  row.part(other, records(first, other));
  Value arrivals = k.at(counter, k.add(k.mul(group, 4), kLine));
  Value arrived = LLVM::AtomicRMWOp::create(k.builder(), k.location(), LLVM::AtomicBinOp::add, arrivals,
                                            k.cint(k.i32(), 1), LLVM::AtomicOrdering::acq_rel);
  k.ifThen(k.eq(k.add(k.sext(arrived, k.i64()), 1), row.parts), [&] {
    HeadRows all = records(first, k.c(0));
    k.loop(k.c(1), row.parts, 1, [&](Value part) { row.fold(all, records(first, part)); });
    row.finish(all);
  });
}

} // namespace

step::AttentionOp onlyAttention(step::PhaseOp phase) {
  auto isEmpty = [](Region &region) { return region.empty() || region.front().empty(); };
  if (!phase.getByRow() || !isEmpty(phase.getPrologue()))
    return {};
  step::AttentionOp attention;
  for (Operation &op : phase.getBody().front()) {
    if (isa<step::TileOp>(op) && op.use_empty())
      continue;
    if (attention || !isa<step::AttentionOp>(op))
      return {};
    attention = cast<step::AttentionOp>(op);
  }
  return attention;
}

bool isSplit(step::AttentionOp op) {
  auto phase = op->getParentOfType<step::PhaseOp>();
  const bool single =
      phase.getRows() == step::Rows::Last || cast<step::EntryOp>(phase->getParentOp()).getRows() == 1;
  return single && onlyAttention(phase);
}

int64_t attentionScratch(step::AttentionOp op, step::CacheOp cache) {
  return AttentionPlan(op, cache).scratchBytes();
}

int64_t attentionParts(step::AttentionOp op, step::CacheOp cache) {
  return isSplit(op) ? AttentionPlan(op, cache).partsBytes() : 0;
}

int64_t arrivalLines(step::AttentionOp op) {
  return isSplit(op) ? roundUp(static_cast<int64_t>(op.getHeads()), kArrivals) / kArrivals : 0;
}

int64_t mostAttentionTasks(step::AttentionOp op, step::CacheOp cache, const Target &target, int64_t rows) {
  const AttentionPlan plan(op, cache);
  return plan.heads / headsAtOnce(plan.perKv(), target.avx512) * (isSplit(op) ? plan.mostParts : rows);
}

Tasks emitAttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter) {
  auto phase = std::make_shared<AttentionPhase>(e, op, counter);
  return {phase->tasks, [phase](Value task) { phase->task(task); }};
}

/// Address of the task's head in a row of heads of `width` columns each.
static Value headOf(PhaseEmitter &e, const View &v, Value row, int64_t width) {
  return e.k.at(e.rowOf(v, row), e.k.mul(e.column, width * 4));
}

/// The KV head that the task's query head reads.
static Value kvHeadOf(PhaseEmitter &e, CacheView cache, int64_t heads) {
  return e.k.div(e.column, heads / static_cast<int64_t>(cache.op.getHeads()));
}

/// Beside other ops in a phase: one head of the task's rows.
void emitOp(PhaseEmitter &e, step::AttentionOp op) {
  e.forRows([&](Value row) { RowAttention(e, op, row, e.column, e.k.c(1), 1).whole(); });
}

void emitOp(PhaseEmitter &e, step::QkOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  int64_t positions = to.width / op.getHeads();
  HeadGroup head(e, cache, kvHeadOf(e, cache, op.getHeads()), op.getWindow());
  double scale = op.getScale().convertToDouble();
  e.forRows([&](Value row) {
    Value q = headOf(e, from, row, cache.op.getHeadDim()), out = headOf(e, to, row, positions);
    head.see(row);
    auto hide = [&](Value block) {
      k.store(k.vf(-std::numeric_limits<double>::infinity()), k.at(out, k.mul(block, kLanes * 4)));
    };
    k.loop(k.c(0), head.firstBlock, 1, hide);
    k.loop(head.firstBlock, head.endBlock, 1, [&](Value block) {
      k.store(head.scores(q, block, scale)[0], k.at(out, k.mul(block, kLanes * 4)));
    });
    k.loop(head.endBlock, k.c(positions / kLanes), 1, hide);
  });
}

void emitOp(PhaseEmitter &e, step::PvOp op) {
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getP());
  HeadGroup head(e, cache, kvHeadOf(e, cache, op.getHeads()), op.getWindow());
  e.forRows([&](Value row) {
    head.see(row);
    head.accumulate({headOf(e, to, row, cache.op.getHeadDim()), 0},
                    {headOf(e, from, row, from.width / op.getHeads()), 0}, k.c(0), k.c(1), 1);
  });
}

} // namespace gemmac::cpu
