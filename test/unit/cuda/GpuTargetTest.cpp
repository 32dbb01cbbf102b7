// The table of GPU architectures.
#include "codegen/cuda/GpuTarget.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/StringExtras.h"

#include "gtest/gtest.h"

using namespace gemmac;

namespace {

std::vector<std::string> namesOf(const char *list) {
  std::vector<std::string> names;
  for (const GpuTarget &target : llvm::cantFail(lookupGpuTargets(list)))
    names.push_back(target.name);
  return names;
}

TEST(GpuTarget, FeaturesGrowWithTheArchitecture) {
  auto one = [](const char *name) { return llvm::cantFail(lookupGpuTargets(name)).front(); };
  const GpuTarget ampere = one("sm_80"), ada = one("sm_89"), hopper = one("sm_90a"), b200 = one("sm_100a"),
                  consumer = one("sm_120a");
  for (const GpuTarget &t : {ampere, ada, hopper, b200, consumer}) {
    EXPECT_TRUE(t.cpAsync && t.mmaBf16) << t.name;
    EXPECT_EQ("sm_" + std::to_string(t.capability) + (t.exact ? "a" : ""), t.name);
    EXPECT_EQ(t.bulkCopy, t.capability >= 90) << t.name;
    EXPECT_EQ(t.mmaFp8, t.capability >= 89) << t.name;
    EXPECT_EQ(t.nvfp4, t.capability >= 100) << t.name;
    EXPECT_TRUE(t.multiprocessors > 0 && t.bandwidth > 1e11 && t.bf16Peak > t.bandwidth) << t.name;
    EXPECT_EQ(t.registers, 256 * 256) << "256 threads may have all that a thread can name";
    EXPECT_GE(t.sharedBytes, 99 << 10) << t.name;
  }
  EXPECT_TRUE(hopper.wgmma && !ada.wgmma && !b200.wgmma && !consumer.wgmma);
  EXPECT_TRUE(b200.tcgen05 && !hopper.tcgen05 && !consumer.tcgen05);
  EXPECT_EQ(hopper.sharedBytes, 232448);
  EXPECT_LT(ampere.ptx, ada.ptx);
}

TEST(GpuTarget, ListsComeInTheOrderOfCapabilities) {
  EXPECT_EQ(namesOf("sm_80,sm_120a,sm_90a"), (std::vector<std::string>{"sm_120a", "sm_90a", "sm_80"}));
  std::vector<std::string> all = gpuTargetNames();
  const std::vector<std::string> best(all.rbegin(), all.rend());
  EXPECT_EQ(namesOf(llvm::join(all, ",").c_str()), best);
  EXPECT_EQ(all, (std::vector<std::string>{"sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a"}));
}

TEST(GpuTarget, ListsOfNoUseAreRefused) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "--gpu-arch: found \"\", expected one of sm_80, sm_89, sm_90a, sm_100a, sm_120a"},
      {"sm_90", "--gpu-arch: found \"sm_90\", expected one of sm_80, sm_89, sm_90a, sm_100a, sm_120a"},
      {"sm_80,", "--gpu-arch: found an empty name in \"sm_80,\", expected names separated by single commas"},
      {"sm_80,sm_89,sm_80",
       "--gpu-arch: found sm_80 twice in \"sm_80,sm_89,sm_80\"; name each architecture once"},
      {"sm_80, sm_89",
       "--gpu-arch: found \" sm_89\", expected one of sm_80, sm_89, sm_90a, sm_100a, sm_120a"}};
  for (const auto &[list, message] : cases) {
    auto targets = lookupGpuTargets(list);
    ASSERT_FALSE(static_cast<bool>(targets)) << list;
    llvm::handleAllErrors(targets.takeError(), [&, message = message](const Failure &failure) {
      EXPECT_EQ(failure.exitCode(), ExitCode::Usage);
      EXPECT_EQ(failure.text(), message);
    });
  }
}

} // namespace
