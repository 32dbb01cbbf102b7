// step.select_top: the largest of all columns that a phase's tasks make. Every worker keeps a list in its
// private memory: columns above the list's threshold are appended, and a list that is full is cut down to the
// k largest, whose smallest is the next threshold. At the end each worker that had tasks puts its list behind
// those of the others, and whoever finishes the last task selects among all lists and sorts what is left.
//
// The order of candidates - larger first, then the lower id - is total, so the k largest are the same set
// however columns are spread over workers. A worker's tasks come in ascending order, hence in a list ids
// ascend: a column equal to the threshold comes after k others and is dropped.
#include "codegen/cpu/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include <limits>

using namespace mlir;

namespace gemmac::cpu {

namespace {

/// Behind the claims in the phase's line of counters, i64: candidates that were handed over, tasks whose
/// candidates were.
constexpr int64_t kHandedOver = 8, kTasksDone = 16;
constexpr double kLowest = -std::numeric_limits<double>::infinity();

/// A list of candidates: values, f32, and ids, i32, each with room for 16 more than it holds. In front lies
/// what a worker knows of its own.
struct Selection {
  enum Field : int64_t { Count = 0, Threshold = 8, TasksDone = 16, LastId = 24, Lists = kAlign };
  Value base, values, ids;

  Selection(Value base, Value values, Value ids) : base(base), values(values), ids(ids) {}

  /// Candidates that a list holds before it is cut: the more, the fewer cuts and the more candidates.
  static int64_t capacity(int64_t k) { return std::max<int64_t>(1024, 4 * k); }
  static int64_t listBytes(int64_t candidates) { return roundUp((candidates + kLanes) * 4, kAlign); }

  Selection(PhaseEmitter &e, step::SelectTopOp op)
      : base(e.extraScratch()), values(e.k.at(base, Lists)),
        ids(e.k.at(values, listBytes(capacity(columnsOf(op))))) {}
  static int64_t columnsOf(step::SelectTopOp op) {
    return cast<MemRefType>(op.getValues().getType()).getShape()[1];
  }
};

int64_t widthOf(step::SelectTopOp op) { return cast<MemRefType>(op.getSrc().getType()).getShape()[1]; }
int64_t tasksOf(step::SelectTopOp op) { return op->getParentOfType<step::PhaseOp>().getCols(); }

/// Most candidates that all workers together hand over: each k, and no more than its tasks had.
int64_t handedOver(step::SelectTopOp op) {
  return tasksOf(op) * std::min(widthOf(op), Selection::columnsOf(op));
}

Value element(KernelBuilder &k, Value list, Value index) { return k.at(list, k.mul(index, 4)); }
Value atomicAdd(KernelBuilder &k, Value to, Value x, LLVM::AtomicOrdering order) {
  return LLVM::AtomicRMWOp::create(k.builder(), k.location(), LLVM::AtomicBinOp::add, to, x, order);
}
Value bitsOf(KernelBuilder &k, Value mask) { return k.bitcast(mask, k.i16()); }
Value countOf(KernelBuilder &k, Value mask) {
  return k.zext(LLVM::CtPopOp::create(k.builder(), k.location(), k.i16(), bitsOf(k, mask)), k.i64());
}
Value above(KernelBuilder &k, Value values, Value bound) {
  return k.fcmp(arith::CmpFPredicate::OGT, values, bound);
}
/// Id of each lane where the first has `first`.
Value idsFrom(KernelBuilder &k, Value first) { return k.add(k.splat(k.trunc(first, k.i32())), k.iota32()); }

/// The lanes of the mask, moved together, behind the first `count` of a list; returns its new length.
Value append(KernelBuilder &k, Value values, Value ids, Value count, Value mask, Value x, Value id) {
  auto together = [&](Value lanes) {
    return k.intrinsic("llvm.experimental.vector.compress", lanes.getType(), {lanes, mask, lanes});
  };
  k.store(together(x), element(k, values, count));
  k.store(together(id), element(k, ids, count));
  return k.add(count, countOf(k, mask));
}

/// How many of the first blocks of a list satisfy `test`, which gets values and ids.
Value countWhere(KernelBuilder &k, Value values, Value ids, Value end,
                 function_ref<Value(Value, Value)> test) {
  Value none = k.cint(k.vec(k.i32()), 0);
  return k.zext(k.sum(k.loop(k.c(0), end, kLanes, ValueRange{none},
                             [&](Value i, ValueRange now) {
                               Value x = k.load(k.vec(k.f32()), element(k, values, i));
                               Value id = k.load(k.vec(k.i32()), element(k, ids, i));
                               return SmallVector<Value>{k.add(now[0], k.zext(test(x, id), none.getType()))};
                             })[0]),
                k.i64());
}

/// The smallest x of [lo, hi], less than 2^32 numbers, for which `low(x)` holds; it holds for hi.
Value bisect(KernelBuilder &k, int64_t lo, int64_t hi, function_ref<Value(Value)> low) {
  return k.loop(k.c(0), k.c(32), 1, ValueRange{k.c(lo), k.c(hi)}, [&](Value, ValueRange now) {
    Value middle = k.sar(k.add(now[0], now[1]), 1), is = low(middle);
    return SmallVector<Value>{k.select(is, now[0], k.add(middle, 1)), k.select(is, middle, now[1])};
  })[1];
}

/// i64 -> f32 that ascends from minus to plus infinity over [-kOrdered - 1, kOrdered].
constexpr int64_t kOrdered = 0x7f800000;
Value fromOrder(KernelBuilder &k, Value order) {
  Value bits = k.trunc(order, k.i32());
  Value flipped = arith::XOrIOp::create(k.builder(), k.location(), bits, k.andi(k.sar(bits, 31), 0x7fffffff));
  return k.bitcast(flipped, k.f32());
}

/// What is taken of a list: values above `bound`, and equal ones of ids up to `lastId`.
struct Cut {
  Value bound, lastId; ///< f32, i64
};

/// The cut that takes the `wanted` largest of `count` candidates, or all of them if there are not as many.
/// Behind the list come 16 values of minus infinity. `memory`: 8 bytes.
Cut findCut(KernelBuilder &k, Value values, Value ids, Value count, Value wanted, Value memory) {
  auto counted = [&](function_ref<Value(Value, Value)> test) {
    return countWhere(k, values, ids, count, test);
  };
  Value order = bisect(k, -kOrdered - 1, kOrdered, [&](Value middle) {
    Value bound = k.splat(fromOrder(k, middle));
    return k.lt(counted([&](Value x, Value) { return above(k, x, bound); }), wanted);
  });
  Value bound = fromOrder(k, order), all = k.splat(bound);
  auto withTies = [&](Value lastId) {
    Value last = k.splat(k.trunc(lastId, k.i32()));
    return counted([&](Value x, Value id) {
      Value tie = k.andi(k.fcmp(arith::CmpFPredicate::OEQ, x, all), k.le(id, last));
      return k.ori(above(k, x, all), tie);
    });
  };
  constexpr int64_t kAllIds = std::numeric_limits<int32_t>::max();
  k.store(k.c(kAllIds), memory);
  k.ifThen(k.lt(wanted, withTies(k.c(kAllIds))), [&] {
    Value lastId = bisect(k, -1, kAllIds, [&](Value middle) { return k.le(wanted, withTies(middle)); });
    k.store(lastId, memory);
  });
  return {bound, k.load(k.i64(), memory)};
}

/// Arguments of keepLargest(): a list and its length, how many are wanted, where they go.
struct KeepArguments {
  Value values, ids, count, wanted, base, outValues, outIds;
};

void keepLargestBody(KernelBuilder &k, const KeepArguments &a) {
  k.store(k.vf(kLowest), element(k, a.values, a.count));
  Cut cut = findCut(k, a.values, a.ids, a.count, a.wanted, k.at(a.base, Selection::LastId));
  Value bound = k.splat(cut.bound), last = k.splat(k.trunc(cut.lastId, k.i32()));
  Value kept = k.loop(k.c(0), a.count, kLanes, ValueRange{k.c(0)}, [&](Value i, ValueRange now) {
    Value x = k.load(k.vec(k.f32()), element(k, a.values, i));
    Value id = k.load(k.vec(k.i32()), element(k, a.ids, i));
    Value tie = k.andi(k.fcmp(arith::CmpFPredicate::OEQ, x, bound), k.le(id, last));
    Value isOne = above(k, x, k.vf(kLowest)); // not of those behind the list
    Value mask = k.andi(k.ori(above(k, x, bound), tie), isOne);
    return SmallVector<Value>{append(k, a.outValues, a.outIds, now[0], mask, x, id)};
  })[0];
  k.store(kept, k.at(a.base, Selection::Count));
  k.store(cut.bound, k.at(a.base, Selection::Threshold));
}

/// The list in its order into `values` and `ids`, `wanted` long: every candidate goes where as many stand as
/// come before it.
void sortBody(KernelBuilder &k, const Selection &list, Value wanted, Value values, Value ids) {
  Value count = k.load(k.i64(), k.at(list.base, Selection::Count));
  k.store(k.vf(kLowest), element(k, list.values, count));
  k.loop(k.c(0), count, 1, [&](Value i) {
    Value x = k.load(k.f32(), element(k, list.values, i)), id = k.load(k.i32(), element(k, list.ids, i));
    Value mine = k.splat(x), myId = k.splat(id);
    Value rank = countWhere(k, list.values, list.ids, count, [&](Value other, Value otherId) {
      Value tie = k.andi(k.fcmp(arith::CmpFPredicate::OEQ, other, mine), k.lt(otherId, myId));
      return k.ori(above(k, other, mine), tie);
    });
    k.store(x, element(k, values, rank));
    k.store(id, element(k, ids, rank));
  });
  k.loop(count, wanted, 1, [&](Value i) {
    k.store(k.cf(k.f32(), kLowest), element(k, values, i));
    k.store(k.cint(k.i32(), -1), element(k, ids, i));
  });
}

void callKeep(PhaseEmitter &e, const Selection &list, Value values, Value ids, Value count, Value wanted) {
  func::CallOp::create(e.k.builder(), e.k.location(), e.library.keepLargest(),
                       ValueRange{values, ids, count, wanted, list.base, list.values, list.ids});
}

} // namespace

func::FuncOp KernelLibrary::keepLargest() {
  return defined("keep_largest", "ppiippp", [](KernelBuilder &k, ValueRange a) {
    keepLargestBody(k, {a[0], a[1], a[2], a[3], a[4], a[5], a[6]});
  });
}

func::FuncOp KernelLibrary::sortSelection() {
  return defined("sort_selection", "pppipp",
                 [](KernelBuilder &k, ValueRange a) { sortBody(k, {a[0], a[1], a[2]}, a[3], a[4], a[5]); });
}

step::SelectTopOp selectionOf(step::PhaseOp phase) {
  auto found = phase.getBody().getOps<step::SelectTopOp>();
  return found.empty() ? step::SelectTopOp() : *found.begin();
}

int64_t selectionScratch(step::SelectTopOp op) {
  return Selection::Lists + 2 * Selection::listBytes(Selection::capacity(Selection::columnsOf(op)));
}

int64_t selectionArena(step::SelectTopOp op) { return 2 * Selection::listBytes(handedOver(op)); }

void beginSelection(PhaseEmitter &e) {
  KernelBuilder &k = e.k;
  Value base = e.extraScratch();
  k.store(k.c(0), k.at(base, Selection::Count));
  k.store(k.cf(k.f32(), kLowest), k.at(base, Selection::Threshold));
  k.store(k.c(0), k.at(base, Selection::TasksDone));
}

void emitOp(PhaseEmitter &e, step::SelectTopOp op) {
  KernelBuilder &k = e.k;
  Selection list(e, op);
  const int64_t width = widthOf(op), columns = op.getColumns(), wanted = Selection::columnsOf(op);
  const bool padded = tasksOf(op) * width > columns;
  Value row = e.rowOf(e.view(op.getSrc()), k.c(0)), firstId = k.mul(e.column, width);
  Value countAt = k.at(list.base, Selection::Count), boundAt = k.at(list.base, Selection::Threshold);
  k.forLanes(width, [&](Lanes lanes) {
    Value x = k.loadLanes(row, lanes), id = idsFrom(k, k.add(firstId, lanes.first));
    Value mask = above(k, x, k.splat(k.load(k.f32(), boundAt)));
    if (lanes.mask)
      mask = k.andi(mask, lanes.mask);
    if (padded)
      mask = k.andi(mask, k.lt(id, k.cint(id.getType(), columns)));
    k.ifThen(k.cmp(arith::CmpIPredicate::ne, bitsOf(k, mask), k.cint(k.i16(), 0)), [&] {
      Value count = append(k, list.values, list.ids, k.load(k.i64(), countAt), mask, x, id);
      k.store(count, countAt);
      k.ifThen(k.lt(k.c(Selection::capacity(wanted) - kLanes), count),
               [&] { callKeep(e, list, list.values, list.ids, count, k.c(wanted)); });
    });
  });
  Value doneAt = k.at(list.base, Selection::TasksDone);
  k.store(k.add(k.load(k.i64(), doneAt), 1), doneAt);
}

void endSelection(PhaseEmitter &e, step::SelectTopOp op, Value counter) {
  KernelBuilder &k = e.k;
  Selection list(e, op);
  const int64_t arena = *op->getParentOfType<step::ProgramOp>().getArenaBytes();
  Value all = k.at(e.stepField(Arena, k.ptr()), roundUp(arena, kAlign));
  Value allIds = k.at(all, Selection::listBytes(handedOver(op))), wanted = k.c(Selection::columnsOf(op));
  Value done = k.load(k.i64(), k.at(list.base, Selection::TasksDone));
  auto own = [&] { return k.load(k.i64(), k.at(list.base, Selection::Count)); };
  k.ifThen(k.lt(k.c(0), done), [&] {
    k.ifThen(k.lt(wanted, own()), [&] { callKeep(e, list, list.values, list.ids, own(), wanted); });
    Value count = own();
    Value at = atomicAdd(k, k.at(counter, kHandedOver), count, LLVM::AtomicOrdering::monotonic);
    k.loop(k.c(0), count, 1, [&](Value i) {
      Value to = k.add(at, i);
      k.store(k.load(k.f32(), element(k, list.values, i)), element(k, all, to));
      k.store(k.load(k.i32(), element(k, list.ids, i)), element(k, allIds, to));
    });
    Value before = atomicAdd(k, k.at(counter, kTasksDone), done, LLVM::AtomicOrdering::acq_rel);
    k.ifThen(k.eq(k.add(before, done), k.c(tasksOf(op))), [&] {
      Value total = k.load(k.i64(), k.at(counter, kHandedOver));
      callKeep(e, list, all, allIds, total, wanted);
      Value values = e.rowOf(e.view(op.getValues()), k.c(0)), ids = e.rowOf(e.view(op.getIds()), k.c(0));
      func::CallOp::create(k.builder(), k.location(), e.library.sortSelection(),
                           ValueRange{list.base, list.values, list.ids, wanted, values, ids});
    });
  });
}

} // namespace gemmac::cpu
