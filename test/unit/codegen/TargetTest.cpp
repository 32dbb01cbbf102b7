// The table of targets.
#include "codegen/Target.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/StringExtras.h"

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
                    "znver4, znver5, sapphirerapids, armv8.2-a+dotprod, armv8.2-a+dotprod+i8mm");
    });
  }
}

std::vector<std::string> namesOf(const std::vector<Target> &targets) {
  std::vector<std::string> names;
  for (const Target &t : targets)
    names.push_back(t.name);
  return names;
}

TEST(Target, ListsComeInTheOrderOfRanks) {
  auto sorted = [](const char *list) { return namesOf(llvm::cantFail(lookupTargets(list))); };
  EXPECT_EQ(sorted("x86-64-v3,x86-64-v4,sapphirerapids,znver5"),
            (std::vector<std::string>{"sapphirerapids", "znver5", "x86-64-v4", "x86-64-v3"}));
  EXPECT_EQ(sorted("znver5,x86-64-v3"), (std::vector<std::string>{"znver5", "x86-64-v3"}));
  EXPECT_EQ(sorted("x86-64-v3"), (std::vector<std::string>{"x86-64-v3"}));
  // --list-targets is in the order of ranks.
  const std::vector<std::string> listed = targetNames();
  const std::pair<Arch, size_t> architectures[] = {{Arch::X86_64, 7}, {Arch::AArch64, 2}};
  for (auto [arch, count] : architectures) {
    std::vector<std::string> names;
    for (const std::string &name : llvm::ArrayRef(listed).drop_front())
      if (llvm::cantFail(lookupTarget(name)).arch == arch)
        names.push_back(name);
    ASSERT_EQ(names.size(), count);
    std::vector<std::string> best(names.rbegin(), names.rend());
    EXPECT_EQ(sorted(llvm::join(names, ",").c_str()), best);
    EXPECT_EQ(sorted(llvm::join(best, ",").c_str()), best);
  }
}

HostCpu hostLike(const char *name, const char *row, llvm::ArrayRef<const char *> lacks = {}) {
  HostCpu host{"x86_64-pc-linux-gnu", name, {}};
  for (const std::string &feature : llvm::cantFail(lookupTarget(row)).features)
    host.features[feature] = !llvm::is_contained(lacks, feature);
  return host;
}

TEST(Target, NativeHasTheNameOfItsFeatures) {
  Target whole = llvm::cantFail(nativeTarget(hostLike("sapphirerapids", "sapphirerapids")));
  EXPECT_EQ(whole.name, "sapphirerapids");
  EXPECT_TRUE(whole.amx);
  Target part = llvm::cantFail(nativeTarget(hostLike("sapphirerapids", "sapphirerapids", {"amx-tile"})));
  EXPECT_EQ(part.name, "native") << "it is not what --march=sapphirerapids makes";
  EXPECT_EQ(part.tune, "sapphirerapids");
  EXPECT_TRUE(part.vnni && !part.amx && !has(part, "amx-bf16"));
  Target odd = llvm::cantFail(nativeTarget(hostLike("rocketlake", "sapphirerapids")));
  EXPECT_EQ(odd.name, "native");
  EXPECT_EQ(odd.tune, "rocketlake");
  EXPECT_EQ(odd.features, whole.features);
  EXPECT_GT(odd.rank, part.rank);
  EXPECT_GE(part.rank, llvm::cantFail(lookupTarget("znver5")).rank) << "the host before its equals";
}

TEST(Target, NativeIsRefusedWhereItCannotBeTold) {
  HostCpu arm = hostLike("neoverse-n1", "armv8.2-a+dotprod");
  arm.triple = "aarch64-unknown-linux-gnu";
  const std::pair<HostCpu, const char *> cases[] = {
      {arm,
       "--march=native: found aarch64, but only x86-64 machines are told apart; name the target instead: "
       "--march=armv8.2-a+dotprod, armv8.2-a+dotprod+i8mm"},
      {hostLike("sandybridge", "x86-64-v3", {"avx2"}), "this CPU (sandybridge) is below x86-64-v3, the least "
                                                       "that gemmac compiles for: it lacks avx2; compile "
                                                       "for another machine with --march=x86-64-v3"}};
  for (const auto &[host, message] : cases) {
    auto target = nativeTarget(host);
    ASSERT_FALSE(static_cast<bool>(target)) << message;
    llvm::handleAllErrors(target.takeError(), [&, message = message](const Failure &failure) {
      EXPECT_EQ(failure.exitCode(), ExitCode::Machine);
      EXPECT_EQ(failure.text(), message);
    });
  }
}

TEST(Target, AArch64) {
  Target dot = llvm::cantFail(lookupTarget("armv8.2-a+dotprod"));
  Target mm = llvm::cantFail(lookupTarget("armv8.2-a+dotprod+i8mm"));
  for (const Target &t : {dot, mm}) {
    EXPECT_EQ(t.arch, Arch::AArch64);
    EXPECT_TRUE(t.dotprod && has(t, "dotprod") && has(t, "neon") && has(t, "lse"));
    EXPECT_FALSE(t.avx512 || t.vnni || t.avxvnni || t.amx || has(t, "avx2"));
    EXPECT_EQ(t.vectorBytes, 16);
    EXPECT_EQ(t.i8mm, has(t, "i8mm"));
  }
  EXPECT_TRUE(mm.i8mm && !dot.i8mm);
  EXPECT_EQ(mm.extras, "+v8.2a,+dotprod,+i8mm");
  EXPECT_STREQ(tripleOf(mm.arch), "aarch64-unknown-linux-gnu");
}

TEST(Target, ListsOfNoUseAreRefused) {
  const std::pair<const char *, const char *> cases[] = {
      {"x86-64-v3,",
       "--march: found an empty name in \"x86-64-v3,\", expected names separated by single commas"},
      {",", "--march: found an empty name in \",\""},
      {"x86-64-v3,,znver5", "--march: found an empty name in"},
      {"x86-64-v3,znver5,x86-64-v3",
       "--march: found x86-64-v3 twice in \"x86-64-v3,znver5,x86-64-v3\"; name each"},
      {"x86-64-v3,skylake", "--march: found \"skylake\", expected one of native"},
      {"armv8.2-a+sve", "--march: found \"armv8.2-a+sve\", expected one of native"},
      {"x86-64-v3,armv8.2-a+dotprod",
       "--march: found x86-64-v3 (x86-64) and armv8.2-a+dotprod (aarch64), expected "
       "one architecture; compile an executable for each"},
      {"x86-64-v3, znver5", "--march: found \" znver5\", expected one of native"}};
  for (const auto &[list, message] : cases) {
    auto targets = lookupTargets(list);
    ASSERT_FALSE(static_cast<bool>(targets)) << list;
    llvm::handleAllErrors(targets.takeError(), [&, message = message](const Failure &failure) {
      EXPECT_EQ(failure.exitCode(), ExitCode::Usage);
      EXPECT_EQ(failure.text().compare(0, std::string(message).size(), message), 0) << failure.text();
    });
  }
}

} // namespace
