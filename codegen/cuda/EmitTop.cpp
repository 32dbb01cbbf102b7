// step.select_top: the largest of all columns that a phase's tasks make, by all blocks of the grid together.
// A task writes its columns to memory. Then the k-th largest is found by its digits, the highest first
// ("radix select"): blocks count how many columns have each digit behind the digits that are known, and
// whoever reads the counts knows the next one. What is not below it is collected, and one block puts it in
// order.
//
// A column's key is its value, as an integer of the same order, and below that its id, so that lower ids are
// larger: no two are equal, exactly k columns are chosen, and the result does not depend on who counted what.
// Most selections know enough after the value's digits.
#include "codegen/cuda/AttentionParts.h"
#include "codegen/cuda/PhaseEmitter.h"
#include "dialect/step/Layout.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace gemmac::cuda {

namespace {

constexpr int64_t kValueBits = 32, kMostDigit = 11;
/// Counters of a digit's values fit where partial results are kept.
static_assert((4 << kMostDigit) <= kPartialBytes);

/// Where digits lie in a key.
struct Digit {
  int64_t shift, width;
};

/// Sizes, and what lies behind the arena.
struct TopShape {
  int64_t columns, k, width;

  explicit TopShape(step::SelectTopOp op)
      : columns(op.getColumns()), k(cast<MemRefType>(op.getValues().getType()).getShape()[1]),
        width(cast<MemRefType>(op.getSrc().getType()).getShape()[1]) {}
  int64_t idBits() const { return std::max<int64_t>(1, llvm::Log2_64_Ceil(columns)); }

  /// The highest first.
  SmallVector<Digit> digits() const {
    SmallVector<Digit> all;
    int64_t top = kValueBits + idBits();
    for (int64_t bits : {kValueBits, idBits()}) {
      const int64_t count = (bits + kMostDigit - 1) / kMostDigit;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t width = (bits + count - 1 - i) / count;
        top -= width;
        all.push_back({top, width});
      }
    }
    return all;
  }

  // Zero when no step runs: how many columns have which digit, how many were collected.
  int64_t countsAt(int64_t digit) const { return digit * (4 << kMostDigit); }
  int64_t collectedCountAt() const { return countsAt(static_cast<int64_t>(digits().size())); }
  int64_t zeroBytes() const { return collectedCountAt() + kAlign; }
  int64_t collectedAt() const { return zeroBytes(); }
  int64_t columnsAt() const { return collectedAt() + roundUp(k * 8, kAlign); }
  int64_t bytes() const { return columnsAt() + roundUp(columns * 4, kAlign); }
};

class TopSelection {
public:
  TopSelection(PhaseEmitter &e, step::SelectTopOp op) : e(e), k(e.k), op(op), shape(op) {
    auto program = op->getParentOfType<step::ProgramOp>();
    base = k.at(k.load(k.ptr(), k.at(e.gmStep, Arena)), topAt(program));
  }

  void keepColumns();
  void select();

private:
  PhaseEmitter &e;
  BlockBuilder &k;
  step::SelectTopOp op;
  TopShape shape;
  Value base;

  static_assert(kWarps * 8 <= 64, "the sums of warps are in front");
  /// What the block knows, i64 in shared memory: digits so far, columns still to be found with the next ones,
  /// whether enough is known, and the least key that is chosen.
  enum Known : int64_t { Prefix = 64, Need = 72, Enough = 80, Bound = 88 };
  static_assert(Bound + 8 <= kReductionBytes);

  Value known(Known field) { return k.load(k.i64(), k.shared(field)); }
  void setKnown(Known field, Value x) { k.store(x, k.shared(field)); }
  Value isZero(Value x) { return k.eq(x, k.cint(x.getType(), 0)); }
  Value countAt(Value counts, Value index) { return k.at(counts, k.mul(index, 4)); }
  Value addTo(Value address, Value x, StringRef scope) {
    return LLVM::AtomicRMWOp::create(k.builder(), k.location(), LLVM::AtomicBinOp::add, address, x,
                                     LLVM::AtomicOrdering::monotonic, scope);
  }
  void meet();
  void forColumns(function_ref<void(Value)> body);
  Value keyOf(Value column);
  void findDigit(int64_t index, Digit digit);
  void count(Value counts, Digit digit);
  void readDigit(Value counts, Digit digit, bool first);
  void collect();
  void order();
};

void TopSelection::keepColumns() {
  View from = e.view(op.getSrc());
  Value first = k.mul(e.column, shape.width);
  k.forThreads(shape.width, [&](Value i) {
    Value id = k.add(first, i);
    k.ifThen(k.lt(id, k.c(shape.columns)), [&] {
      k.store(k.load(k.f32(), k.at(from.base, k.mul(i, 4))),
              k.at(base, k.add(k.mul(id, 4), shape.columnsAt())));
    });
  });
}

void TopSelection::meet() {
  func::CallOp::create(k.builder(), k.location(), e.library.gridMeeting(), ValueRange{e.gmStep, e.counter});
}

/// body(id) for all columns, spread over the grid.
void TopSelection::forColumns(function_ref<void(Value)> body) {
  Value first = k.add(k.mul(k.block(), kThreads), k.thread());
  auto loop =
      scf::ForOp::create(k.builder(), k.location(), first, k.c(shape.columns), k.mul(k.blocks(), kThreads));
  OpBuilder::InsertionGuard guard(k.builder());
  k.builder().setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

/// 0 of what is never taken: NaN and minus infinity.
Value TopSelection::keyOf(Value column) {
  Value x = k.load(k.f32(), k.at(base, k.add(k.mul(column, 4), shape.columnsAt())));
  Value counts =
      k.fcmp(arith::CmpFPredicate::OGT, x, k.cf(k.f32(), -std::numeric_limits<double>::infinity()));
  Value noSign = k.select(k.fcmp(arith::CmpFPredicate::OEQ, x, k.cf(k.f32(), 0)), k.cf(k.f32(), 0), x);
  Value bits = k.bitcast(noSign, k.i32());
  // Negative numbers in reverse, positive ones above them.
  Value flip = k.ori(k.sar(bits, 31), k.cint(k.i32(), std::numeric_limits<int32_t>::min()));
  Value ordered = k.zext(arith::XOrIOp::create(k.builder(), k.location(), bits, flip), k.i64());
  Value id = k.sub(k.c((int64_t(1) << shape.idBits()) - 1), column);
  return k.select(counts, k.ori(k.shl(ordered, shape.idBits()), id), k.c(0));
}

/// How many columns have which value of the digit behind the known ones, of all blocks.
void TopSelection::count(Value counts, Digit digit) {
  const int64_t values = int64_t(1) << digit.width;
  Value mine = k.shared(kReductionBytes), prefix = known(Prefix);
  k.forThreads(k.c(values), [&](Value i) { k.store(k.cint(k.i32(), 0), countAt(mine, i)); });
  k.sync();
  forColumns([&](Value column) {
    Value key = keyOf(column);
    Value behind = k.andi(k.eq(k.shr(key, digit.shift + digit.width), prefix),
                          k.cmp(arith::CmpIPredicate::ne, key, k.c(0)));
    k.ifThen(behind, [&] {
      addTo(countAt(mine, k.andi(k.shr(key, digit.shift), values - 1)), k.cint(k.i32(), 1), "block");
    });
  });
  k.sync();
  k.forThreads(k.c(values), [&](Value i) {
    Value some = k.load(k.i32(), countAt(mine, i));
    k.ifThen(k.cmp(arith::CmpIPredicate::ne, some, k.cint(k.i32(), 0)),
             [&] { addTo(countAt(counts, i), some, "device"); });
  });
}

/// The value of the digit at which the columns above are fewer than needed, and with it no longer: every
/// thread has some values, the first the largest. `first`: there may be fewer columns than are needed at all.
void TopSelection::readDigit(Value counts, Digit digit, bool first) {
  const int64_t values = int64_t(1) << digit.width, each = std::max<int64_t>(1, values / kThreads);
  Value sums = k.shared(kReductionBytes), need = known(Need), prefix = known(Prefix);
  Value top = k.sub(k.c(values - 1), k.mul(k.thread(), each));
  Value some = k.ge(top, k.c(0)); // fewer values than threads
  SmallVector<Value> mine;
  Value sum = k.c(0);
  for (int64_t i = 0; i < each; ++i) {
    Value index = k.maxs(k.add(top, -i), k.c(0));
    Value here = k.zext(k.load(k.i32(), countAt(counts, index)), k.i64());
    mine.push_back(k.select(some, here, k.c(0)));
    sum = k.add(sum, mine.back());
  }
  k.sync(); // the block's own counts have been read
  k.store(sum, k.at(sums, k.mul(k.thread(), 8)));
  Value ofWarp = k.zext(k.warpSum(k.trunc(sum, k.i32())), k.i64());
  k.ifThen(isZero(k.lane()), [&] { k.store(ofWarp, k.at(k.shared(0), k.mul(k.warp(), 8))); });
  k.sync();
  Value before = k.c(0);
  auto addAll = [&](Value from, Value to, Value base) {
    before = k.loop(from, to, 1, ValueRange{before}, [&](Value i, ValueRange now) {
      return SmallVector<Value>{k.add(now[0], k.load(k.i64(), k.at(base, k.mul(i, 8))))};
    })[0];
  };
  addAll(k.c(0), k.warp(), k.shared(0));
  addAll(k.mul(k.warp(), kWarp), k.thread(), sums);
  k.sync(); // `need` and the sums have been read
  for (int64_t i = 0; i < each; ++i) {
    Value after = k.add(before, mine[i]);
    k.ifThen(k.andi(k.lt(before, need), k.ge(after, need)), [&] {
      Value now = k.ori(k.shl(prefix, digit.width), k.add(top, -i));
      Value left = k.sub(need, before);
      setKnown(Prefix, now);
      setKnown(Need, left);
      setKnown(Bound, k.shl(now, digit.shift));
      setKnown(Enough, k.zext(k.eq(left, mine[i]), k.i64()));
    });
    before = after;
  }
  if (first)
    k.ifThen(k.andi(k.eq(k.thread(), k.c(kThreads - 1)), k.lt(before, need)), [&] {
      setKnown(Bound, k.c(1));
      setKnown(Enough, k.c(1));
    });
  k.sync();
}

void TopSelection::findDigit(int64_t index, Digit digit) {
  Value counts = k.at(base, shape.countsAt(index));
  count(counts, digit);
  meet();
  readDigit(counts, digit, index == 0);
}

void TopSelection::collect() {
  Value bound = known(Bound);
  forColumns([&](Value column) {
    Value key = keyOf(column);
    k.ifThen(k.ge(key, bound), [&] {
      Value place =
          k.zext(addTo(k.at(base, shape.collectedCountAt()), k.cint(k.i32(), 1), "device"), k.i64());
      k.store(key, k.at(base, k.add(k.mul(place, 8), shape.collectedAt())));
    });
  });
}

/// A column's place is the number of those above it.
void TopSelection::order() {
  Value values = e.view(op.getValues()).base, ids = e.view(op.getIds()).base;
  Value collected = k.at(base, shape.collectedAt());
  Value count = k.zext(k.load(k.i32(), k.at(base, shape.collectedCountAt())), k.i64());
  auto keyAt = [&](Value i) { return k.load(k.i64(), k.at(collected, k.mul(i, 8))); };
  k.forThreads(k.c(shape.k), [&](Value i) {
    k.ifElse(
        k.lt(i, count),
        [&] {
          Value key = keyAt(i);
          Value place = k.loop(k.c(0), count, 1, ValueRange{k.c(0)}, [&](Value other, ValueRange now) {
            return SmallVector<Value>{k.add(now[0], k.zext(k.lt(key, keyAt(other)), k.i64()))};
          })[0];
          Value ordered = k.trunc(k.shr(key, shape.idBits()), k.i32());
          Value flip =
              k.ori(k.xori(k.sar(ordered, 31), -1), k.cint(k.i32(), std::numeric_limits<int32_t>::min()));
          Value bits = arith::XOrIOp::create(k.builder(), k.location(), ordered, flip);
          const int64_t mask = (int64_t(1) << shape.idBits()) - 1;
          k.store(k.bitcast(bits, k.f32()), k.at(values, k.mul(place, 4)));
          k.store(k.trunc(k.sub(k.c(mask), k.andi(key, mask)), k.i32()), k.at(ids, k.mul(place, 4)));
        },
        [&] {
          k.store(k.cf(k.f32(), -std::numeric_limits<double>::infinity()), k.at(values, k.mul(i, 4)));
          k.store(k.cint(k.i32(), -1), k.at(ids, k.mul(i, 4)));
        });
  });
  k.sync(); // the count has been read
  k.forThreads(k.c(shape.zeroBytes() / 16),
               [&](Value i) { k.store(k.cint(k.vec(k.i32(), 4), 0), k.at(base, k.mul(i, 16)), 16); });
}

void TopSelection::select() {
  meet(); // all columns are there
  k.once([&] {
    setKnown(Prefix, k.c(0));
    setKnown(Need, k.c(shape.k));
    setKnown(Enough, k.c(0));
  });
  k.sync();
  for (auto [index, digit] : llvm::enumerate(shape.digits()))
    k.ifThen(isZero(known(Enough)), [&] { findDigit(static_cast<int64_t>(index), digit); });
  collect();
  meet();
  k.ifThen(isZero(k.block()), [&] { order(); });
}

} // namespace

void emitOp(PhaseEmitter &e, step::SelectTopOp op) { TopSelection(e, op).keepColumns(); }

void emitSelection(PhaseEmitter &e, step::SelectTopOp op) { TopSelection(e, op).select(); }

step::SelectTopOp selectTopOf(step::PhaseOp phase) {
  for (auto op : phase.getBody().getOps<step::SelectTopOp>())
    return op;
  return {};
}

int64_t topAt(step::ProgramOp program) {
  return roundUp(static_cast<int64_t>(*program.getArenaBytes()), kAlign) + partsBytes(program);
}

int64_t topBytes(step::ProgramOp program) {
  int64_t bytes = 0;
  program.walk([&](step::SelectTopOp op) { bytes = std::max(bytes, TopShape(op).bytes()); });
  return bytes;
}

} // namespace gemmac::cuda
