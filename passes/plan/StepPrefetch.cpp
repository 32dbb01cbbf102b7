// step-prefetch: a step.prefetch before the barrier of each phase that streams a weight for few rows. A hint:
// it changes no value, and a phase whose weight is chosen at run time (experts) gets none. Where there is one
// already, none is added.
#include "dialect/step/Layout.h"
#include "passes/lower/StepPasses.h"

#include "mlir/IR/Builders.h"

namespace gemmac {
#define GEN_PASS_DEF_STEPPREFETCH
#include "passes/lower/StepPasses.h.inc"
} // namespace gemmac

using namespace gemmac;

/// The barrier that a phase waits at; null for an entry's first phase.
static step::BarrierOp barrierBefore(step::PhaseOp phase) {
  for (mlir::Operation *op = phase->getPrevNode(); op && !llvm::isa<step::PhaseOp>(op);
       op = op->getPrevNode())
    if (auto barrier = llvm::dyn_cast<step::BarrierOp>(op))
      return barrier;
  return {};
}

/// Whether a prefetch of `weight` stands before the barrier already.
static bool isPrefetched(step::BarrierOp barrier, step::WeightOp weight) {
  for (mlir::Operation *op = barrier->getPrevNode(); op && !llvm::isa<step::PhaseOp>(op);
       op = op->getPrevNode())
    if (auto prefetch = llvm::dyn_cast<step::PrefetchOp>(op);
        prefetch && prefetch.getWeight() == weight.getSymName())
      return true;
  return false;
}

/// The first weight that a phase streams.
static step::WeightOp firstStreamed(step::PhaseOp phase, step::ProgramOp program) {
  step::WeightOp weight;
  phase.getBody().walk<mlir::WalkOrder::PreOrder>([&](step::MatmulOp op) {
    weight = program.lookupSymbol<step::WeightOp>(op.getWeight());
    return mlir::WalkResult::interrupt();
  });
  return weight;
}

namespace {
struct StepPrefetchPass : impl::StepPrefetchBase<StepPrefetchPass> {
  using StepPrefetchBase::StepPrefetchBase;

  void runOnOperation() override {
    if (bytes < 1) {
      getOperation().emitError("expected bytes of step-prefetch to be at least 1, found ") << int64_t(bytes);
      return signalPassFailure();
    }
    for (auto program : getOperation().getOps<step::ProgramOp>())
      for (auto entry : program.getOps<step::EntryOp>())
        for (auto phase : entry.getOps<step::PhaseOp>())
          visit(phase, entry, program);
  }

private:
  void visit(step::PhaseOp phase, step::EntryOp entry, step::ProgramOp program) {
    if (phase.getRows() == step::Rows::All && entry.getRows() > entry.getBatch())
      return;
    step::BarrierOp barrier = barrierBefore(phase);
    step::WeightOp weight = firstStreamed(phase, program);
    if (!barrier || !weight || isPrefetched(barrier, weight))
      return;
    mlir::OpBuilder builder(barrier);
    step::PrefetchOp::create(builder, phase.getLoc(), mlir::FlatSymbolRefAttr::get(weight.getSymNameAttr()),
                             builder.getI64IntegerAttr(std::min<int64_t>(bytes, taskBytes(weight))));
    ++numPrefetches;
  }
};
} // namespace
