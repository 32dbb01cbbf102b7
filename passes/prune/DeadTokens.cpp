// gemma-prune-dead-tokens: liveness of rows, found by rewriting. One walk from the end of the function to its
// start: when an op is reached, all its users have their final rows, so whether all of them ask for the same
// rows is known. take_rows ops are kept one per value (right behind it), which makes equal ones one op.
#include "passes/ModelOps.h"
#include "passes/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAPRUNEDEADTOKENS
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using gemma::TakeRowsOp;

static bool hasRows(mlir::Value value) { return llvm::isa<mlir::RankedTensorType>(value.getType()); }

namespace {
/// The rows that a take_rows takes.
struct Rows {
  mlir::Value seq;
  int64_t batch;
  static Rows of(TakeRowsOp op) { return {op.getSeq(), static_cast<int64_t>(op.getBatch())}; }
  bool operator==(const Rows &other) const { return seq == other.seq && batch == other.batch; }
};

class RowPruner {
public:
  explicit RowPruner(mlir::func::FuncOp function) : body(function.front()), builder(function.getContext()) {}

  int64_t narrowed = 0, erased = 0;

  void run() {
    mergeTakes();
    for (mlir::Operation *op = body.getTerminator()->getPrevNode(); op;) {
      mlir::Operation *next = op->getPrevNode();
      if (mlir::isOpTriviallyDead(op)) {
        op->erase();
        ++erased;
      } else if (op->hasTrait<gemma::RowWise>() && op->getNumRegions() == 0) {
        next = visit(op);
      }
      op = next;
    }
  }

private:
  /// The take_rows of `rows` of x, made behind x if there is none.
  TakeRowsOp take(mlir::Value x, Rows rows) {
    for (mlir::Operation *user : x.getUsers())
      if (auto op = llvm::dyn_cast<TakeRowsOp>(user); op && op.getX() == x && Rows::of(op) == rows)
        return op;
    builder.setInsertionPointAfterValue(x);
    return TakeRowsOp::create(builder, x.getLoc(), withRows(x.getType(), rows.batch), x, rows.seq,
                              static_cast<uint64_t>(rows.batch));
  }

  /// Brings every take_rows of the input behind its value, where equal ones become one.
  void mergeTakes() {
    llvm::SmallVector<TakeRowsOp> all(body.getOps<TakeRowsOp>());
    for (TakeRowsOp op : all) {
      if (!movable(op))
        continue;
      builder.setInsertionPointAfterValue(op.getX());
      op->moveBefore(&body, builder.getInsertionPoint());
    }
    for (TakeRowsOp op : all) {
      TakeRowsOp first = movable(op) ? take(op.getX(), Rows::of(op)) : op;
      if (first == op)
        continue;
      op.getResult().replaceAllUsesWith(first.getResult());
      op.erase();
    }
  }

  /// Whether a take_rows can stand right behind any value: its seq is there from the start.
  static bool movable(TakeRowsOp op) { return llvm::isa<mlir::BlockArgument>(op.getSeq()); }

  /// The rows that users ask of op's results: the take_rows among them, and whether there are other users.
  struct Demand {
    llvm::SmallVector<TakeRowsOp> takes;
    bool others = false;
  };
  static Demand demandOn(mlir::Operation *op) {
    Demand demand;
    for (mlir::OpOperand &use : op->getUses()) {
      auto takeRows = llvm::dyn_cast<TakeRowsOp>(use.getOwner());
      if (takeRows && use.getOperandNumber() == 0 && movable(takeRows) &&
          (demand.takes.empty() || sameRows(takeRows, demand.takes.front())))
        demand.takes.push_back(takeRows);
      else
        demand.others = true;
    }
    return demand;
  }
  static bool sameRows(TakeRowsOp a, TakeRowsOp b) { return Rows::of(a) == Rows::of(b); }

  /// Moves the take_rows that use `op` to its operands. Returns the op to go on with.
  mlir::Operation *visit(mlir::Operation *op) {
    Demand demand = demandOn(op);
    // An RMSNorm for a few rows costs nothing; without it these rows would wait for all the others.
    bool again = demand.others && llvm::isa<gemma::RmsNormOp>(op);
    if (demand.takes.empty() || (demand.others && !again))
      return op->getPrevNode();
    Rows rows = Rows::of(demand.takes.front());
    mlir::Operation *narrow = narrowCopy(op, rows);
    for (TakeRowsOp takeRows : demand.takes) {
      auto number = llvm::cast<mlir::OpResult>(takeRows.getX()).getResultNumber();
      takeRows.getResult().replaceAllUsesWith(narrow->getResult(number));
      takeRows.erase();
    }
    ++narrowed;
    if (again)
      return op->getPrevNode();
    mlir::Operation *next = narrow->getPrevNode(); // `op` itself, or a take_rows of its operand
    while (next == op || llvm::isa_and_nonnull<TakeRowsOp>(next))
      next = next->getPrevNode();
    op->erase();
    return next;
  }

  /// A copy of `op` behind it, on `rows` of its operands.
  mlir::Operation *narrowCopy(mlir::Operation *op, Rows rows) {
    mlir::IRMapping mapping;
    for (mlir::Value operand : op->getOperands())
      if (hasRows(operand) && !mapping.contains(operand))
        mapping.map(operand, take(operand, rows).getResult());
    builder.setInsertionPointAfter(op);
    mlir::Operation *copy = builder.clone(*op, mapping);
    for (mlir::Value result : copy->getResults())
      result.setType(withRows(result.getType(), rows.batch));
    return copy;
  }

  mlir::Block &body;
  mlir::OpBuilder builder;
};

struct PruneDeadTokensPass : impl::GemmaPruneDeadTokensBase<PruneDeadTokensPass> {
  using GemmaPruneDeadTokensBase::GemmaPruneDeadTokensBase;

  void runOnOperation() override {
    mlir::func::FuncOp function = getOperation();
    if (function.isExternal() || !function.getBody().hasOneBlock())
      return;
    auto entry = function->getAttrOfType<mlir::StringAttr>("gemma.entry");
    if (entry && entry.getValue() == "prefill_none") {
      function.front().getTerminator()->setOperands({});
      function.setFunctionType(mlir::FunctionType::get(&getContext(), function.getArgumentTypes(), {}));
    }
    RowPruner pruner(function);
    pruner.run();
    numNarrowed += static_cast<unsigned>(pruner.narrowed);
    numErased += static_cast<unsigned>(pruner.erased);
  }
};
} // namespace
