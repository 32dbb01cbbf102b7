// One entry function -> one step.entry: groups of ops, in order. See EntryLowering.h.
#include "passes/lower/EntryLowering.h"

#include "passes/lower/Names.h"
#include "passes/lower/Scope.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::failure;
using mlir::LogicalResult;
using mlir::success;
using mlir::Value;

EntryLowering::EntryLowering(ProgramInfo &info, mlir::func::FuncOp function, step::EntryOp entry, bool decode)
    : info(info), function(function), entry(entry), decode(decode), rows(entry.getRows()),
      batch(entry.getBatch()), builder(mlir::OpBuilder::atBlockEnd(&entry.getBody().front())) {}

LogicalResult EntryLowering::run() {
  if (failed(check()))
    return failure();
  makeRopeTables();
  for (mlir::Operation &op : function.front())
    if (failed(lowerTopLevel(&op)))
      return failure();
  return success();
}

LogicalResult EntryLowering::lowerTopLevel(mlir::Operation *op) {
  if (auto end = llvm::dyn_cast<mlir::func::ReturnOp>(op))
    return finish(end);
  if (auto fusion = llvm::dyn_cast<gemma::FusionOp>(op)) {
    Ops ops;
    for (mlir::Operation &inner : fusion.getBody().front().without_terminator())
      if (!isIndexOp(&inner))
        ops.push_back(&inner);
    if (failed(lowerGroup(ops)))
      return failure();
    mlir::Operation *yield = fusion.getBody().front().getTerminator();
    for (auto [result, yielded] : llvm::zip_equal(fusion.getResults(), yield->getOperands()))
      adopt(result, yielded);
    return success();
  }
  return isIndexOp(op) ? success() : lowerGroup({op});
}

/// The result of a fusion lies where the value it yields does.
void EntryLowering::adopt(Value result, Value yielded) {
  if (auto view = views.find(yielded); view != views.end()) {
    View same = view->second;
    views[result] = same;
  }
  for (step::Act act : {step::Act::I8, step::Act::BF16T})
    if (auto form = packed.find({yielded.getAsOpaquePointer(), act}); form != packed.end())
      packed[{result.getAsOpaquePointer(), act}] = form->second;
  if (auto kv = kvs.find(yielded); kv != kvs.end()) {
    llvm::StringRef cache = kv->second;
    kvs[result] = cache;
  }
}

/// Ops of one fusion, or one op: products with what fits around them, one after the other.
LogicalResult EntryLowering::lowerGroup(Ops ops) {
  auto first = llvm::find_if(ops, isProduct);
  if (first == ops.end())
    return lowerChain(ops);
  if (auto expert = llvm::dyn_cast<gemma::ExpertLinearOp>(*first))
    return lowerExpert(ops, expert);
  if (auto qk = llvm::dyn_cast<gemma::QkOp>(*first))
    return lowerQk(ops, qk);
  if (auto pv = llvm::dyn_cast<gemma::PvOp>(*first))
    return lowerPv(ops, pv);
  return lowerLinear(ops, *first);
}

/// Row-wise ops: a by_row phase for each stretch of them with the same rows and pieces.
LogicalResult EntryLowering::lowerChain(llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef name) {
  while (!ops.empty()) {
    auto alike = [&](mlir::Operation *op) {
      return rowsOf(op) == rowsOf(ops.front()) && groupsOf(op) == groupsOf(ops.front());
    };
    size_t size = std::distance(ops.begin(), llvm::find_if_not(ops, alike));
    if (failed(lowerRun(ops.take_front(size), name)))
      return failure();
    ops = ops.drop_front(size);
  }
  return success();
}

/// The name of a phase of row-wise ops: that of its last op, or "heads" for the norms and ropes before a
/// cache.
static std::string chainName(llvm::ArrayRef<mlir::Operation *> ops) {
  std::string last = nameOf(ops.back());
  if (ops.size() > 1 && llvm::any_of(ops, [](mlir::Operation *op) { return llvm::isa<gemma::RopeOp>(op); }))
    return (splitName(last).first + "heads").str();
  return last;
}

LogicalResult EntryLowering::lowerRun(llvm::ArrayRef<mlir::Operation *> ops, llvm::StringRef name) {
  if (llvm::all_of(ops, [](mlir::Operation *op) { return llvm::isa<gemma::SliceOp>(op); }))
    return noteSlices(ops);
  const int64_t groups = groupsOf(ops.front());
  Phase phase = beginPhase(name.empty() ? chainName(ops) : name.str(), rowsOf(ops.front()), groups, true,
                           ops.back()->getLoc());
  setInside(phase, ops);
  Scope scope(*this, phase, groups == 1 ? Scope::Kind::Row : Scope::Kind::Group, phase.op.getBody().front());
  return scope.emitAll(ops);
}

LogicalResult EntryLowering::finish(mlir::func::ReturnOp op) {
  if (entry.getLogits() == step::Logits::None) {
    step::YieldOp::create(builder, op.getLoc());
    return success();
  }
  if (op.getNumOperands() != 1)
    return op.emitOpError("of an entry with logits: expected 1 value, found ") << op.getNumOperands();
  auto view = views.find(op.getOperand(0));
  if (view == views.end() || view->second.offset != 0 || view->second.groups != 1)
    return op.emitOpError("of a value that is not the start of a buffer");
  step::YieldOp::create(builder, op.getLoc(), view->second.buffer);
  return success();
}

/// [cos | sin] of every distinct RoPE of the entry, for all rows and for the rows taken.
void EntryLowering::makeRopeTables() {
  llvm::SmallVector<gemma::RopeOp> ropes;
  function.walk([&](gemma::RopeOp op) { ropes.push_back(op); });
  for (step::Rows kind : {step::Rows::All, step::Rows::Last}) {
    Phase phase;
    for (gemma::RopeOp op : ropes) {
      double theta = op.getTheta().convertToDouble(), factor = op.getFactor().convertToDouble();
      auto headDim = static_cast<int64_t>(op.getHeadDim()), angles = static_cast<int64_t>(op.getAngles());
      Value &table = ropeTables[{static_cast<unsigned>(kind), headDim, angles, theta, factor}];
      if (rowsOf(op) != kind || table)
        continue;
      if (!phase.op)
        phase = beginPhase(kind == step::Rows::All ? "rope" : "rope.last", kind, 1, true, op.getLoc());
      table = makeBuffer(phase, "rope", rowCount(kind), 2 * angles, builder.getF32Type(), false);
      mlir::OpBuilder body = mlir::OpBuilder::atBlockEnd(&phase.op.getBody().front());
      step::RopeTableOp::create(body, op.getLoc(), table, headDim, angles, op.getTheta(), op.getFactor(),
                                info.options.compute == Compute::BF16);
    }
  }
}

} // namespace gemmac::lower
