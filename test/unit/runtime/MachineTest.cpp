// CPU features, memory from the kernel, and files that appear only when whole.
#include "TestPayload.h"
#include "runtime/Cpu.h"
#include "runtime/Failure.h"
#include "runtime/Memory.h"
#include "runtime/Output.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

namespace gemmac::rt {
namespace {

TEST(Cpu, baselineIsThereAndNonsenseIsNot) {
  EXPECT_TRUE(missingFeatures({"sse", "sse2", "cmov", "cx8", "64bit"}).empty());
  EXPECT_EQ(missingFeatures({"sse2", "no-such-thing"}), (std::vector<std::string>{"no-such-thing"}));
  EXPECT_FALSE(cpuName().empty());
}

TEST(Cpu, agreesWithTheCompilersBuiltin) {
  __builtin_cpu_init();
  EXPECT_EQ(missingFeatures({"avx2"}).empty(), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(missingFeatures({"fma"}).empty(), __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(missingFeatures({"bmi2"}).empty(), __builtin_cpu_supports("bmi2") != 0);
  EXPECT_EQ(missingFeatures({"avx512f"}).empty(), __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(missingFeatures({"avx512bw"}).empty(), __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ(missingFeatures({"avx512vl"}).empty(), __builtin_cpu_supports("avx512vl") != 0);
  EXPECT_EQ(missingFeatures({"avx512vnni"}).empty(), __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(missingFeatures({"sse4.2"}).empty(), __builtin_cpu_supports("sse4.2") != 0);
}

TEST(Cpu, missingFeaturesAreNamed) {
  try {
    requireFeatures({"sse2", "avx99", "amx-wide"});
    FAIL();
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
    EXPECT_NE(std::string(e.what()).find("lacks avx99, amx-wide"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("with a --march that this machine has"), std::string::npos);
  }
  try { // whose compiler has no --march beside --target=cuda
    requireFeatures({"avx99"}, /*emulates=*/true);
    FAIL();
  } catch (const Failure &e) {
    EXPECT_NE(std::string(e.what()).find("compile it again on this machine"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find("--march"), std::string::npos) << e.what();
  }
}

TEST(Memory, regionsAreAlignedAndZero) {
  Region r = Region::anonymous(5 << 20, true, "test");
  EXPECT_EQ(reinterpret_cast<uint64_t>(r.data()) % kHugePage, 0u);
  EXPECT_EQ(r.data()[0], 0);
  EXPECT_EQ(r.data()[(5 << 20) - 1], 0);
  std::memset(r.data(), 1, r.bytes());
  EXPECT_GE(residency(r.data(), r.bytes()).resident, r.bytes());
  EXPECT_GT(memoryUse().anonymous, 0u);
  EXPECT_THROW(Region::anonymous(1ull << 46, false, "too much"), Failure);
  EXPECT_THROW(Region::anonymous(~0ull, false, "too much"), Failure);
}

TEST(OutputFile, appearsOnlyWhenCommitted) {
  test::TempDir dir;
  test::writeFile(dir / "x.npy", "old");
  {
    OutputFile f(dir / "x.npy");
    f.write("half", 4);
  }
  EXPECT_EQ(test::slurp(dir / "x.npy"), "old");
  OutputFile f(dir / "x.npy");
  f.write("new", 3);
  f.commit();
  EXPECT_EQ(test::slurp(dir / "x.npy"), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path), {}), 1) << "nothing else is left";
}

TEST(OutputFile, badPlacesAreRefused) {
  test::TempDir dir;
  EXPECT_THROW(OutputFile(dir / "no/such/file"), Failure);
  EXPECT_THROW(OutputFile(dir.path), Failure);
  EXPECT_THROW(OutputFile(""), Failure);
  try {
    OutputFile full("/dev/full");
    full.write("x", 1);
    FAIL() << "a full disk";
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
  }
}

TEST(NpyWriter, headerIsNumPys) {
  test::TempDir dir;
  const float row[3] = {1, 2, 3};
  {
    NpyWriter w(dir / "a.npy", 2, 3);
    w.row(row);
    w.row(row);
    w.commit();
  }
  const std::string data = test::slurp(dir / "a.npy");
  ASSERT_EQ(data.size() % 64, 24u);
  EXPECT_EQ(data.substr(1, 5), "NUMPY");
  EXPECT_EQ(10u + static_cast<unsigned char>(data[8]), data.size() - 24);
  EXPECT_NE(data.find("'shape': (2, 3), }"), std::string::npos);
  EXPECT_EQ(data[data.size() - 25], '\n');
}

} // namespace
} // namespace gemmac::rt
