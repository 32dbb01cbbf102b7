// Verifiers of the KV caches' update and of attention.
#include "dialect/Numbers.h"
#include "dialect/gemma/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::gemma;

/// heads * head_dim, or -1 where that is no int64.
static int64_t headColumns(int64_t heads, int64_t headDim) {
  int64_t product;
  return llvm::MulOverflow(heads, headDim, product) ? -1 : product;
}

/// `heads` query heads can share the KV heads evenly.
static LogicalResult verifyHeads(Operation *op, int64_t heads, int64_t kvHeads) {
  if (heads > 0 && kvHeads > 0 && heads % kvHeads == 0)
    return success();
  return op->emitOpError() << "has " << dimText(heads) << " heads, expected a positive multiple of the "
                           << kvHeads << " KV heads";
}

LogicalResult CacheUpdateOp::verify() {
  KvType kv = getKv().getType();
  if (failed(verifyColumns(*this, "k", columnsOf(getK()), "heads * head_dim of the result",
                           headColumns(kv.getHeads(), kv.getHeadDim()))))
    return failure();
  if (failed(verifySameRows(*this, "pos", rowsOf(getPos()), "k", rowsOf(getK()))))
    return failure();
  return success();
}

/// No update of the same cache stands before `update` in its function.
static LogicalResult verifyOnlyUpdate(CacheUpdateOp update, CacheOp cache) {
  Operation *function = update;
  while (function->getParentOp() && function->getParentOp() != cache->getParentOp())
    function = function->getParentOp();
  CacheUpdateOp first;
  function->walk<WalkOrder::PreOrder>([&](CacheUpdateOp other) {
    if (other.getCacheAttr() != update.getCacheAttr())
      return WalkResult::advance();
    first = other;
    return WalkResult::interrupt();
  });
  if (first == update)
    return success();
  InFlightDiagnostic diagnostic = update.emitOpError()
                                  << "updates cache " << update.getCacheAttr()
                                  << " a second time, expected one update of it in a function";
  diagnostic.attachNote(first.getLoc()) << "first updated here";
  return failure();
}

LogicalResult CacheUpdateOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(*this, getCacheAttr());
  auto cache = dyn_cast_or_null<CacheOp>(found);
  if (!cache)
    return emitOpError() << "cache " << getCacheAttr() << " is "
                         << (found ? "not a gemma.cache" : "not defined, expected the name of a gemma.cache");
  KvType kv = getKv().getType();
  int64_t heads = cache.getHeads(), headDim = cache.getHeadDim();
  if (heads == kv.getHeads() && headDim == kv.getHeadDim())
    return verifyOnlyUpdate(*this, cache);
  InFlightDiagnostic diagnostic = emitOpError() << "result has " << kv.getHeads() << " heads of "
                                                << kv.getHeadDim() << ", expected " << heads << " of "
                                                << headDim << " as cache " << getCacheAttr();
  diagnostic.attachNote(cache.getLoc()) << "cache defined here";
  return failure();
}

/// 0, or a window that positions can be compared with.
static LogicalResult verifyWindow(Operation *op, int64_t window) {
  if (window >= 0 && window <= gemmac::kMaxWindow)
    return success();
  return op->emitOpError() << "window is " << window << ", expected 0 (sees every position) to "
                           << gemmac::kMaxWindow;
}

LogicalResult QkOp::verify() {
  KvType kv = getKv().getType();
  int64_t heads = getHeads(), window = getWindow();
  if (failed(verifyHeads(*this, heads, kv.getHeads())) ||
      failed(verifyColumns(*this, "q", columnsOf(getQ()), "heads * head_dim",
                           headColumns(heads, kv.getHeadDim()))))
    return failure();
  SmallVector<int64_t> expected{rowsOf(getQ()), heads, ShapedType::kDynamic};
  if (ArrayRef<int64_t> shape = getType().getShape(); shape != ArrayRef<int64_t>(expected))
    return emitOpError() << "result has shape " << shapeText(shape) << ", expected " << shapeText(expected);
  if (failed(verifyWindow(*this, window)))
    return failure();
  return verifySameRows(*this, "pos", rowsOf(getPos()), "q", rowsOf(getQ()));
}

LogicalResult PvOp::verify() {
  KvType kv = getKv().getType();
  ArrayRef<int64_t> shape = getP().getType().getShape();
  if (failed(verifyHeads(*this, shape[1], kv.getHeads())))
    return failure();
  if (!ShapedType::isDynamic(shape[2]))
    return emitOpError() << "p has shape " << shapeText(shape) << ", expected rows x heads x ?";
  if (failed(verifyColumns(*this, "result", columnsOf(getResult()), "heads * head_dim",
                           headColumns(shape[1], kv.getHeadDim()))) ||
      failed(verifySameRows(*this, "result", rowsOf(getResult()), "p", shape[0])))
    return failure();
  return verifySameRows(*this, "pos", rowsOf(getPos()), "p", shape[0]);
}
