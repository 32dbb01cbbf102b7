// Session: however a prompt is cut into steps and over workers, the model sees each token once, in order.
#include "runtime/Session.h"
#include "FakeModel.h"
#include "runtime/CpuExecutor.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>

#include <cstring>

namespace gemmac::rt {
namespace {

using test::fakeCalls;
using test::fakeLogits;
using Ids = std::vector<int32_t>;

Ids someIds(int n) {
  Ids ids{2};
  while (static_cast<int>(ids.size()) < n)
    ids.push_back(static_cast<int32_t>((ids.size() * 7919) % test::kVocab));
  return ids;
}

struct Fixture {
  explicit Fixture(const std::string &changes = "{}")
      : text(test::fakeManifest(changes)), model(test::fakeModel(text)), manifest(readManifest(model)) {}
  std::unique_ptr<Executor> cpu(int workers) const {
    return std::make_unique<CpuExecutor>(manifest, nullptr, workers);
  }
  std::string text;
  GmModel model;
  Manifest manifest;
};

bool same(const float *got, const std::vector<float> &want) {
  return std::memcmp(got, want.data(), want.size() * sizeof(float)) == 0;
}

class Workers : public testing::TestWithParam<int> {};

TEST_P(Workers, lastAllAndDecodeAgree) {
  Fixture f;
  Session s(f.manifest, f.cpu(GetParam()), test::kContext);
  for (int n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 100}) {
    const Ids ids = someIds(n);
    s.reset();
    EXPECT_TRUE(same(s.prefillLast(ids), fakeLogits(ids))) << n;
    EXPECT_EQ(s.position(), n);
    EXPECT_TRUE(same(s.decode(5),
                     [&] {
                       Ids more = ids;
                       more.push_back(5);
                       return fakeLogits(more);
                     }()))
        << n;
    s.reset();
    int64_t rows = 0;
    s.prefillAll(ids, [&](int64_t i, const float *row) {
      EXPECT_EQ(i, rows++);
      EXPECT_TRUE(same(row, fakeLogits(Ids(ids.begin(), ids.begin() + i + 1)))) << n << " row " << i;
    });
    EXPECT_EQ(rows, n);
    s.reset();
    s.prefill(std::span(ids).first(ids.size() - 1));
    EXPECT_TRUE(same(s.decode(ids.back()), fakeLogits(ids))) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Bitwise, Workers, testing::Values(1, 2, 7));

TEST(Session, onlyTheLastChunkComputesLogits) {
  Fixture f;
  Session s(f.manifest, f.cpu(1), test::kContext);
  for (auto &c : fakeCalls)
    c = 0;
  s.prefillLast(someIds(40)); // 16 + 16 without, 8 with logits
  EXPECT_EQ(fakeCalls[1], 2);
  EXPECT_EQ(fakeCalls[2], 1);
  s.reset();
  s.prefillLast(someIds(33)); // a last chunk of one token is no decode step
  EXPECT_EQ(fakeCalls[1], 4);
  EXPECT_EQ(fakeCalls[2], 2);
  EXPECT_EQ(fakeCalls[0], 0);
  s.reset();
  s.prefillLast(someIds(1)); // a lone one is
  EXPECT_EQ(fakeCalls[2], 2);
  EXPECT_EQ(fakeCalls[0], 1);
}

TEST(Session, theLargestLogitsHaveTheirIds) {
  Fixture f;
  Session s(f.manifest, f.cpu(3), test::kContext);
  Ids ids = someIds(5);
  s.prefill(ids);
  const TopLogits top = s.decodeTop(77);
  ids.push_back(77);
  EXPECT_EQ(s.position(), 6);
  const std::vector<float> all = fakeLogits(ids);
  ASSERT_EQ(top.values.size(), 256u);
  for (size_t i = 0; i < top.values.size(); ++i) {
    EXPECT_EQ(top.values[i], all[static_cast<size_t>(top.ids[i])]);
    EXPECT_TRUE(i == 0 || top.values[i] <= top.values[i - 1]);
  }
}

TEST(Session, missingEntriesFallBack) {
  for (const char *absent :
       {R"({"entries": {"prefill_none": null}})", R"({"entries": {"prefill_last": null}})",
        R"({"entries": {"prefill_none": null, "prefill_last": null, "prefill_all": null}})"}) {
    Fixture f(absent);
    Session s(f.manifest, f.cpu(2), test::kContext);
    const Ids ids = someIds(37);
    EXPECT_TRUE(same(s.prefillLast(ids), fakeLogits(ids))) << absent;
    s.reset();
    s.prefillAll(ids, [&](int64_t i, const float *row) {
      EXPECT_TRUE(same(row, fakeLogits(Ids(ids.begin(), ids.begin() + i + 1)))) << absent;
    });
  }
}

TEST(Session, refusesWhatTheContextCannotHold) {
  Fixture f;
  Session s(f.manifest, f.cpu(1), 20);
  s.prefill(someIds(20));
  try {
    s.decode(3);
    FAIL() << "21 tokens in a context of 20";
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kBadInput);
    EXPECT_NE(std::string(e.what()).find("21 tokens do not fit the context of 20"), std::string::npos)
        << e.what();
  }
  s.reset();
  EXPECT_THROW(s.prefillAll(someIds(21), [](int64_t, const float *) { FAIL() << "nothing may run"; }),
               Failure);
}

TEST(Session, refusesMemoryThatIsNotThere) {
  Fixture f(R"({"scratch_bytes": 70000000000000})");
  try {
    f.cpu(3);
    FAIL() << "200 TB of scratch";
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
    EXPECT_NE(std::string(e.what()).find("210000000"), std::string::npos) << e.what();
  }
}

void expectBroken(const std::string &changes, const std::string &mention) {
  try {
    Fixture f(changes);
    FAIL() << changes;
  } catch (const Failure &e) {
    EXPECT_EQ(e.code, kLacking);
    EXPECT_NE(std::string(e.what()).find(mention), std::string::npos) << e.what();
  }
}

TEST(Manifest, damageIsNamed) {
  expectBroken(R"({"vocab": null})", "'vocab'");
  expectBroken(R"({"arena_bytes": null})", "'arena_bytes'");
  expectBroken(R"({"arena_bytes": -1})", "'arena_bytes'");
  expectBroken(R"({"arena_bytes": 18446744073709551615})", "'arena_bytes'");
  expectBroken(R"({"arena_bytes": 5000})", "do not fit the arena of 5000 bytes");
  expectBroken(R"({"name": 3})", "'name'");
  expectBroken(R"({"entries": {"decode": null}})", "'decode'");
  expectBroken(R"({"entries": {"decode": {"stride": 5}}})", "'stride' is 5, expected 2048");
  expectBroken(R"({"entries": {"prefill_all": {"rows": 9}}})", "the logits of entry 'prefill_all' (9 x 2048");
  expectBroken(R"({"entries": {"decode_top": {"stride": 2049}}})", "'stride' is 2049, expected 1..2048");
  expectBroken(R"({"entries": {"decode_top": {"ids": null}}})", "'ids'");
  expectBroken(R"({"entries": {"decode_top": {"ids": 69000}}})", "the ids of entry 'decode_top' (1 x 256");
  expectBroken(R"({"entries": {"decode_top": {"logits": null}}})", "'decode_top' lacks its logits");
  expectBroken(R"({"eos": [2048]})", "2048");
  expectBroken(R"({"phase_bytes": [1]})", "need 2 numbers, found 1");
  expectBroken(R"({"phase_positions": [1, 2, 3]})", "need 2 numbers, found 3");
  expectBroken(R"({"peaks": [{"kind": "f32", "flops": 2}, {"kind": "int8", "flops": 2}]})",
               "peak 1 has no code");
  expectBroken(R"({"peaks": [1, 2, 3, 4]})", "'peaks' is not a list of at most 3");
  expectBroken(R"({"peaks": [{"kind": "f32", "flops": 0}]})", "'flops' is 0");
  GmModel other = test::fakeModel("");
  EXPECT_THROW(readManifest(other), Failure);
  other.abi_version = 9;
  EXPECT_THROW(readManifest(other), Failure);
}

} // namespace
} // namespace gemmac::rt
