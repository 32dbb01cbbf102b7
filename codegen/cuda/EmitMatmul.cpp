// step.matmul, step.expert_matmul: a task's rows of a weight (a few panels) times all rows of activations.
// The warps of the block take panels; where those are fewer than warps, several share a panel, each with
// every n-th superblock, and their sums are added in order. So the additions behind one element depend on the
// weight's shape only.
#include "codegen/cuda/PanelLines.h"
#include "codegen/cuda/PhaseEmitter.h"

using namespace mlir;

namespace gemmac::cuda {

namespace {

/// Rows of activations that a warp multiplies with a superblock at a time, where there are many.
constexpr int64_t kRowsAtOnce = 4;
static_assert(kPartialBytes >= kWarps * kRowsAtOnce * kPanelRows * 4, "partial sums of all warps");

struct Shape {
  step::Format format;
  step::Act act;
  int64_t panels, inputs;
  int64_t atOnce; ///< rows

  /// Warps that share a panel.
  int64_t parts() const { return std::max<int64_t>(1, kWarps / panels); }
  int64_t superblocks() const { return paddedK(inputs) / kSuperblockK; }
};

/// The body of KernelLibrary::matmul.
struct Product {
  BlockBuilder &k;
  Shape shape;
  Value act, actLd, weights, dst, dstLd, rows;

  void emit();
  void emitStreamed(const WeightStream &stream, const StreamedProduct &way);
  void multiply(PanelLines &lines, Value first, Value item);
  void write(ValueRange sums, Value first, Value panel, Value part, Value active);
  void addParts(Value first);
  Value partialAt(Value part, Value row, Value column);
};

/// Warps' sums in shared memory: [part][row][columns of the task].
Value Product::partialAt(Value part, Value row, Value column) {
  Value cell = k.mul(k.add(k.mul(part, shape.atOnce), row), shape.panels * kPanelRows);
  return k.at(k.shared(kReductionBytes), k.mul(k.add(cell, column), 4));
}

/// Rows [first, first + atOnce) with the superblocks that item / panels, of parts, has of panel item %
/// panels.
void Product::multiply(PanelLines &lines, Value first, Value item) {
  Value panel = k.rem(item, shape.panels), part = k.div(item, shape.panels);
  Value base = k.at(weights, k.mul(panel, panelBytes(shape.format, shape.inputs)));
  SmallVector<Value> acts, sums(shape.atOnce, k.cf(k.vec(k.f32(), kLaneRows), 0));
  for (int64_t r = 0; r < shape.atOnce; ++r) { // rows beyond the last are computed and dropped
    Value row = shape.atOnce == 1 ? first : k.mins(k.add(first, r), k.add(rows, -1));
    acts.push_back(k.at(act, k.mul(row, actLd)));
  }
  sums = k.loop(part, k.c(shape.superblocks()), shape.parts(), sums, [&](Value index, ValueRange now) {
    Value superblock = k.at(base, k.mul(index, superblockBytes(shape.format)));
    return lines.multiply(shape.act, superblock, acts, index, now, shape.inputs);
  });
  write(sums, first, panel, part, Value());
}

/// Sums of rows [first, first + atOnce), over the lanes, to where they belong. `active`: i1, whether the warp
/// has something to write; null: it has.
void Product::write(ValueRange sums, Value first, Value panel, Value part, Value active) {
  for (int64_t r = 0; r < shape.atOnce; ++r) {
    SmallVector<Value> mine;
    for (int64_t i = 0; i < kLaneRows; ++i) { // over the lanes that have other inputs of the same rows
      Value sum = k.extract(sums[r], i);
      for (int64_t mask = kLaneRows; mask < kWarp; mask *= 2)
        sum = k.fadd(sum, k.shuffleXor(sum, mask));
      mine.push_back(sum);
    }
    Value row = k.add(first, r), writes = k.lt(k.lane(), k.c(kPanelRows / kLaneRows));
    if (shape.parts() == 1 && shape.atOnce > 1)
      writes = k.andi(writes, k.lt(row, rows));
    if (active)
      writes = k.andi(writes, active);
    Value column = k.add(k.mul(panel, kPanelRows), k.mul(k.lane(), kLaneRows));
    k.ifThen(writes, [&] {
      Value to = shape.parts() > 1 ? partialAt(part, k.c(r), column)
                                   : k.at(k.at(dst, k.mul(row, dstLd)), k.mul(column, 4));
      for (int64_t i = 0; i < kLaneRows; ++i)
        k.store(mine[i], k.at(to, i * 4));
    });
  }
}

void Product::addParts(Value first) {
  const int64_t columns = shape.panels * kPanelRows;
  Value count = shape.atOnce == 1 ? k.c(1) : k.mins(k.sub(rows, first), k.c(shape.atOnce));
  k.forThreads(k.mul(count, columns), [&](Value cell) {
    Value row = k.div(cell, columns), column = k.rem(cell, columns);
    Value sum = k.load(k.f32(), partialAt(k.c(0), row, column));
    for (int64_t part = 1; part < shape.parts(); ++part)
      sum = k.fadd(sum, k.load(k.f32(), partialAt(k.c(part), row, column)));
    k.store(sum, k.at(k.at(dst, k.mul(k.add(first, row), dstLd)), k.mul(column, 4)));
  });
}

void Product::emit() {
  PanelLines lines(k, shape.format);
  k.loop(k.c(0), rows, shape.atOnce, [&](Value first) {
    k.forWarps(k.c(shape.panels * shape.parts()), [&](Value item) { multiply(lines, first, item); });
    if (shape.parts() == 1)
      return;
    k.sync();
    addParts(first);
    k.sync(); // before the next rows' sums
  });
}

/// One row, from the slots of the stream. The additions are those of emit().
void Product::emitStreamed(const WeightStream &stream, const StreamedProduct &way) {
  PanelLines lines(k, shape.format);
  const int64_t all = way.superblocks(), inSlot = way.superblocksInSlot(stream.slotBytes),
                parts = way.parts(), bytes = superblockBytes(shape.format);
  const bool shared = shape.panels < kWarps; // several warps have a panel, and some may have none
  Value panel = shared ? k.rem(k.warp(), shape.panels) : k.warp();
  Value part = shared ? k.div(k.warp(), shape.panels) : k.c(0);
  Value active = shared ? k.lt(part, k.c(parts)) : Value();
  Value taken = stream.taken(k);
  const int64_t runs = (all + inSlot - 1) / inSlot;
  SmallVector<Value> sums(way.panelsOfWarp(), k.cf(k.vec(k.f32(), kLaneRows), 0));
  sums = k.loop(k.c(0), k.c(runs), 1, sums, [&](Value run, ValueRange now) {
    Value slot = k.add(taken, k.trunc(run, k.i32())), base = stream.take(k, slot);
    Value before = k.mul(run, inSlot), count = k.mins(k.sub(k.c(all), before), k.c(inSlot));
    Value end = active ? k.select(active, count, k.c(0)) : count;
    SmallVector<Value> next;
    for (int64_t i = 0; i < way.panelsOfWarp(); ++i) {
      Value mine = k.at(base, k.mul(k.add(panel, i * kWarps), inSlot * bytes));
      next.push_back(k.loop(part, end, parts, now[i], [&](Value s, ValueRange sum) {
        return lines.multiply(shape.act, k.at(mine, k.mul(s, bytes)), {act}, k.add(before, s), sum,
                              shape.inputs);
      })[0]);
    }
    stream.giveBack(k, slot);
    return next;
  });
  stream.setTaken(k, k.add(taken, runs));
  for (int64_t i = 0; i < way.panelsOfWarp(); ++i)
    write(sums[i], k.c(0), k.add(panel, i * kWarps), part, active);
  if (shape.parts() == 1)
    return;
  k.sync();
  addParts(k.c(0));
}

} // namespace

func::FuncOp KernelLibrary::streamedMatmul(step::WeightOp weight, step::Act act) {
  const StreamedProduct way(weight);
  Shape shape{way.format, act == step::Act::I8 ? act : step::Act::F32, way.panels, way.inputs, 1};
  std::string name =
      ("matmul_" + stringifyFormat(shape.format) + (shape.act == step::Act::I8 ? "_i8_" : "_f32_") +
       Twine(shape.panels * kPanelRows) + "x" + Twine(shape.inputs) + "_streamed")
          .str();
  return defined(name, "pp", [&](BlockBuilder &k, ValueRange a) {
    Product product{k, shape, a[0], k.c(0), Value(), a[1], k.c(0), k.c(1)};
    product.emitStreamed(*stream, way);
  });
}

func::FuncOp KernelLibrary::matmul(step::Format format, step::Act act, int64_t panels, int64_t inputs,
                                   bool single) {
  std::string name = ("matmul_" + stringifyFormat(format) + (act == step::Act::I8 ? "_i8_" : "_f32_") +
                      Twine(panels * kPanelRows) + "x" + Twine(inputs) + (single ? "_row" : ""))
                         .str();
  return defined(name, "pippii", [&](BlockBuilder &k, ValueRange a) {
    Shape shape{format, act, panels, inputs, single ? 1 : kRowsAtOnce};
    Product{k, shape, a[0], a[1], a[2], a[3], a[4], a[5]}.emit();
  });
}

static void callMatmul(PhaseEmitter &e, step::WeightOp weight, step::Act act, Value in, int64_t actLd,
                       Value panels, Value out, int64_t dstLd, Value rows, bool single) {
  BlockBuilder &k = e.k;
  func::FuncOp kernel = e.library.matmul(weight.getFormat(), act == step::Act::I8 ? act : step::Act::F32,
                                         weight.getTile() / kPanelRows, weight.getK(), single);
  func::CallOp::create(k.builder(), k.location(), kernel,
                       ValueRange{in, k.c(actLd), panels, out, k.c(dstLd), rows});
}

static bool isSingle(PhaseEmitter &e) {
  return e.row || e.phase.getRows() == step::Rows::Last ||
         cast<step::EntryOp>(e.phase->getParentOp()).getRows() == 1;
}

void emitOp(PhaseEmitter &e, step::MatmulOp op) {
  BlockBuilder &k = e.k;
  if (op.getFormat() == step::Act::BF16T)
    return emitTensorMatmul(e, op);
  View to = e.view(op.getDst()), act = e.view(op.getAct());
  WeightView w = e.weight(op.getWeight());
  if (e.library.stream && e.library.stream->streams(op)) {
    Value row = e.row ? e.row : k.c(0);
    func::CallOp::create(k.builder(), k.location(), e.library.streamedMatmul(w.op, op.getFormat()),
                         ValueRange{e.rowOf(act, row), e.rowOf(to, row)});
    return;
  }
  Value panels = k.at(w.base, k.mul(e.column, taskBytes(w.op)));
  Value first = e.row ? e.row : k.c(0);
  callMatmul(e, w.op, op.getFormat(), e.rowOf(act, first), act.ld, panels, e.rowOf(to, first), to.ld,
             e.rows(), isSingle(e));
}

void emitOp(PhaseEmitter &e, step::ExpertMatmulOp op) {
  BlockBuilder &k = e.k;
  View to = e.view(op.getDst()), act = e.view(op.getAct()), indices = e.view(op.getIndices());
  WeightView w = e.weight(op.getWeight());
  const int64_t tiles = w.op.getN() / w.op.getTile();
  Value slot = k.div(e.column, tiles), tile = k.rem(e.column, tiles);
  e.forRows([&](Value row) {
    Value in = e.rowOf(act, row);
    if (op.getActPerSlot())
      in = k.at(in, k.mul(slot, act.width / op.getSlots() * (op.getFormat() == step::Act::I8 ? 1 : 4)));
    Value index = k.sext(k.load(k.i32(), k.at(e.rowOf(indices, row), k.mul(slot, 4))), k.i64());
    Value expert = k.at(w.base, k.mul(index, matrixBytes(w.op.getFormat(), w.op.getN(), w.op.getK())));
    callMatmul(e, w.op, op.getFormat(), in, act.ld, k.at(expert, k.mul(tile, taskBytes(w.op))),
               e.rowOf(to, row), to.ld, k.c(1), /*single=*/true);
  });
}

} // namespace gemmac::cuda
