// Attention of one row, gemma4.md (19): whole (step.attention) or in three phases (qk, softmax, pv). A phase
// that is nothing but attention computes the query heads of a KV head in groups; for a single row it also
// splits the positions it sees, so that there are tasks enough: whoever finishes the last part of a group
// puts the parts together, in their order, so that the result depends neither on who computed what nor on how
// many did.
#include "codegen/cpu/HeadGroup.h"
#include "codegen/kernel/Math.h"
#include "dialect/step/StepAccess.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// Blocks of 16 positions in a part of what a single row sees, about.
constexpr int64_t kPartBlocks = 16;
/// Arrivals are counted in the phase's line of counters, behind the counter of claims: i32, 4 bytes apart.
constexpr int64_t kArrivals = 8, kMostGroups = 14;
constexpr int64_t kMostHeads = 4; ///< of a group

double lowest() { return -std::numeric_limits<double>::infinity(); }

/// Scores of a group's heads in private memory, each `bytes` long.
struct Scores {
  Value base;
  int64_t bytes;
};

/// softmax(q . K) V of the blocks that `group` sees: the sums go to `outs`; divided, or else with the largest
/// score and the sum of exponentials behind them.
void attend(KernelBuilder &k, HeadGroup &group, ArrayRef<Value> q, ArrayRef<Value> outs, Scores scores,
            double scale, bool divide, int64_t dim) {
  const size_t heads = q.size();
  SmallVector<Value> at;
  for (size_t h = 0; h < heads; ++h)
    at.push_back(k.at(scores.base, static_cast<int64_t>(h) * scores.bytes));
  auto score = [&](size_t h, Value block) {
    return k.at(at[h], k.mul(k.sub(block, group.firstBlock), kLanes * 4));
  };
  SmallVector<Value> tops(heads, k.vf(lowest()));
  tops = k.loop(group.firstBlock, group.endBlock, 1, tops, [&](Value block, ValueRange now) {
    SmallVector<Value> s = group.scores(q, block, scale), next;
    for (size_t h = 0; h < heads; ++h) {
      k.store(s[h], score(h, block), 64);
      next.push_back(k.fmax(s[h], now[h]));
    }
    return next;
  });
  SmallVector<Value> divisors;
  for (size_t h = 0; h < heads; ++h) {
    Value top = k.largest(tops[h]), largest = k.splat(top);
    Value total =
        k.loop(group.firstBlock, group.endBlock, 1, ValueRange{k.vf(0)}, [&](Value block, ValueRange now) {
          Value p = emitExp(k, k.fsub(k.load(k.vec(k.f32()), score(h, block), 64), largest));
          k.store(p, score(h, block), 64);
          return SmallVector<Value>{k.fadd(now[0], p)};
        })[0];
    Value sum = k.sum(total);
    if (divide) {
      divisors.push_back(k.splat(sum));
    } else {
      k.store(top, k.at(outs[h], dim * 4));
      k.store(sum, k.at(outs[h], dim * 4 + 4));
    }
  }
  group.accumulate(outs, at, k.mul(group.firstBlock, kLanes), divisors);
}

/// Heads of a group: what the registers hold, but two groups at least.
int64_t groupSize(int64_t heads, int64_t kvHeads, bool wide) {
  int64_t size = wide ? kMostHeads : 1;
  while (heads / kvHeads % size != 0 || (size > 1 && heads / size < 2))
    size /= 2;
  return size;
}

/// Positions whose scores a task of one row may hold at once: of a window that starts in the middle of a
/// block one block more.
int64_t positionsAtOnce(step::ProgramOp program, step::AttentionOp op) {
  const auto context = static_cast<int64_t>(program.getContext());
  const int64_t seen = step::visiblePositions(context, op.getWindow());
  return std::min(roundUp(seen - 1, kLanes) + kLanes, roundUp(context, kLanes));
}

/// What a part leaves behind: sums, largest score, sum of exponentials.
int64_t partBytes(int64_t dim) { return roundUp(dim * 4 + 8, kAlign); }
int64_t mostParts(step::ProgramOp program, step::AttentionOp op) {
  const int64_t blocks = positionsAtOnce(program, op) / kLanes;
  return std::max<int64_t>(1, (blocks + kPartBlocks / 2) / kPartBlocks);
}

/// Of a phase that is nothing but attention: heads of a group.
int64_t groupSize(step::AttentionOp op, step::CacheOp cache, const Target &target) {
  return groupSize(op.getHeads(), cache.getHeads(), target.avx512);
}

/// A phase that is nothing but attention.
class AttentionPhase {
public:
  AttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter)
      : e(e), k(e.k), op(op), cache(e.cache(op.getCache())), counter(counter),
        program(op->getParentOfType<step::ProgramOp>()), dim(cache.op.getHeadDim()), heads(op.getHeads()),
        kvHeads(cache.op.getHeads()), size(groupSize(op, cache.op, k.cpu())), groups(heads / size),
        splits(isSplit(op)) {}

  /// See mostAttentionTasks().
  Value tasks() { return splits ? k.mul(partsOf(), groups) : k.mul(e.liveRows, groups); }
  void task(Value task);

private:
  PhaseEmitter &e;
  KernelBuilder &k;
  step::AttentionOp op;
  CacheView cache;
  Value counter;
  step::ProgramOp program;
  int64_t dim, heads, kvHeads, size, groups;
  bool splits;

  HeadGroup groupOf(Value group, Value row) {
    HeadGroup result(e, cache, k.div(k.mul(group, size), heads / kvHeads), op.getWindow());
    result.see(row);
    return result;
  }
  Value partsOf() {
    HeadGroup group = groupOf(k.c(0), k.c(0));
    Value blocks = k.sub(group.endBlock, group.firstBlock);
    return k.maxs(k.div(k.add(blocks, kPartBlocks / 2), kPartBlocks), k.c(1));
  }
  SmallVector<Value> headsOf(const View &v, Value row, Value group) {
    SmallVector<Value> result;
    for (int64_t h = 0; h < size; ++h)
      result.push_back(k.at(e.rowOf(v, row), k.mul(k.add(k.mul(group, size), h), dim * 4)));
    return result;
  }
  Value partAt(Value head, Value part) {
    Value base = k.at(e.stepField(Arena, k.ptr()), roundUp(*program.getArenaBytes(), kAlign));
    return k.at(base, k.mul(k.add(k.mul(head, mostParts(program, op)), part), partBytes(dim)));
  }
  void merge(Value head, Value parts, Value out);
};

void AttentionPhase::task(Value task) {
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  Value group = k.rem(task, groups), other = k.div(task, groups), row = splits ? k.c(0) : other;
  HeadGroup seen = groupOf(group, row);
  const double scale = op.getScale().convertToDouble();
  Scores scores{e.extraScratch(), positionsAtOnce(program, op) * 4};
  SmallVector<Value> q = headsOf(from, row, group), outs = headsOf(to, row, group);
  if (!splits)
    return attend(k, seen, q, outs, scores, scale, true, dim);
  Value parts = partsOf(), blocks = k.sub(seen.endBlock, seen.firstBlock);
  k.ifElse(
      k.eq(parts, k.c(1)), [&] { attend(k, seen, q, outs, scores, scale, true, dim); },
      [&] {
        auto border = [&](Value part) { return k.add(seen.firstBlock, k.div(k.mul(blocks, part), parts)); };
        HeadGroup mine = groupOf(group, row);
        mine.restrictTo(border(other), border(k.add(other, 1)));
        SmallVector<Value> records;
        for (int64_t h = 0; h < size; ++h)
          records.push_back(partAt(k.add(k.mul(group, size), h), other));
        attend(k, mine, q, records, scores, scale, false, dim);
        Value arrived = LLVM::AtomicRMWOp::create(k.builder(), k.location(), LLVM::AtomicBinOp::add,
                                                  k.at(counter, k.add(k.mul(group, 4), kArrivals)),
                                                  k.cint(k.i32(), 1), LLVM::AtomicOrdering::acq_rel);
        k.ifThen(k.eq(k.add(k.sext(arrived, k.i64()), 1), parts), [&] {
          for (int64_t h = 0; h < size; ++h)
            merge(k.add(k.mul(group, size), h), parts, outs[h]);
        });
      });
}

/// The parts of a head, weighted by e^(their largest score - the largest of all).
void AttentionPhase::merge(Value head, Value parts, Value out) {
  auto number = [&](Value part, int64_t index) {
    return k.splat(k.load(k.f32(), k.at(partAt(head, part), dim * 4 + index * 4)));
  };
  Value top = k.loop(k.c(0), parts, 1, ValueRange{k.vf(lowest())}, [&](Value part, ValueRange now) {
    return SmallVector<Value>{k.fmax(number(part, 0), now[0])};
  })[0];
  Value weights = e.extraScratch();
  auto weightAt = [&](Value part) { return k.at(weights, k.mul(part, 4)); };
  Value total = k.loop(k.c(0), parts, 1, ValueRange{k.vf(0)}, [&](Value part, ValueRange now) {
    Value weight = emitExp(k, k.fsub(number(part, 0), top));
    k.store(k.extract(weight, 0), weightAt(part));
    return SmallVector<Value>{k.fma(weight, number(part, 1), now[0])};
  })[0];
  k.forLanes(dim, [&](Lanes lanes) {
    Value sum = k.loop(k.c(0), parts, 1, ValueRange{k.vf(0)}, [&](Value part, ValueRange now) {
      Value weight = k.splat(k.load(k.f32(), weightAt(part)));
      return SmallVector<Value>{k.fma(weight, k.loadLanes(partAt(head, part), lanes), now[0])};
    })[0];
    k.storeLanes(k.fdiv(sum, total), out, lanes);
  });
}

} // namespace

step::AttentionOp onlyAttention(step::PhaseOp phase) {
  auto isEmpty = [](Region &region) { return region.empty() || region.front().empty(); };
  if (!phase.getByRow() || !isEmpty(phase.getPrologue()) || phase.getRows() != step::Rows::All)
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
  return op->getParentOfType<step::EntryOp>().getRows() == 1 &&
         onlyAttention(op->getParentOfType<step::PhaseOp>()) &&
         static_cast<int64_t>(op.getHeads()) <= kMostGroups;
}

int64_t attentionScratch(step::AttentionOp op) {
  auto program = op->getParentOfType<step::ProgramOp>();
  return std::max(kMostHeads * positionsAtOnce(program, op), mostParts(program, op)) * 4;
}

int64_t attentionParts(step::AttentionOp op, step::CacheOp cache) {
  auto program = op->getParentOfType<step::ProgramOp>();
  return isSplit(op)
             ? static_cast<int64_t>(op.getHeads()) * mostParts(program, op) * partBytes(cache.getHeadDim())
             : 0;
}

int64_t mostAttentionTasks(step::AttentionOp op, step::CacheOp cache, const Target &target, int64_t rows) {
  const int64_t groups = static_cast<int64_t>(op.getHeads()) / groupSize(op, cache, target);
  return groups * (isSplit(op) ? mostParts(op->getParentOfType<step::ProgramOp>(), op) : rows);
}

Tasks emitAttentionPhase(PhaseEmitter &e, step::AttentionOp op, Value counter) {
  auto phase = std::make_shared<AttentionPhase>(e, op, counter);
  return {phase->tasks(), [phase](Value task) { phase->task(task); }};
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
  KernelBuilder &k = e.k;
  CacheView cache = e.cache(op.getCache());
  View to = e.view(op.getDst()), from = e.view(op.getQ());
  const int64_t dim = cache.op.getHeadDim();
  HeadGroup head(e, cache, kvHeadOf(e, cache, op.getHeads()), op.getWindow());
  e.forRows([&](Value row) {
    head.see(row);
    attend(k, head, headOf(e, from, row, dim), headOf(e, to, row, dim), {e.extraScratch(), 0},
           op.getScale().convertToDouble(), true, dim);
  });
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
    head.accumulate(headOf(e, to, row, cache.op.getHeadDim()),
                    headOf(e, from, row, from.width / op.getHeads()), k.c(0), {});
  });
}

} // namespace gemmac::cpu
