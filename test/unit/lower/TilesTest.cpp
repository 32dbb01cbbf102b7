// How products are cut into tasks.
#include "passes/lower/Tiles.h"

#include "dialect/step/Layout.h"

#include <gtest/gtest.h>

using namespace gemmac;
using namespace gemmac::lower;
using step::Format;

TEST(Tiles, LargeVocabularyGetsEightPanels) {
  EXPECT_EQ(pickTile({262144}, 1536, Format::Q4P16), 128);
  EXPECT_EQ(pickTile({262144}, 1536, Format::Q8P16), 128);
}

TEST(Tiles, TasksStayBelow256KilobytesWherePossible) {
  // 16 rows of 6144 bf16 are 192 KiB already.
  EXPECT_EQ(pickTile({1536}, 6144, Format::BF16P16), 16);
  EXPECT_EQ(pickTile({1536}, 6144, Format::Q4P16), 64);
  for (int64_t k : {256, 1536, 2560, 3840, 5376})
    for (Format format : {Format::F32P16, Format::BF16P16, Format::Q8P16, Format::Q4P16}) {
      int64_t tile = pickTile({8192}, k, format);
      EXPECT_TRUE(tile == 16 || tile / 16 * panelBytes(format, k) <= 256 << 10) << k;
    }
}

TEST(Tiles, SmallModelsGetFewerAndLargerTasks) {
  // 160 x 160: ten tasks of 6 KB would cost more to claim than to compute.
  EXPECT_EQ(pickTile({160}, 160, Format::BF16P16), 32);
  EXPECT_EQ(pickTile({160}, 160, Format::F32P16), 16);
}

TEST(Tiles, PrefersTilesWithoutPadding) {
  EXPECT_EQ(pickTile({48}, 64, Format::Q4P16), 16);
  // Nothing divides 24: tiles of 32 pad no more than those of 16.
  EXPECT_EQ(pickTile({96, 24, 24}, 64, Format::Q4P16), 32);
  // More than an eighth of padding is too much: the least there is.
  EXPECT_EQ(pickTile({40}, 64, Format::Q4P16), 16);
  EXPECT_EQ(paddedRows({96, 24, 24}, 16), 96 + 32 + 32);
}

TEST(Tiles, InterleavedTilesDivideTheOutputs) {
  EXPECT_EQ(pickInterleavedTile(6144, 2, 1536, Format::Q4P16), 64);
  EXPECT_EQ(pickInterleavedTile(6144, 2, 1536, Format::BF16P16), 32);
  EXPECT_EQ(pickInterleavedTile(96, 2, 64, Format::Q4P16), 16);
  // A task is at least 16 columns of each source.
  EXPECT_EQ(pickInterleavedTile(8, 2, 64, Format::Q4P16), 16);
}

TEST(Tiles, ManyWorkersGetMoreAndSmallerTasks) {
  EXPECT_EQ(pickTile({1536}, 6144, Format::Q4P16, 128), 16);
  EXPECT_EQ(pickTile({12288}, 1536, Format::Q4P16, 128), 64);
  EXPECT_EQ(pickInterleavedTile(6144, 2, 1536, Format::Q4P16, 128), 32);
}

TEST(Tiles, EpilogueFitsWholeHeadsOfWholePanels) {
  EXPECT_TRUE(epilogueFits(256, 256));
  EXPECT_TRUE(epilogueFits(64, 32));
  EXPECT_FALSE(epilogueFits(16, 24));
  EXPECT_FALSE(epilogueFits(24, 24));
  EXPECT_FALSE(epilogueFits(256, 512));
  EXPECT_FALSE(epilogueFits(16, 0));
}
