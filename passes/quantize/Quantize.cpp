// gemma-quantize: one policy for which weights are quantised. What a format means exactly is
// dialect/gemma/Quantize.h's. Weights are told by what ops do with them, never by their names.
#include "passes/Passes.h"

#include "llvm/ADT/StringSet.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAQUANTIZE
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using gemma::Quant;

/// The op whose result `value` is, behind fusions and what only scales, norms or chooses rows of it.
static mlir::Operation *makerOf(mlir::Value value) {
  while (mlir::Operation *op = value.getDefiningOp()) {
    if (auto fusion = llvm::dyn_cast<gemma::FusionOp>(op))
      value = fusion.getBody().front().getTerminator()->getOperand(
          llvm::cast<mlir::OpResult>(value).getResultNumber());
    else if (llvm::isa<gemma::ScaleOp, gemma::RmsNormOp, gemma::SoftmaxOp, gemma::TakeRowsOp>(op))
      value = op->getOperand(0);
    else
      return op;
  }
  return nullptr;
}

/// Weights of matrices that everything depends on and that are small.
static llvm::StringSet<> decisiveWeights(mlir::ModuleOp module) {
  llvm::StringSet<> weights;
  // Routers: the linear whose softmax experts are chosen by, (20).
  module.walk([&](gemma::TopKOp op) {
    if (auto linear = llvm::dyn_cast_or_null<gemma::LinearOp>(makerOf(op.getP())))
      weights.insert(linear.getWeight());
  });
  // The PLE model projection: a linear of embedded tokens that is added to embedded tokens, (6), (7).
  module.walk([&](gemma::AddOp op) {
    for (auto [a, b] : {std::pair(op.getLhs(), op.getRhs()), std::pair(op.getRhs(), op.getLhs())}) {
      auto linear = llvm::dyn_cast_or_null<gemma::LinearOp>(makerOf(a));
      if (linear && llvm::isa_and_nonnull<gemma::EmbedOp>(makerOf(b)) &&
          llvm::isa_and_nonnull<gemma::EmbedOp>(makerOf(linear.getX())))
        weights.insert(linear.getWeight());
    }
  });
  return weights;
}

namespace {
struct QuantizePass : impl::GemmaQuantizeBase<QuantizePass> {
  using GemmaQuantizeBase::GemmaQuantizeBase;

  void runOnOperation() override {
    std::optional<Quant> wanted = gemma::symbolizeQuant(format);
    if (!wanted) {
      getOperation().emitError("unknown quantization format '") << format << "', expected none, q8 or q4";
      return signalPassFailure();
    }
    llvm::StringSet<> keep = decisiveWeights(getOperation()), tables;
    for (const std::string &name : exact) {
      if (!getOperation().lookupSymbol<gemma::WeightOp>(name)) {
        getOperation().emitError("exact: there is no gemma.weight @") << name;
        return signalPassFailure();
      }
      keep.insert(name);
    }
    getOperation().walk([&](gemma::EmbedOp embed) { tables.insert(embed.getTable()); });
    for (auto weight : getOperation().getOps<gemma::WeightOp>())
      set(weight, keepsValues(weight, keep) || *wanted == Quant::None ? Quant::None
                  : tables.contains(weight.getSymName())              ? Quant::Q8
                                                                      : *wanted);
  }

private:
  static bool keepsValues(gemma::WeightOp weight, const llvm::StringSet<> &keep) {
    return weight.getShape().size() < 2 || weight.getBlocks() != gemma::Blocks::None ||
           keep.contains(weight.getSymName());
  }

  void set(gemma::WeightOp weight, Quant quant) {
    weight.setQuant(quant);
    if (quant == Quant::Q8)
      ++numQ8;
    else if (quant == Quant::Q4)
      ++numQ4;
    else
      ++numExact;
  }
};
} // namespace
