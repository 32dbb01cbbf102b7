// The shape of imported modules, on the tiny checkpoints: one cache a layer, shared KV by shared values,
// places, symbols.
#include "frontend/ImportText.h"

#include "dialect/gemma/Gemma.h"
#include "dialect/interp/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <set>

using namespace gemmac;

namespace {
class Import : public ::testing::TestWithParam<const char *> {
protected:
  void importCase(llvm::StringRef name) {
    auto loaded = loadCheckpoint((llvm::Twine(GEMMAC_TEST_INPUTS) + "/goldens/" + name).str());
    ASSERT_TRUE(static_cast<bool>(loaded)) << llvm::toString(loaded.takeError());
    checkpoint = std::make_unique<Checkpoint>(std::move(*loaded));
    module = importText(context, *checkpoint);
    ASSERT_TRUE(module);
    ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
  }
  template <typename Op> std::vector<Op> all() {
    std::vector<Op> ops;
    module->walk([&](Op op) { ops.push_back(op); });
    return ops;
  }
  bool hasWeight(llvm::StringRef symbol) { return bool(module->lookupSymbol<gemma::WeightOp>(symbol)); }

  mlir::MLIRContext context;
  std::unique_ptr<Checkpoint> checkpoint;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};
} // namespace

TEST_P(Import, EveryOpHasAPlaceOfItsOwn) {
  importCase(GetParam());
  std::set<std::string> places;
  for (mlir::Operation &op : module->lookupSymbol<mlir::func::FuncOp>("forward").getBody().front()) {
    EXPECT_FALSE(placeOf(&op).empty());
    EXPECT_TRUE(places.insert(placeOf(&op).str()).second) << placeOf(&op).str();
  }
}

TEST_P(Import, EveryWeightIsUsedAndNamesItsTensor) {
  importCase(GetParam());
  for (gemma::WeightOp weight : all<gemma::WeightOp>()) {
    EXPECT_FALSE(mlir::SymbolTable::symbolKnownUseEmpty(weight, *module)) << weight.getSymName().str();
    const TensorInfo *tensor = checkpoint->tensors->find(*weight.getTensor());
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(static_cast<uint64_t>(*weight.getOffset()), tensor->offset);
    EXPECT_EQ(*weight.getFile(), "model.safetensors");
    EXPECT_EQ(weight.getShape(), llvm::ArrayRef<int64_t>(tensor->shape));
  }
}

TEST_P(Import, EveryLayerHasItsCache) {
  importCase(GetParam());
  const std::vector<LayerConfig> &layers = checkpoint->config.layers;
  std::vector<gemma::CacheUpdateOp> updates = all<gemma::CacheUpdateOp>();
  ASSERT_EQ(updates.size(), layers.size());
  ASSERT_EQ(all<gemma::CacheOp>().size(), layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(updates[i].getCache(), "kv." + std::to_string(i));
    if (layers[i].kvSource < 0)
      continue;
    gemma::CacheUpdateOp source = updates[static_cast<size_t>(layers[i].kvSource)];
    EXPECT_EQ(updates[i].getK(), source.getK());
    EXPECT_EQ(updates[i].getV(), source.getV());
    EXPECT_FALSE(hasWeight("layers." + std::to_string(i) + ".k"));
  }
}

TEST_P(Import, PrintsAndParses) {
  importCase(GetParam());
  std::string text, again;
  llvm::raw_string_ostream(text) << *module;
  mlir::OwningOpRef<mlir::ModuleOp> parsed = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(parsed);
  llvm::raw_string_ostream(again) << *parsed;
  EXPECT_EQ(text, again);
  EXPECT_EQ(text.find(GEMMAC_TEST_INPUTS), std::string::npos); // no path of this machine in the IR
}

INSTANTIATE_TEST_SUITE_P(Goldens, Import,
                         ::testing::Values("e2b-tiny", "e4b-tiny", "a4b-tiny", "gemma3-tiny", "unified-tiny"),
                         [](const auto &info) {
                           std::string name = info.param;
                           return name.substr(0, name.find('-'));
                         });

TEST_F(Import, KeysAreValuesOnFullLayersOfA4b) {
  importCase("a4b-tiny");
  EXPECT_TRUE(hasWeight("layers.0.v"));
  EXPECT_FALSE(hasWeight("layers.5.v"));
  gemma::CacheUpdateOp update = all<gemma::CacheUpdateOp>()[5];
  auto rope = update.getK().getDefiningOp<gemma::RopeOp>();
  auto keyNorm = rope.getX().getDefiningOp<gemma::RmsNormOp>(),
       valueNorm = update.getV().getDefiningOp<gemma::RmsNormOp>();
  ASSERT_TRUE(keyNorm && valueNorm);
  EXPECT_EQ(keyNorm.getX(), valueNorm.getX()); // the raw projection
  EXPECT_TRUE(keyNorm.getWeight().has_value());
  EXPECT_FALSE(valueNorm.getWeight().has_value());
}

TEST_F(Import, Gemma3) {
  importCase("gemma3-tiny");
  for (gemma::RmsNormOp norm : all<gemma::RmsNormOp>())
    EXPECT_EQ(norm.getOffset().convertToDouble(), 1.0);
  for (gemma::CacheUpdateOp update : all<gemma::CacheUpdateOp>())
    EXPECT_TRUE(update.getV().getDefiningOp<gemma::LinearOp>());
  for (gemma::QkOp qk : all<gemma::QkOp>())
    EXPECT_EQ(qk.getScale().convertToDouble(), 0.25); // 16^-1/2
  EXPECT_TRUE(all<gemma::SoftcapOp>().empty());
  EXPECT_TRUE(all<gemma::ScaleByOp>().empty());
}
