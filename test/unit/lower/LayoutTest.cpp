// Sizes of packed weights and activations, against the numbers of docs/architecture.md.
#include "dialect/step/Layout.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <set>

using namespace gemmac;
using step::Act;
using step::Format;

TEST(Layout, SuperblocksAndPanels) {
  EXPECT_EQ(superblockBytes(Format::F32P16), 4096);
  EXPECT_EQ(superblockBytes(Format::BF16P16), 2048);
  EXPECT_EQ(superblockBytes(Format::F16P16), 2048);
  EXPECT_EQ(superblockBytes(Format::Q8P16), 1088);
  EXPECT_EQ(superblockBytes(Format::Q4P16), 576);
  EXPECT_EQ(superblockBytes(Format::Vec), 0);
  EXPECT_EQ(panelBytes(Format::Q4P16, 1536), 24 * 576);
  EXPECT_EQ(panelBytes(Format::Q4P16, 65), 2 * 576);
  EXPECT_TRUE(isPanelFormat(Format::F16P16));
  EXPECT_FALSE(isPanelFormat(Format::RowsQ8));
  EXPECT_TRUE(isRowsFormat(Format::RowsF16));
}

TEST(Layout, Tables) {
  EXPECT_EQ(rowStrideBytes(Format::RowsF32, 56), 224);
  EXPECT_EQ(rowStrideBytes(Format::RowsBF16, 8960), 17920);
  // 8960 int8, 280 f16 scales, rounded up to 64.
  EXPECT_EQ(rowStrideBytes(Format::RowsQ8, 8960), 9536);
  EXPECT_EQ(rowsQ8ScaleOffset(33), 64);
  EXPECT_EQ(matrixBytes(Format::RowsF32, 3, 5), 64);
  EXPECT_EQ(matrixBytes(Format::Vec, 17, 1), 128);
}

TEST(Layout, Activations) {
  EXPECT_EQ(actColumns(Act::F32, 160), 192);
  EXPECT_EQ(actRowBytes(Act::BF16, 160), 768);
  // 192 int8, 6 f32 scales, 6 i32 sums: 240, rounded up to 64.
  EXPECT_EQ(actRowBytes(Act::I8, 160), 256);
  EXPECT_EQ(actColumns(Act::I8, 160), 256);
  EXPECT_EQ(actScaleOffset(160), 192);
  EXPECT_EQ(actSumOffset(160), 216);
}

TEST(Layout, TilesOfActivations) {
  EXPECT_EQ(actRowBytes(Act::BF16T, 160), 384);
  EXPECT_EQ(actColumns(Act::BF16T, 160), 384);
  // 64 rows of 320 inputs: a block of 256 inputs, 64 * 512 bytes, and one of 64.
  EXPECT_EQ(actTileOffset(64, 320, 0, 0), 0);
  EXPECT_EQ(actTileOffset(64, 320, 1, 0), 64);         // the next row of the tile
  EXPECT_EQ(actTileOffset(64, 320, 16, 0), 1024);      // the lower tile of the pair
  EXPECT_EQ(actTileOffset(64, 320, 0, 32), 2048);      // the next pair
  EXPECT_EQ(actTileOffset(64, 320, 32, 0), 8 * 2048);  // the next 32 rows
  EXPECT_EQ(actTileOffset(64, 320, 0, 256), 64 * 512); // the next block
  EXPECT_EQ(actTileOffset(64, 320, 63, 288), 64 * 512 + 2 * 2048 + 2048 + 1024 + 15 * 64);
  // Every line is somebody's, and no two are one.
  std::set<int64_t> seen;
  for (int64_t row = 0; row < 64; ++row)
    for (int64_t first = 0; first < 320; first += 32)
      seen.insert(actTileOffset(64, 320, row, first));
  EXPECT_EQ(seen.size(), 64u * 10);
  EXPECT_EQ(*seen.rbegin(), 64 * actRowBytes(Act::BF16T, 320) - 64);
}

TEST(Layout, WeightsCountExpertsAndTasks) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<step::StepDialect>();
  mlir::OpBuilder builder(&context);
  auto make = [&](Format format, int64_t n, int64_t k, int64_t tile, int64_t experts) {
    return mlir::OwningOpRef<step::WeightOp>(step::WeightOp::create(
        builder, builder.getUnknownLoc(), "w", format, n, k, tile, builder.getArrayAttr({}), false, experts,
        mlir::IntegerAttr(), mlir::IntegerAttr()));
  };
  EXPECT_EQ(packedBytes(*make(Format::Q8P16, 64, 64, 32, 0)), 4 * 1088);
  EXPECT_EQ(packedBytes(*make(Format::Q8P16, 64, 64, 32, 3)), 12 * 1088);
  EXPECT_EQ(taskBytes(*make(Format::Q8P16, 64, 64, 32, 0)), 2 * 1088);
  EXPECT_EQ(packedBytes(*make(Format::Vec, 24, 1, 24, 0)), 128);
}

TEST(Layout, ProgramsShareAPackingOnlyIfTheirWeightsAreEqual) {
  mlir::MLIRContext context;
  context.loadDialect<gemma::GemmaDialect, step::StepDialect>();
  auto difference = [&](const std::string &other, const char *chunk = "8") {
    auto parse = [&](const std::string &weights, const char *rows) {
      return mlir::parseSourceString<mlir::ModuleOp>(
          "gemma.weight @a quant(q4) {random = 1 : i64} : tensor<64x128xf32>\n"
          "gemma.weight @b quant(q8) {random = 1 : i64} : tensor<64x128xf32>\n"
          "step.program @p attributes {context = 64, chunk = " +
              std::string(rows) +
              ", batch = 1, arena_bytes = 64 : i64, scratch_bytes = 64 : i64, weight_bytes = 32768 : i64} {" +
              weights + "}",
          &context);
    };
    auto x =
        parse("step.weight @w q4p16 {n = 64, k = 128, tile = 32, sources = [@a], offset = 0 : i64}", "8");
    auto y = parse(other, chunk);
    if (!x || !y)
      return std::string("does not parse");
    return weightDifference(*x->getOps<step::ProgramOp>().begin(), *y->getOps<step::ProgramOp>().begin());
  };
  const std::string same =
      "step.weight @w q4p16 {n = 64, k = 128, tile = 32, sources = [@a], offset = 0 : i64}";
  EXPECT_EQ(difference(same), "");
  EXPECT_EQ(difference(same, "32"), "") << "rows of a step are not a matter of weights";
  EXPECT_EQ(difference(""), "1 weights and 0");
  for (const char *other : {"q4p16 {n = 64, k = 128, tile = 64, sources = [@a], offset = 0 : i64}",
                            "q8p16 {n = 64, k = 128, tile = 32, sources = [@b], offset = 0 : i64}",
                            "q4p16 {n = 64, k = 128, tile = 32, sources = [@a], offset = 64 : i64}"}) {
    const std::string text = difference(std::string("step.weight @w ") + other);
    EXPECT_EQ(text.compare(0, 12, "weight 0 is "), 0) << text;
    EXPECT_NE(text.find("tile = 32"), std::string::npos) << text;
  }
}
