// Verifiers of the ops that write and read KV caches.
#include "dialect/Numbers.h"
#include "dialect/step/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::step;

LogicalResult CacheWriteOp::verify() {
  if (placeOf(*this).prologue)
    return emitOpError() << "stands in a prologue, expected in a phase's body";
  int64_t head = getHead(), stride = getHeadStride();
  if (head >= 0 && stride >= 0)
    return success();
  return emitOpError() << "head is " << head << " and head_stride " << stride << ", expected both at least 0";
}

LogicalResult CacheWriteOp::verifySymbolUses(SymbolTableCollection &symbols) {
  CacheOp cache = lookupCache(*this, symbols, getCacheAttr());
  if (!cache)
    return failure();
  int64_t headDim = cache.getHeadDim(), heads = cache.getHeads(), columns = columnsOf(getSrc());
  if (columns % headDim != 0)
    return emitOpError() << "src has " << columns << " columns, expected a multiple of " << headDim
                         << " = head_dim of cache " << getCacheAttr();
  Place place = placeOf(*this);
  int64_t head = getHead(), stride = getHeadStride(), last;
  if (!llvm::MulOverflow(stride, place.end - place.begin - 1, last) && !llvm::AddOverflow(last, head, last) &&
      !llvm::AddOverflow(last, columns / headDim, last) && last <= heads)
    return success();
  InFlightDiagnostic diagnostic = emitOpError()
                                  << "writes heads " << head << " + " << stride << " * "
                                  << place.end - place.begin - 1 << " + " << columns / headDim
                                  << ", expected at most the " << heads << " of cache " << getCacheAttr();
  diagnostic.attachNote(cache.getLoc()) << "cache defined here";
  return failure();
}

/// One column task for each query head of a by_row phase, on whole buffers.
static LogicalResult verifyGrid(Operation *op, int64_t heads, int64_t window) {
  Place place = placeOf(op);
  if (place.prologue || !place.phase.getByRow() || place.end - place.begin != heads)
    return op->emitOpError() << "runs in " << place.end - place.begin << " column tasks of a "
                             << (place.prologue           ? "prologue"
                                 : place.phase.getByRow() ? "by_row phase"
                                                          : "phase")
                             << ", expected " << heads << " = heads of a by_row phase";
  for (Value value : op->getOperands())
    if (value.getDefiningOp<TileOp>())
      return op->emitOpError() << "takes a tile of buffer " << bufferName(value)
                               << ", expected the whole buffer: task c takes head c";
  if (window < 0 || window > gemmac::kMaxWindow)
    return op->emitOpError() << "window is " << window << ", expected 0 (sees every position) to "
                             << gemmac::kMaxWindow;
  return success();
}

/// heads query heads suit the cache, which still has every position in the window.
static LogicalResult verifyCacheRead(Operation *op, CacheOp cache, int64_t heads, int64_t window) {
  int64_t kvHeads = cache.getHeads(), kept = cache.getWindow();
  if (heads % kvHeads != 0)
    return op->emitOpError() << "has " << heads << " heads, expected a multiple of the " << kvHeads
                             << " KV heads of cache @" << cache.getSymName();
  if (kept == 0 || (window > 0 && window <= kept))
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError() << "window is " << window << ", expected 1 to " << kept
                                                    << " = window of cache @" << cache.getSymName();
  diagnostic.attachNote(cache.getLoc()) << "cache defined here";
  return failure();
}

/// heads * each columns, as far as that is a number.
static LogicalResult verifyHeadColumns(Operation *op, StringRef what, Value buffer, StringRef meaning,
                                       int64_t heads, int64_t each) {
  int64_t expected;
  if (llvm::MulOverflow(heads, each, expected))
    return op->emitOpError() << "has " << heads << " heads of " << each
                             << " columns, expected fewer than 2^63";
  return verifyColumns(op, what, buffer, meaning, expected);
}

/// P of step.qk: the context rounded up to 16.
static int64_t scoreColumns(Operation *op) {
  return static_cast<int64_t>(llvm::alignTo(op->getParentOfType<ProgramOp>().getContext(), 16));
}

LogicalResult AttentionOp::verify() { return verifyGrid(*this, getHeads(), getWindow()); }
LogicalResult QkOp::verify() { return verifyGrid(*this, getHeads(), getWindow()); }
LogicalResult PvOp::verify() { return verifyGrid(*this, getHeads(), getWindow()); }

LogicalResult AttentionOp::verifySymbolUses(SymbolTableCollection &symbols) {
  CacheOp cache = lookupCache(*this, symbols, getCacheAttr());
  if (!cache || failed(verifyCacheRead(*this, cache, getHeads(), getWindow())) ||
      failed(verifyHeadColumns(*this, "q", getQ(), "heads * head_dim", getHeads(), cache.getHeadDim())))
    return failure();
  return verifyHeadColumns(*this, "dst", getDst(), "heads * head_dim", getHeads(), cache.getHeadDim());
}

LogicalResult QkOp::verifySymbolUses(SymbolTableCollection &symbols) {
  CacheOp cache = lookupCache(*this, symbols, getCacheAttr());
  if (!cache || failed(verifyCacheRead(*this, cache, getHeads(), getWindow())) ||
      failed(verifyHeadColumns(*this, "q", getQ(), "heads * head_dim", getHeads(), cache.getHeadDim())))
    return failure();
  return verifyHeadColumns(*this, "dst", getDst(), "heads * the context rounded up to 16", getHeads(),
                           scoreColumns(*this));
}

LogicalResult PvOp::verifySymbolUses(SymbolTableCollection &symbols) {
  CacheOp cache = lookupCache(*this, symbols, getCacheAttr());
  if (!cache || failed(verifyCacheRead(*this, cache, getHeads(), getWindow())) ||
      failed(verifyHeadColumns(*this, "p", getP(), "heads * the context rounded up to 16", getHeads(),
                               scoreColumns(*this))))
    return failure();
  return verifyHeadColumns(*this, "dst", getDst(), "heads * head_dim", getHeads(), cache.getHeadDim());
}
