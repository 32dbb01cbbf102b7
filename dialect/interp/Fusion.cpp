// fusion: its ops, one after the other.
#include "dialect/interp/Evaluation.h"

using namespace gemmac;

static llvm::Error evalFusion(Evaluation &e, gemma::FusionOp op) {
  mlir::Block &body = op.getBody().front();
  if (llvm::Error error = e.execute(body))
    return error;
  if (e.stopped())
    return llvm::Error::success();
  mlir::Operation *yield = body.getTerminator();
  for (auto [result, value] : llvm::zip_equal(op.getResults(), yield->getOperands()))
    e.set(result, Tensor(e.get(value)));
  for (mlir::Value value : yield->getOperands())
    if (value.getParentBlock() == &body)
      e.drop(value);
  return llvm::Error::success();
}

void gemmac::addFusionHandlers(HandlerTable &table) { table.add<gemma::FusionOp, evalFusion>(); }
