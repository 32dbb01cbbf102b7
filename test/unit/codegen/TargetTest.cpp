// The table of targets.
#include "codegen/Target.h"

#include "frontend/Diagnostic.h"

#include "gtest/gtest.h"

#include <algorithm>

using namespace gemmac;

namespace {

bool has(const Target &t, const char *feature) {
  return std::find(t.features.begin(), t.features.end(), feature) != t.features.end();
}

TEST(Target, Levels) {
  Target v3 = llvm::cantFail(lookupTarget("x86-64-v3"));
  EXPECT_FALSE(v3.avx512 || v3.vnni || v3.avxvnni);
  EXPECT_TRUE(has(v3, "avx2") && has(v3, "fma") && has(v3, "f16c"));
  EXPECT_FALSE(has(v3, "avx512f"));
  Target v4 = llvm::cantFail(lookupTarget("x86-64-v4"));
  EXPECT_TRUE(v4.avx512 && !v4.vnni && v4.extras.empty());
  EXPECT_TRUE(has(v4, "avx512bw") && !has(v4, "avx512vnni"));
}

TEST(Target, CpusWithVnni) {
  for (const char *name : {"cascadelake", "icelake-server", "sapphirerapids", "znver4", "znver5"}) {
    Target t = llvm::cantFail(lookupTarget(name));
    EXPECT_TRUE(t.avx512 && t.vnni && has(t, "avx512vnni")) << name;
    EXPECT_EQ(t.name, name);
    EXPECT_EQ(t.amx, name == llvm::StringRef("sapphirerapids")) << name;
    EXPECT_EQ(t.amx, has(t, "amx-tile") && has(t, "amx-bf16") && has(t, "avx512bf16")) << name;
    EXPECT_EQ(t.extras, t.amx ? "+avx512vnni,+amx-tile,+amx-bf16,+avx512bf16" : "+avx512vnni");
  }
}

TEST(Target, UnknownNamesAreRefusedWithTheList) {
  for (const char *name : {"", "skylake", "x86-64", "armv8"}) {
    auto t = lookupTarget(name);
    ASSERT_FALSE(static_cast<bool>(t)) << name;
    llvm::handleAllErrors(t.takeError(), [&](const Failure &failure) {
      EXPECT_EQ(failure.exitCode(), ExitCode::Usage);
      EXPECT_EQ(failure.text(),
                "--march: found \"" + std::string(name) +
                    "\", expected one of native, x86-64-v3, x86-64-v4, cascadelake, icelake-server, "
                    "sapphirerapids, znver4, znver5");
    });
  }
}

} // namespace
