// Attention: one phase of heads where qk, softmax and pv share a fusion, else qk and pv are phases of their
// own.
#include "passes/lower/Names.h"
#include "passes/lower/Scope.h"

namespace gemmac::lower {

using mlir::failed;
using mlir::failure;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::Value;

/// The pv at the end of softmax(qk), if nothing else reads what is in between and all are in the group.
static std::pair<gemma::SoftmaxOp, gemma::PvOp> findTail(gemma::QkOp qk,
                                                         llvm::ArrayRef<mlir::Operation *> ops) {
  if (!qk.getResult().hasOneUse())
    return {};
  auto softmax = llvm::dyn_cast<gemma::SoftmaxOp>(*qk.getResult().getUsers().begin());
  if (!softmax || !llvm::is_contained(ops, softmax.getOperation()) || !softmax.getResult().hasOneUse())
    return {};
  auto pv = llvm::dyn_cast<gemma::PvOp>(*softmax.getResult().getUsers().begin());
  if (!pv || !llvm::is_contained(ops, pv.getOperation()) || pv.getKv() != qk.getKv())
    return {};
  return {softmax, pv};
}

LogicalResult EntryLowering::lowerQk(Ops ops, gemma::QkOp qk) {
  auto [softmax, pv] = findTail(qk, ops);
  Ops cores = {qk};
  if (pv)
    cores = {qk, softmax, pv};
  Split split = splitGroup(ops, cores);
  const Ops rest = remaining(ops, {split.pre, cores});
  if (failed(lowerChain(split.pre)))
    return failure();
  FailureOr<llvm::StringRef> cache = cacheOf(qk, qk.getKv());
  FailureOr<Value> q = wholeBuffer(qk, qk.getQ());
  if (failed(cache) || failed(q))
    return failure();

  const auto heads = static_cast<int64_t>(qk.getHeads());
  std::string name = nameOf(qk);
  if (pv)
    name = (splitName(name).first + "attention").str();
  Phase phase = beginPhase(name, rowsOf(qk), heads, true, qk.getLoc());
  setInside(phase, cores);
  mlir::OpBuilder body = mlir::OpBuilder::atBlockEnd(&phase.op.getBody().front());
  auto symbol = mlir::FlatSymbolRefAttr::get(qk.getContext(), *cache);
  const int64_t width = pv ? widthOf(pv.getResult()) : widthOf(qk.getResult());
  Value to = shared(phase, phase.name, pv ? width : heads * width);
  if (pv) {
    step::AttentionOp::create(body, qk.getLoc(), to, *q, symbol, qk.getHeadsAttr(), qk.getWindowAttr(),
                              qk.getScaleAttr());
    views[pv.getResult()] = View{to, 0, 1, 0, width};
  } else {
    step::QkOp::create(body, qk.getLoc(), to, *q, symbol, qk.getHeadsAttr(), qk.getWindowAttr(),
                       qk.getScaleAttr());
    views[qk.getResult()] = View{to, 0, heads, width, width};
  }
  return lowerGroup(rest);
}

LogicalResult EntryLowering::lowerPv(Ops ops, gemma::PvOp pv) {
  const Ops cores = {pv};
  Split split = splitGroup(ops, cores);
  const Ops rest = remaining(ops, {split.pre, cores});
  if (failed(lowerChain(split.pre)))
    return failure();
  FailureOr<llvm::StringRef> cache = cacheOf(pv, pv.getKv());
  auto found = views.find(pv.getP());
  if (failed(cache))
    return failure();
  if (found == views.end() || !found->second.whole())
    return pv.emitOpError("reads a value that no phase before it has made");
  Value p = found->second.buffer;
  const int64_t heads = llvm::cast<mlir::RankedTensorType>(pv.getP().getType()).getDimSize(1);

  Phase phase = beginPhase(nameOf(pv), rowsOf(pv), heads, true, pv.getLoc());
  setInside(phase, cores);
  mlir::OpBuilder body = mlir::OpBuilder::atBlockEnd(&phase.op.getBody().front());
  const int64_t width = widthOf(pv.getResult());
  Value to = shared(phase, phase.name, width);
  // The window of the cache bounds what the probabilities can show: the rest of them is zero.
  step::PvOp::create(body, pv.getLoc(), to, p, mlir::FlatSymbolRefAttr::get(pv.getContext(), *cache),
                     body.getI64IntegerAttr(heads), info.caches.lookup(*cache).getWindowAttr());
  views[pv.getResult()] = View{to, 0, 1, 0, width};
  return lowerGroup(rest);
}

} // namespace gemmac::lower
