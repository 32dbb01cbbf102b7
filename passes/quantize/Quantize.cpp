// gemma-quantize: one policy for which weights are quantised. What a format means exactly is
// dialect/gemma/Quantize.h's.
#include "passes/Passes.h"

#include "llvm/ADT/StringSet.h"

namespace gemmac {
#define GEN_PASS_DEF_GEMMAQUANTIZE
#include "passes/Passes.h.inc"
} // namespace gemmac

using namespace gemmac;
using gemma::Quant;

namespace {
struct QuantizePass : impl::GemmaQuantizeBase<QuantizePass> {
  using GemmaQuantizeBase::GemmaQuantizeBase;

  void runOnOperation() override {
    std::optional<Quant> wanted = gemma::symbolizeQuant(format);
    if (!wanted) {
      getOperation().emitError("unknown quantization format '") << format << "', expected none, q8 or q4";
      return signalPassFailure();
    }
    llvm::StringSet<> keep, tables;
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
    llvm::StringRef name = weight.getSymName();
    return weight.getShape().size() < 2 || weight.getBlocks() != gemma::Blocks::None || name == "ple_proj" || name.ends_with(".router") ||
           keep.contains(name);
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
