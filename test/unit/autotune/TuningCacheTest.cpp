// The cache believes only what it wrote itself, whole and for the key that is asked for.
#include "codegen/autotune/TuningCache.h"

#include "gtest/gtest.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gemmac {

namespace {

const std::vector<std::string> kCandidates{"model", "streams=4", "ahead=2048"};

TuningEntry entryOf(const std::string &key, int64_t choice = 1) {
  return {key, kCandidates, {1000, 900, 1100}, choice, "a CPU"};
}

struct TuningCacheTest : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/gemmac-cache-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    base = name;
  }
  void TearDown() override {
    chmod(base.c_str(), 0700);
    llvm::sys::fs::remove_directories(base);
  }
  std::string folder() const { return base + "/not/there/yet"; }
  TuningCache cache() const { return TuningCache(folder()); }
  std::string path() const { return cache().pathOf("key"); }
  void keep(const TuningEntry &entry) {
    std::string text = llvm::toString(cache().store(entry));
    ASSERT_EQ(text, "");
  }
  std::string contents() const {
    std::ifstream file(path(), std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void overwrite(const std::string &text) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
  }
  /// Nothing is found, for this reason.
  void expectIgnored(const std::string &reason, const std::string &what = "") const {
    std::string why;
    EXPECT_FALSE(cache().find("key", kCandidates, why)) << what;
    EXPECT_EQ(why, reason) << what;
  }
  std::string base;
};

TEST_F(TuningCacheTest, WhatIsKeptIsFound) {
  expectIgnored(""); // nothing is there
  keep(entryOf("key"));
  std::string why;
  std::optional<TuningEntry> found = cache().find("key", kCandidates, why);
  ASSERT_TRUE(found) << why;
  EXPECT_EQ(found->choice, 1);
  EXPECT_EQ(found->medians, entryOf("key").medians);
  EXPECT_EQ(found->cpu, "a CPU");
  EXPECT_EQ(path(), folder() + "/2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683.json");
}

TEST_F(TuningCacheTest, TornAtEveryLengthIsIgnored) {
  keep(entryOf("key"));
  const std::string whole = contents();
  ASSERT_GT(whole.size(), 100u);
  for (size_t length = 0; length < whole.size(); ++length) {
    overwrite(whole.substr(0, length));
    std::string why;
    EXPECT_FALSE(cache().find("key", kCandidates, why)) << length << " bytes";
    EXPECT_NE(why, "") << length << " bytes";
  }
  overwrite(whole);
  std::string why;
  EXPECT_TRUE(cache().find("key", kCandidates, why));
}

TEST_F(TuningCacheTest, AnyFlippedBitIsIgnored) {
  keep(entryOf("key"));
  const std::string whole = contents();
  for (size_t at = 0; at < whole.size(); ++at)
    for (int bit : {0, 5}) {
      std::string other = whole;
      other[at] = static_cast<char>(other[at] ^ (1 << bit));
      overwrite(other);
      std::string why;
      EXPECT_FALSE(cache().find("key", kCandidates, why)) << "byte " << at << " bit " << bit;
      EXPECT_NE(why, "");
    }
  overwrite(whole + " ");
  expectIgnored("its checksum is wrong", "trailing byte");
}

TEST_F(TuningCacheTest, ForeignAndOutdatedFilesAreIgnored) {
  keep(entryOf("key"));
  keep(entryOf("another key"));
  ASSERT_EQ(rename(cache().pathOf("another key").c_str(), path().c_str()), 0);
  expectIgnored("it is for another key");

  keep(entryOf("key"));
  std::string text = contents();
  const std::string format = "\"gemmac_autotune\": 1";
  ASSERT_NE(text.find(format), std::string::npos);
  overwrite(text.replace(text.find(format), format.size(), "\"gemmac_autotune\": 2"));
  expectIgnored("it has another format");
  overwrite("[1, 2]\n");
  expectIgnored("it has another format");
  overwrite(std::string(1 << 20, ' '));
  expectIgnored("it is no regular file of at most 65536 bytes");
  ASSERT_EQ(unlink(path().c_str()), 0);
}

/// Whoever may write into the folder must not turn an entry into a way to another file.
TEST_F(TuningCacheTest, LinksAreReplacedAndNotFollowed) {
  const std::string victim = base + "/victim";
  std::ofstream(victim) << "precious";
  ASSERT_FALSE(llvm::sys::fs::create_directories(llvm::sys::path::parent_path(path())));
  for (const std::string &target : {victim, base + "/nowhere"}) {
    ASSERT_EQ(symlink(target.c_str(), path().c_str()), 0);
    expectIgnored("it is a link");
    EXPECT_EQ(llvm::toString(cache().store(entryOf("key"))), "");
    std::string why;
    EXPECT_TRUE(cache().find("key", kCandidates, why)) << why;
    ASSERT_EQ(unlink(path().c_str()), 0);
  }
  std::string text;
  std::getline(std::ifstream(victim) >> std::ws, text);
  EXPECT_EQ(text, "precious");
  EXPECT_FALSE(llvm::sys::fs::exists(base + "/nowhere"));
}

/// Files with a right checksum whose choice this compiler does not offer.
TEST_F(TuningCacheTest, ChoicesOutsideOfTheCandidatesAreIgnored) {
  const std::string reason = "its choice is not among the candidates";
  for (int64_t choice : {int64_t(-1), int64_t(3), INT64_MAX}) {
    keep(entryOf("key", choice));
    expectIgnored(reason);
  }
  TuningEntry other = entryOf("key");
  other.candidates[1] = "streams=3";
  keep(other);
  expectIgnored(reason);
  other = entryOf("key");
  other.medians.pop_back();
  keep(other);
  expectIgnored(reason);
  other = entryOf("key");
  other.medians[2] = -5;
  keep(other);
  expectIgnored(reason);
}

TEST_F(TuningCacheTest, WhatIsNoFileIsIgnored) {
  ASSERT_FALSE(llvm::sys::fs::create_directories(path()));
  expectIgnored("it is no regular file of at most 65536 bytes");
  std::string text = llvm::toString(cache().store(entryOf("key")));
  EXPECT_NE(text.find("cannot be written"), std::string::npos) << text;
  ASSERT_EQ(rmdir(path().c_str()), 0);
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0); // reading it would wait for a writer
  expectIgnored("it is no regular file of at most 65536 bytes");
}

TEST_F(TuningCacheTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(base + "/not") << "a file where the folder would be";
  std::string text = llvm::toString(cache().store(entryOf("key")));
  EXPECT_NE(text.find("cannot create the folder"), std::string::npos) << text;
  expectIgnored("");
}

TEST_F(TuningCacheTest, WithoutAFolderNothingIsKept) {
  TuningCache none("");
  EXPECT_EQ(llvm::toString(none.store(entryOf("key"))), "");
  std::string why;
  EXPECT_FALSE(none.find("key", kCandidates, why));
  EXPECT_EQ(why, "");
}

/// Two processes write the same key over and over; whoever reads meanwhile sees one of the two, whole.
TEST_F(TuningCacheTest, WritersDoNotTearEachOther) {
  keep(entryOf("key", 0));
  std::vector<pid_t> writers;
  for (int64_t choice : {1, 2}) {
    const pid_t writer = fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      bool good = true;
      for (int i = 0; i < 50; ++i)
        good &= llvm::toString(cache().store(entryOf("key", choice))).empty();
      _exit(good ? 0 : 1);
    }
    writers.push_back(writer);
  }
  for (int i = 0; i < 200; ++i) {
    std::string why;
    EXPECT_TRUE(cache().find("key", kCandidates, why)) << why;
  }
  for (pid_t writer : writers) {
    int status = 0;
    ASSERT_EQ(waitpid(writer, &status, 0), writer);
    EXPECT_EQ(status, 0);
  }
  std::string why;
  EXPECT_TRUE(cache().find("key", kCandidates, why));
  int files = 0;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder(), error), end; it != end && !error; it.increment(error))
    ++files;
  EXPECT_EQ(files, 1) << "temporary files are left";
}

TEST(TuningFolder, FollowsTheEnvironment) {
  auto set = [](const char *name, const char *value) { value ? setenv(name, value, 1) : unsetenv(name); };
  const char *cacheWas = std::getenv("XDG_CACHE_HOME"), *homeWas = std::getenv("HOME");
  const std::string cache = cacheWas ? cacheWas : "", home = homeWas ? homeWas : "";
  set("XDG_CACHE_HOME", "/c");
  set("HOME", "/h");
  EXPECT_EQ(defaultTuningFolder(), "/c/gemmac/autotune");
  set("XDG_CACHE_HOME", "not/absolute");
  EXPECT_EQ(defaultTuningFolder(), "/h/.cache/gemmac/autotune");
  set("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(defaultTuningFolder(), "/h/.cache/gemmac/autotune");
  set("HOME", nullptr);
  EXPECT_EQ(defaultTuningFolder(), "");
  set("XDG_CACHE_HOME", cacheWas ? cache.c_str() : nullptr);
  set("HOME", homeWas ? home.c_str() : nullptr);
}

} // namespace
} // namespace gemmac
