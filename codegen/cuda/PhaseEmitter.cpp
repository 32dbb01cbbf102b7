// Rows and columns of a task spread over a block, and the dispatch of a phase's ops to their emitters.
#include "codegen/cuda/PhaseEmitter.h"

#include "codegen/cuda/AttentionParts.h"
#include "dialect/step/Layout.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace gemmac::cuda {

void PhaseEmitter::forRows(function_ref<void(Value)> body) {
  if (row)
    body(row);
  else
    k.loop(k.c(0), liveRows, 1, body);
}

/// body(row, i) for the cells [from, from + by, ..) of rows of `width`.
void PhaseEmitter::spread(Value count, int64_t width, function_ref<void(Value, Value)> body, Value from,
                          int64_t by) {
  k.loop(from, k.mul(count, width), by, [&](Value cell) {
    if (row)
      body(row, cell);
    else
      body(k.div(cell, width), k.rem(cell, width));
  });
}

void PhaseEmitter::forCells(int64_t width, function_ref<void(Value, Value)> body) {
  spread(rows(), width, body, k.thread(), kThreads);
}

void PhaseEmitter::forWarpItems(int64_t count, function_ref<void(Value, Value)> body) {
  spread(rows(), count, body, k.warp(), kWarps);
}

int64_t privateBytes(step::PhaseOp phase) {
  int64_t end = 0;
  phase->walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (auto buffer = operand.getDefiningOp<step::BufferOp>())
        if (auto type = cast<MemRefType>(buffer.getType()); type.getMemorySpace())
          end = std::max(end, static_cast<int64_t>(buffer.getOffset().value_or(0)) + bufferBytes(type));
  });
  return roundUp(end, kAlign);
}

int64_t roomBytes(step::PhaseOp phase) {
  int64_t bytes = 0;
  if (step::AttentionOp op = partedAttention(phase))
    return partsRoomBytes(op);
  phase->walk([&](step::AttentionOp op) { bytes = std::max(bytes, scoreBytes(op)); });
  return bytes;
}

Value PhaseEmitter::room(int64_t bytes) {
  const int64_t mine = privateBytes(phase);
  if (bytes <= kMostRoom)
    return k.shared(kSharedFixed + (mine <= kMostPrivate ? mine : 0));
  auto program = phase->getParentOfType<step::ProgramOp>();
  const int64_t plan = roundUp(static_cast<int64_t>(*program.getScratchBytes()), kAlign);
  return k.at(blockScratch(k, gmStep, program), plan);
}

/// Ops that do each cell by itself: a thread finds again what it wrote to the same cells.
static bool isCellwise(Operation &op) {
  return isa<step::AddOp, step::MulOp, step::GeluOp, step::CopyOp, step::ScaleOp, step::ScaleByOp,
             step::SoftcapOp>(op);
}

static Value bufferOf(Value operand) {
  auto tile = operand.getDefiningOp<step::TileOp>();
  return tile ? tile.getBuffer() : operand;
}

/// Whether `next` may follow `done` (cellwise ops since the last barrier) without one: it finds what they
/// wrote in the cells where they wrote it.
static bool staysInCells(Operation &next, ArrayRef<Operation *> done) {
  if (!isCellwise(next))
    return false;
  for (Operation *before : done)
    for (Value operand : next.getOperands())
      for (Value other : before->getOperands()) // whichever of the two is written
        if (bufferOf(operand) == bufferOf(other) && operand != other)
          return false;
  auto width = [](Operation &op) { return cast<MemRefType>(op.getOperand(0).getType()).getShape()[1]; };
  return llvm::all_of(
      done, [&](Operation *before) { return isCellwise(*before) && width(*before) == width(next); });
}

LogicalResult PhaseEmitter::emitBlock(Block &block) {
  SmallVector<Operation *> done;
  for (Operation &op : block) {
    if (isa<step::TileOp>(op))
      continue;
    if (!done.empty() && !staysInCells(op, done)) {
      k.sync();
      done.clear();
    }
    if (failed(emitOp(op)))
      return failure();
    done.push_back(&op);
  }
  k.sync(); // the next task may use the same private buffers
  return success();
}

/// Ops of a case run for its tasks only; their column counts from its beginning.
static LogicalResult emitCase(PhaseEmitter &e, step::CaseOp op) {
  BlockBuilder &k = e.k;
  Value outer = e.column;
  const int64_t begin = op.getBegin(), end = op.getEnd();
  Value inside = k.cmp(arith::CmpIPredicate::ult, k.add(outer, -begin), k.c(end - begin));
  LogicalResult result = success();
  k.ifThen(inside, [&] { // all threads have the same task
    e.column = k.add(outer, -begin);
    result = e.emitBlock(op.getBody().front());
  });
  e.column = outer;
  return result;
}

LogicalResult PhaseEmitter::emitOp(Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<step::CaseOp>([&](auto o) { return emitCase(*this, o); })
      .Case<step::AddOp, step::MulOp, step::GeluOp, step::CopyOp, step::ScaleOp, step::ScaleByOp,
            step::SoftcapOp, step::PublishOp, step::TakeRowOp, step::NormOp, step::SoftmaxOp,
            step::RopeTableOp, step::RopeOp, step::CacheWriteOp, step::AttentionOp, step::QkOp, step::PvOp,
            step::EmbedOp, step::TopKOp, step::CombineOp, step::ExpertMatmulOp, step::PackOp,
            step::PackTileOp, step::MatmulOp, step::SelectTopOp>([&](auto o) {
        cuda::emitOp(*this, o);
        return success();
      })
      .Default([](Operation *o) { return o->emitOpError("has no code for GPUs"); });
}

} // namespace gemmac::cuda
