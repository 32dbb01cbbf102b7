// Sizes of packed weights and activations, against the numbers of docs/architecture.md.
#include "dialect/step/Layout.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

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
