// gemma-share-kv: caches that always hold the same keys and values become one. Safe across calls because a
// cache is replaced only if every function that touches either of the two updates both with the same values.
#include "passes/Passes.h"

#include "llvm/ADT/MapVector.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMASHAREKV
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using gemma::CacheUpdateOp;
using mlir::func::FuncOp;

namespace {
/// Of one function: each cache and its one update.
struct FunctionCaches {
  llvm::MapVector<mlir::StringAttr, CacheUpdateOp> updates;
};

struct ShareKvPass : impl::GemmaShareKvBase<ShareKvPass> {
  using GemmaShareKvBase::GemmaShareKvBase;

  void runOnOperation() override {
    for (FuncOp function : getOperation().getOps<FuncOp>())
      collect(function);
    llvm::SmallVector<gemma::CacheOp> caches(getOperation().getOps<gemma::CacheOp>());
    for (size_t later = 1; later < caches.size(); ++later)
      for (size_t earlier = 0; earlier < later; ++earlier)
        if (caches[earlier] && covers(caches[earlier], caches[later]) &&
            share(caches[earlier], caches[later])) {
          caches[later].erase();
          caches[later] = nullptr;
          ++numShared;
          break;
        }
  }

private:
  void collect(FuncOp function) {
    functions.emplace_back();
    function.walk([&](CacheUpdateOp update) {
      functions.back().updates.insert({update.getCacheAttr().getAttr(), update});
    });
  }

  /// Whether `source` keeps every position that `target` keeps.
  static bool covers(gemma::CacheOp source, gemma::CacheOp target) {
    return source.getHeads() == target.getHeads() && source.getHeadDim() == target.getHeadDim() &&
           (source.getWindow() == 0 || (target.getWindow() > 0 && source.getWindow() >= target.getWindow()));
  }

  static bool sameContent(CacheUpdateOp source, CacheUpdateOp target) {
    return source.getOperands() == target.getOperands() && source.getType() == target.getType() &&
           source->getBlock() == target->getBlock() && source->isBeforeInBlock(target);
  }

  /// Lets `source` take over from `target` if no function could tell; false if one could.
  bool share(gemma::CacheOp source, gemma::CacheOp target) {
    mlir::StringAttr from = source.getSymNameAttr(), to = target.getSymNameAttr();
    for (FunctionCaches &function : functions) {
      CacheUpdateOp first = function.updates.lookup(from), second = function.updates.lookup(to);
      if ((first || second) && !(first && second && sameContent(first, second)))
        return false;
    }
    bool any = false;
    for (FunctionCaches &function : functions) {
      CacheUpdateOp second = function.updates.lookup(to);
      if (!second)
        continue;
      any = true;
      second.getKv().replaceAllUsesWith(function.updates.lookup(from).getKv());
      second.erase();
      function.updates.erase(to);
    }
    return any;
  }

  llvm::SmallVector<FunctionCaches> functions;
};
} // namespace
