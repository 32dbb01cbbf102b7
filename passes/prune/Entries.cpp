// gemma-entries: @forward becomes the entry points of a step. They differ in rows only: what is computed for
// whom is then a matter of take_rows and gemma-prune-dead-tokens.
#include "passes/ModelOps.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAENTRIES
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using mlir::func::FuncOp;

/// The type with `rows` instead of `?` rows; other dimensions (the keys of attention scores) stay.
static mlir::Type withAllRows(mlir::Type type, int64_t rows) {
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && tensor.isDynamicDim(0) ? withRows(tensor, rows) : type;
}

/// Gives every value of `function` that has `?` rows exactly `rows` of them.
static void setRows(FuncOp function, int64_t rows) {
  for (mlir::BlockArgument argument : function.getArguments())
    argument.setType(withAllRows(argument.getType(), rows));
  function.walk([&](mlir::Operation *op) {
    for (mlir::Value result : op->getResults())
      result.setType(withAllRows(result.getType(), rows));
  });
}

/// Lets `function` return the last row of each sequence.
static void returnLastRows(FuncOp function, int64_t batch) {
  mlir::Operation *end = function.front().getTerminator();
  mlir::OpBuilder builder(end);
  mlir::Value logits = end->getOperand(0);
  auto take = gemma::TakeRowsOp::create(builder, logits.getLoc(), withRows(logits.getType(), batch), logits,
                                        function.getArgument(2), static_cast<uint64_t>(batch));
  end->setOperand(0, take.getResult());
}

static void updateType(FuncOp function) {
  function.setFunctionType(mlir::FunctionType::get(function.getContext(), function.front().getArgumentTypes(),
                                                   function.front().getTerminator()->getOperandTypes()));
}

/// @forward must be what the importer makes: tokens, pos and seq in, logits out.
static mlir::LogicalResult check(FuncOp forward) {
  if (forward.isExternal() || !forward.getBody().hasOneBlock())
    return forward.emitError("@forward needs a body of one block");
  auto isIndex = [](mlir::Type type) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.isDynamicDim(0) && tensor.getElementType().isInteger(32);
  };
  if (forward.getNumArguments() != 3 || !llvm::all_of(forward.getArgumentTypes(), isIndex))
    return forward.emitError("expected the arguments tokens, pos, seq of tensor<?xi32>, found ")
           << forward.getFunctionType();
  auto logits = forward.getNumResults() == 1
                    ? llvm::dyn_cast<mlir::RankedTensorType>(forward.getResultTypes()[0])
                    : mlir::RankedTensorType();
  if (!logits || logits.getRank() != 2 || !logits.isDynamicDim(0))
    return forward.emitError("expected one result of tensor<?xVxf32>, found ") << forward.getFunctionType();
  return mlir::success();
}

namespace {
struct EntriesPass : impl::GemmaEntriesBase<EntriesPass> {
  using GemmaEntriesBase::GemmaEntriesBase;

  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<FuncOp>("forward");
    if (!forward) {
      getOperation().emitError("expected a function @forward to make entries of");
      return signalPassFailure();
    }
    if (batch < 1) {
      getOperation().emitError("expected a positive batch, found ") << batch.getValue();
      return signalPassFailure();
    }
    if (mlir::failed(check(forward)))
      return signalPassFailure();
    setRows(addEntry(forward, "decode"), batch);
    returnLastRows(addEntry(forward, "prefill_none"), batch);
    returnLastRows(addEntry(forward, "prefill_last"), batch);
    addEntry(forward, "prefill_all");
    forward.erase();
    for (FuncOp function : getOperation().getOps<FuncOp>())
      if (function->hasAttr("gemma.entry"))
        updateType(function);
  }

  FuncOp addEntry(FuncOp forward, llvm::StringRef name) {
    mlir::OpBuilder builder(forward);
    auto entry = llvm::cast<FuncOp>(builder.clone(*forward));
    entry.setName(name);
    entry->setAttr("gemma.entry", builder.getStringAttr(name));
    ++numEntries;
    return entry;
  }
};
} // namespace
