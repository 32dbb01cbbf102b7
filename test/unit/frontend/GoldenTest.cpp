// The goldens' checkpoints, where the folder with them is there: each loads, has the tensors and tokens that
// are known of it, and takes milliseconds.
#include "frontend/Checkpoint.h"
#include "frontend/TextTensors.h"

#include "gtest/gtest.h"

using namespace gemmac;

namespace {

struct Golden {
  const char *path;
  Family family;
  const char *prefix;
  size_t layers, used, stored, merges;
  bool vision, audio;
};

class GoldenCheckpoint : public testing::TestWithParam<Golden> {};

TEST_P(GoldenCheckpoint, Loads) {
#ifdef GEMMAC_SHARED
  const Golden &golden = GetParam();
  auto checkpoint = loadCheckpoint(std::string(GEMMAC_SHARED) + "/" + golden.path);
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  EXPECT_EQ(checkpoint->config.family, golden.family);
  EXPECT_EQ(checkpoint->config.tensorPrefix, golden.prefix);
  EXPECT_EQ(checkpoint->config.layers.size(), golden.layers);
  EXPECT_EQ(expectedTensors(checkpoint->config).size(), golden.used);
  EXPECT_EQ(checkpoint->tensors->tensors().size(), golden.stored);
  EXPECT_EQ(checkpoint->tokenizer.merges.size(), golden.merges);
  EXPECT_EQ(checkpoint->config.hasVision, golden.vision);
  EXPECT_EQ(checkpoint->config.hasAudio, golden.audio);
  EXPECT_EQ(checkpoint->tokenizer.bos, 2);
#else
  GTEST_SKIP() << "no folder with goldens";
#endif
}

constexpr Family four = Family::Gemma4;
const char *const whole = "model.language_model.";

INSTANTIATE_TEST_SUITE_P(
    All, GoldenCheckpoint,
    testing::Values(Golden{"goldens/e2b-tiny", four, "model.", 12, 191, 209, 2877, false, false},
                    Golden{"goldens/e4b-tiny", four, whole, 11, 180, 180, 2877, false, false},
                    Golden{"goldens/a4b-tiny", four, whole, 6, 133, 133, 2877, false, false},
                    Golden{"goldens/31b-tiny", four, "model.", 6, 85, 85, 2877, false, false},
                    Golden{"goldens/gemma3-tiny", Family::Gemma3, "model.", 6, 80, 80, 2877, false, false},
                    Golden{"goldens/unified-tiny", Family::Gemma4Unified, whole, 4, 57, 68, 2877, true, true},
                    Golden{"goldens/e2b-vision-audio-tiny", four, whole, 6, 98, 356, 2877, true, true},
                    Golden{"goldens/31b-vision-tiny", four, whole, 4, 56, 87, 2877, true, false},
                    Golden{"models/psalter", four, "model.", 12, 197, 197, 3753, false, false}),
    [](const testing::TestParamInfo<Golden> &info) {
      std::string name = info.param.path;
      for (char &c : name)
        if (!isalnum(static_cast<unsigned char>(c)))
          c = '_';
      return name;
    });

} // namespace
