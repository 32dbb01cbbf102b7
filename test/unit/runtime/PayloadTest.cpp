// Payload: what gemmac wrote comes back; anything cut, grown or damaged is refused with exit 3 before it is
// used.
#include "runtime/Payload.h"
#include "TestPayload.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>

#include <cstring>
#include <unistd.h>

namespace gemmac::rt {
namespace {

using test::TempDir;
using test::writeFile;

std::string someBytes(size_t n) {
  std::string s(n, 0);
  for (size_t i = 0; i < n; ++i)
    s[i] = static_cast<char>(i * 131 >> 3);
  return s;
}

void expectRefused(const std::string &path, const std::string &mention) {
  try {
    Payload p(path);
    FAIL() << "accepted; expected: " << mention;
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
    EXPECT_NE(std::string(e.what()).find(mention), std::string::npos) << e.what();
  }
}

class Mode : public testing::TestWithParam<HugePages> {};

TEST_P(Mode, weightsComeBack) {
  TempDir dir;
  const std::string weights = someBytes((5 << 20) + 777);
  writeFile(dir / "exe", test::makePayload("ELF", weights, "tokenizer"));
  Payload p(dir / "exe");
  EXPECT_EQ(p.elfBytes(), kPayloadAlign);
  const char *data = p.mapWeights(GetParam());
  EXPECT_EQ(reinterpret_cast<uint64_t>(data) % kPayloadAlign, 0u);
  unlink((dir / "exe").c_str()); // the mapping outlives the name
  EXPECT_EQ(std::memcmp(data, weights.data(), weights.size()), 0);
  EXPECT_EQ(std::string(p.tokenizer().data(), p.tokenizer().size()), "tokenizer");
  EXPECT_EQ(p.verify(), "");
  for (bool sample : {false, true}) {
    EXPECT_GE(p.hugePageShare(sample), 0);
    EXPECT_LE(p.hugePageShare(sample), 1);
  }
}

INSTANTIATE_TEST_SUITE_P(HugePages, Mode,
                         testing::Values(HugePages::Auto, HugePages::Map, HugePages::Copy, HugePages::Off));

TEST(Payload, emptySectionsAreFine) {
  TempDir dir;
  writeFile(dir / "exe", test::makePayload("", "", ""));
  Payload p(dir / "exe");
  EXPECT_NE(p.mapWeights(HugePages::Auto), nullptr);
  EXPECT_EQ(p.tokenizer().size(), 0u);
  EXPECT_EQ(p.hugePageShare(true), 0);
}

TEST(Payload, cutOrGrownFilesAreRefused) {
  TempDir dir;
  const std::string whole = test::makePayload("ELF", someBytes(100000), "tokenizer");
  for (const size_t keep : {size_t(0), size_t(3), size_t(63), size_t(64), whole.size() / 2, whole.size() - 64,
                            whole.size() - 1}) {
    writeFile(dir / "exe", whole.substr(0, keep));
    expectRefused(dir / "exe", "truncated, stripped");
  }
  writeFile(dir / "exe", whole + "x");
  expectRefused(dir / "exe", "truncated, stripped");
  writeFile(dir / "exe", whole.substr(4096)); // cut at the front: the footer is whole
  expectRefused(dir / "exe", "its footer says");
  expectRefused(dir / "absent", "cannot open");
}

TEST(Payload, damagedFootersAndIndexesAreRefused) {
  TempDir dir;
  const std::string whole = test::makePayload("ELF", someBytes(1000), "tokenizer");
  const size_t footer = whole.size() - sizeof(PayloadFooter);
  for (size_t byte = 0; byte < 40; ++byte) // offset, length, file size, hash
    for (const int flip : {1, 0x80}) {
      std::string bad = whole;
      bad[footer + byte] = static_cast<char>(bad[footer + byte] ^ flip);
      writeFile(dir / "exe", bad);
      EXPECT_THROW(Payload p(dir / "exe"), Failure) << byte;
    }
  std::string bad = whole;
  bad[footer - 5] ^= 1;
  writeFile(dir / "exe", bad);
  expectRefused(dir / "exe", "does not match its hash");
}

TEST(Payload, verifyNamesTheDamagedSection) {
  TempDir dir;
  std::string bad = test::makePayload("ELF", someBytes(3 << 20), "tokenizer");
  bad[kPayloadAlign + (3 << 20) - 1] ^= 4;
  writeFile(dir / "exe", bad);
  EXPECT_EQ(Payload(dir / "exe").verify(), "weights");
}

} // namespace
} // namespace gemmac::rt
