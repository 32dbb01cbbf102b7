// Views of operands, rows of a task, and the dispatch of a phase's ops to their emitters.
#include "codegen/cpu/PhaseEmitter.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace gemmac::cpu {

void PhaseEmitter::forRows(function_ref<void(Value)> body) {
  if (row)
    body(row);
  else
    k.loop(k.c(0), liveRows, 1, body);
}

/// Ops of a case run for its tasks only; their column counts from its beginning.
static LogicalResult emitCase(PhaseEmitter &e, step::CaseOp op) {
  KernelBuilder &k = e.k;
  Value outer = e.column;
  int64_t begin = op.getBegin(), end = op.getEnd();
  Value inside = k.cmp(arith::CmpIPredicate::ult, k.add(outer, -begin), k.c(end - begin));
  LogicalResult result = success();
  k.ifThen(inside, [&] {
    e.column = k.add(outer, -begin);
    result = e.emitBlock(op.getBody().front());
  });
  e.column = outer;
  return result;
}

LogicalResult PhaseEmitter::emitOp(Operation &op) {
  return TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<step::TileOp>([](auto) { return success(); })
      .Case<step::CaseOp>([&](auto o) { return emitCase(*this, o); })
      .Case<step::AddOp, step::MulOp, step::GeluOp, step::CopyOp, step::ScaleOp, step::ScaleByOp,
            step::SoftcapOp, step::PublishOp, step::TakeRowOp, step::NormOp, step::SoftmaxOp,
            step::RopeTableOp, step::RopeOp, step::CacheWriteOp, step::AttentionOp, step::QkOp, step::PvOp,
            step::EmbedOp, step::TopKOp, step::SelectTopOp, step::CombineOp, step::ExpertMatmulOp,
            step::PackOp, step::PackTileOp, step::MatmulOp>([&](auto o) {
        cpu::emitOp(*this, o);
        return success();
      })
      .Default([](Operation *o) { return o->emitOpError("the CPU emitter has no code for this op"); });
}

/// Ops on the task's columns that take each row by itself.
static bool isRowwise(Operation &op) {
  return isa<step::TileOp, step::AddOp, step::MulOp, step::GeluOp, step::CopyOp, step::ScaleOp,
             step::ScaleByOp, step::SoftcapOp, step::NormOp, step::RopeOp, step::PackTileOp>(op);
}

/// Ops of a task of many rows are done row by row where they can be: what one leaves the next still finds in
/// the first cache.
LogicalResult PhaseEmitter::emitBlock(Block &block) {
  for (auto op = block.begin(); op != block.end();) {
    auto end = op;
    bool works = false; // a run of nothing but tiles needs no loop
    for (; !row && !inPrologue && end != block.end() && isRowwise(*end); ++end)
      works |= !isa<step::TileOp>(*end);
    if (!works) {
      if (failed(emitOp(*op++)))
        return failure();
      continue;
    }
    LogicalResult result = success();
    k.loop(k.c(0), liveRows, 1, [&](Value one) {
      row = one;
      for (; op != end; ++op)
        if (failed(emitOp(*op)))
          result = failure();
      row = Value();
    });
    op = end;
    if (failed(result))
      return failure();
  }
  return success();
}

} // namespace gemmac::cpu
