// Which code runs on which GPU: the driver's rules, case by case.
#include "runtime/cuda/Images.h"

#include <gtest/gtest.h>

#include <vector>

namespace gemmac::rt::cuda {
namespace {

GmImage cubin(const char *arch, const char *entry = "decode") { return {entry, arch, 0, 0, "x", 1}; }
GmImage ptx(const char *arch, const char *entry = "decode") { return {entry, arch, 1, 0, "", 1}; }

TEST(CudaImages, namesOfArchitectures) {
  EXPECT_EQ(parseArch("sm_90a")->capability, (Capability{9, 0}));
  EXPECT_TRUE(parseArch("sm_90a")->exact);
  EXPECT_EQ(parseArch("sm_89")->capability, (Capability{8, 9}));
  EXPECT_FALSE(parseArch("sm_89")->exact);
  EXPECT_EQ(parseArch("sm_120a")->capability, (Capability{12, 0}));
  for (const char *wrong : {"", "sm_", "sm_a", "sm_9", "sm_90b", "sm_90aa", "sm_-90", "compute_90", "90"})
    EXPECT_FALSE(parseArch(wrong)) << wrong;
}

/// The name of what is chosen.
std::string chosen(std::vector<GmImage> images, Capability gpu) {
  const GmImage *image = chooseImage(images, "decode", gpu);
  return image ? imageName(*image) : "none";
}

TEST(CudaImages, cubinsRunWithinTheirMajorVersion) {
  EXPECT_EQ(chosen({cubin("sm_80")}, {8, 0}), "sm_80");
  EXPECT_EQ(chosen({cubin("sm_80")}, {8, 6}), "sm_80");
  EXPECT_EQ(chosen({cubin("sm_89")}, {8, 6}), "none");
  EXPECT_EQ(chosen({cubin("sm_80")}, {9, 0}), "none");
  EXPECT_EQ(chosen({cubin("sm_80")}, {7, 5}), "none");
}

TEST(CudaImages, codeForOneArchitectureRunsThereOnly) {
  EXPECT_EQ(chosen({cubin("sm_90a")}, {9, 0}), "sm_90a");
  EXPECT_EQ(chosen({cubin("sm_100a")}, {10, 3}), "none");
  EXPECT_EQ(chosen({ptx("sm_90a")}, {10, 0}), "none");
  EXPECT_EQ(chosen({ptx("sm_90a")}, {9, 0}), "PTX for sm_90a");
}

TEST(CudaImages, ptxIsForWhatComesLater) {
  EXPECT_EQ(chosen({ptx("sm_80")}, {8, 0}), "PTX for sm_80");
  EXPECT_EQ(chosen({ptx("sm_80")}, {12, 1}), "PTX for sm_80");
  EXPECT_EQ(chosen({ptx("sm_80")}, {7, 5}), "none");
}

TEST(CudaImages, theBestOfSeveral) {
  const std::vector<GmImage> all{ptx("sm_80"), cubin("sm_80"), cubin("sm_89"), cubin("sm_90"),
                                 cubin("sm_90a")};
  EXPECT_EQ(chosen(all, {8, 0}), "sm_80");
  EXPECT_EQ(chosen(all, {8, 9}), "sm_89");
  EXPECT_EQ(chosen(all, {9, 0}), "sm_90a");
  EXPECT_EQ(chosen(all, {10, 0}), "PTX for sm_80");
  EXPECT_EQ(chosen({all.rbegin(), all.rend()}, {9, 0}), "sm_90a") << "whatever the order";
  EXPECT_EQ(chosen({ptx("sm_80"), ptx("sm_90")}, {9, 0}), "PTX for sm_90");
}

TEST(CudaImages, entriesAreApart) {
  const std::vector<GmImage> all{cubin("sm_80", "prefill_none"), cubin("sm_80")};
  EXPECT_EQ(chooseImage(all, "decode", {8, 0}), &all[1]);
  EXPECT_EQ(chooseImage(all, "decode_top", {8, 0}), nullptr);
}

TEST(CudaImages, allNamesOnce) {
  const std::vector<GmImage> all{cubin("sm_90a"), cubin("sm_90a", "prefill_none"), ptx("sm_80")};
  EXPECT_EQ(imageNames(all), "sm_90a, PTX for sm_80");
}

} // namespace
} // namespace gemmac::rt::cuda
