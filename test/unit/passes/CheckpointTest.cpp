// The pipeline on what the importer really makes: the tiny checkpoints and the trained one.
#include "Support.h"

#include "frontend/Checkpoint.h"
#include "frontend/ImportText.h"

#include <gtest/gtest.h>

using namespace gemmac;

namespace {
class OnCheckpoint : public testing::TestWithParam<const char *> {};

int64_t countFusions(mlir::ModuleOp module) {
  int64_t count = 0;
  module.walk([&](gemma::FusionOp) { ++count; });
  return count;
}
} // namespace

TEST_P(OnCheckpoint, PipelineKeepsLogits) {
  llvm::Expected<Checkpoint> checkpoint = loadCheckpoint(std::string(GEMMAC_TEST_INPUTS "/") + GetParam());
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  mlir::OwningOpRef<mlir::ModuleOp> plain = importText(*context, *checkpoint);
  ASSERT_TRUE(plain);
  mlir::OwningOpRef<mlir::ModuleOp> fused = plain->clone();
  ASSERT_TRUE(runPasses(*plain, "gemma-entries"));
  ASSERT_TRUE(runPasses(*fused, "gemma-pipeline"));
  EXPECT_GT(countFusions(*fused), 0);
  std::vector<float> expected = playScenario(*plain, 1, checkpoint->tensors.get());
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(playScenario(*fused, 1, checkpoint->tensors.get()), expected);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, OnCheckpoint,
                         testing::Values("goldens/e2b-tiny", "goldens/e4b-tiny", "goldens/a4b-tiny",
                                         "goldens/gemma3-tiny", "goldens/unified-tiny", "psalter"));
