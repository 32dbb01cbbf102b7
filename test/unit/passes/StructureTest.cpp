// What fusions are made of, and that decomposing them gives the original ops back.
#include "Support.h"

#include "passes/fuse/Fusion.h"

#include "mlir/IR/OperationSupport.h"

#include <gtest/gtest.h>

#include <map>

using namespace gemmac;
using mlir::Operation;
using mlir::Value;

namespace {
/// Compares two functions as graphs: what they return and what they write to caches, whatever the order of
/// ops.
class SameGraph {
public:
  static bool compare(mlir::func::FuncOp a, mlir::func::FuncOp b) {
    if (a.getFunctionType() != b.getFunctionType() || count(a) != count(b))
      return false;
    SameGraph graph;
    auto returnsA = a.front().getTerminator()->getOperands(),
         returnsB = b.front().getTerminator()->getOperands();
    return graph.sameAll(returnsA, returnsB) && graph.sameUpdates(a, b);
  }

private:
  static int64_t count(mlir::func::FuncOp function) {
    int64_t ops = 0;
    function.walk([&](Operation *) { ++ops; });
    return ops;
  }

  bool sameUpdates(mlir::func::FuncOp a, mlir::func::FuncOp b) {
    std::map<std::string, gemma::CacheUpdateOp> updates;
    a.walk([&](gemma::CacheUpdateOp op) { updates[op.getCache().str()] = op; });
    bool same = true;
    b.walk([&](gemma::CacheUpdateOp op) {
      auto found = updates.find(op.getCache().str());
      same = same && found != updates.end() && this->same(found->second.getKv(), op.getKv());
      updates.erase(op.getCache().str());
    });
    return same && updates.empty();
  }

  bool sameAll(mlir::ValueRange a, mlir::ValueRange b) {
    return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [&](auto pair) {
             return same(std::get<0>(pair), std::get<1>(pair));
           });
  }

  bool same(Value a, Value b) {
    auto [place, isNew] = partner.try_emplace(a, b);
    if (!isNew)
      return place->second == b;
    if (a.getType() != b.getType())
      return false;
    auto argument = llvm::dyn_cast<mlir::BlockArgument>(a);
    if (argument)
      return llvm::isa<mlir::BlockArgument>(b) &&
             argument.getArgNumber() == llvm::cast<mlir::BlockArgument>(b).getArgNumber();
    Operation *first = a.getDefiningOp(), *second = b.getDefiningOp();
    return second && first->getName() == second->getName() &&
           first->getAttrDictionary() == second->getAttrDictionary() &&
           llvm::cast<mlir::OpResult>(a).getResultNumber() ==
               llvm::cast<mlir::OpResult>(b).getResultNumber() &&
           sameAll(first->getOperands(), second->getOperands());
  }

  llvm::DenseMap<Value, Value> partner;
};

bool sameModules(mlir::ModuleOp a, mlir::ModuleOp b) {
  auto functionsA = a.getOps<mlir::func::FuncOp>(), functionsB = b.getOps<mlir::func::FuncOp>();
  return llvm::all_of(llvm::zip_equal(llvm::to_vector(functionsA), llvm::to_vector(functionsB)),
                      [](auto pair) { return SameGraph::compare(std::get<0>(pair), std::get<1>(pair)); });
}

class Structure : public testing::TestWithParam<std::string> {
protected:
  mlir::OwningOpRef<mlir::ModuleOp> after(llvm::StringRef pipeline) {
    mlir::OwningOpRef<mlir::ModuleOp> module = parse(*context, GetParam());
    if (!module || !runPasses(*module, pipeline))
      ADD_FAILURE() << pipeline.str();
    return module;
  }
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
};

/// Whether `op` reads, within its fusion, a product's result.
bool isAfterCore(Operation *op) {
  return llvm::any_of(op->getOperands(), [&](Value operand) {
    Operation *maker = operand.getDefiningOp();
    return maker && maker->getBlock() == op->getBlock() && (isProduct(maker) || isAfterCore(maker));
  });
}

void checkFusion(gemma::FusionOp fusion) {
  llvm::SmallVector<Operation *> products = productsOf(fusion);
  auto isAttention = [](Operation *op) { return llvm::isa<gemma::QkOp, gemma::PvOp>(op); };
  if (llvm::any_of(products, isAttention)) {
    EXPECT_TRUE(products.size() == 2 && llvm::all_of(products, isAttention));
    return;
  }
  for (Operation *product : products) {
    EXPECT_EQ(product->getOperand(0), products.front()->getOperand(0)) << "one x for all products of a phase";
    EXPECT_FALSE(isAfterCore(product)) << "no product of a product";
    EXPECT_TRUE(products.size() == 1 || llvm::isa<gemma::LinearOp>(product));
  }
  fusion.walk([&](gemma::RmsNormOp norm) {
    if (isFullRow(norm) && isAfterCore(norm)) {
      EXPECT_TRUE(feedsAttention(norm.getResult())) << "a norm of whole rows cannot follow the product";
    }
  });
}
} // namespace

TEST_P(Structure, DecomposeGivesTheOriginalBack) {
  for (const char *entries :
       {"gemma-entries",
        "gemma-entries,gemma-share-kv,func.func(gemma-prune-dead-tokens,canonicalize,cse)"}) {
    mlir::OwningOpRef<mlir::ModuleOp> original = after(entries);
    std::string all;
    for (const char *pass :
         {"qkv", "qknorm-rope-kv", "attention", "mlp", "ple", "router", "softcap", "residual", "norm"}) {
      std::string fuse = std::string("gemma-fuse-") + pass;
      mlir::OwningOpRef<mlir::ModuleOp> back =
          after(std::string(entries) + ",func.func(" + fuse + ",gemma-decompose)");
      EXPECT_TRUE(sameModules(*original, *back)) << fuse;
      all += fuse + ",";
    }
    EXPECT_TRUE(
        sameModules(*original, *after(std::string(entries) + ",func.func(" + all + "gemma-decompose)")));
  }
}

TEST_P(Structure, OneCoreForEachFusion) {
  for (const char *fuse : {"all", "-qkv", "-residual", "-kv-share", "-dead-tokens", "norm", "residual,norm"})
    after("gemma-pipeline{fuse=" + std::string(fuse) + "}")->walk(checkFusion);
}

TEST_P(Structure, PipelineIsDeterministic) {
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream stream(text);
    after("gemma-pipeline{quantize=q4}")->print(stream);
    return text;
  };
  EXPECT_EQ(print(), print());
}

INSTANTIATE_TEST_SUITE_P(Models, Structure, testing::ValuesIn(modelFiles()), modelName);

TEST(SameGraph, TellsDifferentFunctionsApart) {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> a = parse(*context, modelFiles().front()),
                                    b = parse(*context, modelFiles().front());
  EXPECT_TRUE(sameModules(*a, *b));
  b->walk(
      [](gemma::RmsNormOp norm) { norm.setEpsAttr(mlir::FloatAttr::get(norm.getEpsAttr().getType(), 0.5)); });
  EXPECT_FALSE(sameModules(*a, *b));
}
