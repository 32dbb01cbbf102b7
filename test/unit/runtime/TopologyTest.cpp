// Cores, caches, nodes and quotas from a fake /sys and /proc, and what is chosen by them.
#include "runtime/Topology.h"
#include "TestPayload.h"
#include "runtime/Failure.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

namespace gemmac::rt {
namespace {

class FakeSystem : public testing::Test {
protected:
  void file(const std::string &path, const std::string &text) {
    std::filesystem::create_directories(std::filesystem::path(dir.path + path).parent_path());
    test::writeFile(dir.path + path, text + "\n");
  }
  void cpu(int n, const std::string &siblings, const std::string &shareL3) {
    const std::string folder = cat("/sys/devices/system/cpu/cpu", n);
    file(folder + "/topology/thread_siblings_list", siblings);
    file(folder + "/cache/index0/level", "1");
    file(folder + "/cache/index0/shared_cpu_list", siblings);
    file(folder + "/cache/index1/level", "3");
    file(folder + "/cache/index1/shared_cpu_list", shareL3);
  }
  /// Two nodes of two cores of two threads each: CPU n and n + 4 are one core, even cores on node 0.
  void twoNodes() {
    for (int n = 0; n < 8; ++n)
      cpu(n, cat(n % 4, ",", n % 4 + 4), n % 2 ? "1,3,5,7" : "0,2,4,6");
    file("/sys/devices/system/node/online", "0-1");
    file("/sys/devices/system/node/node0/cpulist", "0,2,4,6");
    file("/sys/devices/system/node/node1/cpulist", "1,3,5,7");
  }
  Topology read(const std::vector<int> &allowed) { return readTopology(dir.path, allowed); }

  test::TempDir dir;
  const std::vector<int> all{0, 1, 2, 3, 4, 5, 6, 7};
};

using Cpus = std::vector<int>;

TEST_F(FakeSystem, threadsOfACoreAreOneWorker) {
  twoNodes();
  const Topology t = read(all);
  EXPECT_EQ(t.cores(), 4);
  EXPECT_EQ(t.caches(), 2);
  EXPECT_EQ(t.nodes(), (Cpus{0, 1}));
  EXPECT_EQ(t.defaultWorkers(), 4);
  EXPECT_EQ(t.text(), "8 CPUs, 4 cores, 2 last-level caches, 2 nodes");
}

TEST_F(FakeSystem, coresFirstThenTheirOtherThreads) {
  twoNodes();
  const Topology t = read(all);
  EXPECT_EQ(t.place(8), (Cpus{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(t.place(3), (Cpus{0, 2, 1}));
  EXPECT_EQ(t.place(9), (Cpus{}));
}

TEST_F(FakeSystem, onlyTheMaskCounts) {
  twoNodes();
  const Topology t = read({3, 4, 7});
  EXPECT_EQ(t.cores(), 2) << "3 and 7 are one core; 4's other thread is not ours";
  EXPECT_EQ(t.defaultWorkers(), 2);
  EXPECT_EQ(t.place(2), (Cpus{4, 3}));
  EXPECT_EQ(read({1, 3}).nodes(), (Cpus{1}));
}

TEST_F(FakeSystem, autoBindsOnlyWhereThereIsAChoiceAndNobodyElse) {
  twoNodes();
  Topology t = read(all);
  EXPECT_EQ(t.pinned(4, Pin::Auto), (Cpus{0, 2, 1, 3}));
  EXPECT_EQ(t.pinned(2, Pin::Auto), (Cpus{})) << "another process may have the other cores";
  EXPECT_EQ(t.pinned(2, Pin::On), (Cpus{0, 2}));
  EXPECT_EQ(t.pinned(4, Pin::Off), (Cpus{}));
  EXPECT_EQ(read({0, 2}).pinned(2, Pin::Auto), (Cpus{})) << "one node, one cache, one thread a core";
  t.quota = 4;
  EXPECT_EQ(t.pinned(4, Pin::Auto), (Cpus{}));
}

TEST_F(FakeSystem, bindingMoreWorkersThanCpusIsRefused) {
  twoNodes();
  try {
    read({0, 1}).pinned(3, Pin::On);
    FAIL();
  } catch (const Failure &f) {
    EXPECT_EQ(f.code, kBadUsage);
    EXPECT_NE(std::string(f.what()).find("found 3 workers (-t), but this process may use 2 CPUs"),
              std::string::npos)
        << f.what();
  }
}

TEST_F(FakeSystem, quotaOfVersion2IsTheLeastOnTheWayUp) {
  twoNodes();
  file("/proc/self/cgroup", "0::/a/b");
  file("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  EXPECT_EQ(read(all).quota, 0);
  file("/sys/fs/cgroup/a/cpu.max", "150000 100000");
  EXPECT_EQ(read(all).quota, 1.5);
  EXPECT_EQ(read(all).defaultWorkers(), 2) << "rounded up";
  file("/sys/fs/cgroup/cpu.max", "50000 100000"); // a container's own group is the root of its mount
  EXPECT_EQ(read(all).quota, .5);
  EXPECT_EQ(read(all).defaultWorkers(), 1);
  EXPECT_EQ(read(all).text(), "8 CPUs, 4 cores, 2 last-level caches, 2 nodes, quota 0.5 CPUs");
}

TEST_F(FakeSystem, quotaOfVersion1) {
  twoNodes();
  file("/proc/self/cgroup", "3:cpuset:/x\n2:cpu,cpuacct:/g\n0::/\n");
  file("/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "-1");
  file("/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "100000");
  EXPECT_EQ(read(all).quota, 0);
  file("/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "300000");
  EXPECT_EQ(read(all).quota, 3);
  EXPECT_EQ(read(all).defaultWorkers(), 3);
}

TEST_F(FakeSystem, nothingKnownIsACoreEach) {
  const Topology t = read({0, 1, 5});
  EXPECT_EQ(t.cores(), 3);
  EXPECT_EQ(t.caches(), 1);
  EXPECT_EQ(t.nodes(), (Cpus{0}));
  EXPECT_EQ(t.place(3), (Cpus{0, 1, 5}));
  EXPECT_EQ(read({}).defaultWorkers(), 1);
}

TEST_F(FakeSystem, nonsenseIsTakenAsNotKnown) {
  twoNodes();
  file("/sys/devices/system/cpu/cpu5/topology/thread_siblings_list", "-7,x");
  file("/sys/devices/system/cpu/cpu6/topology/thread_siblings_list", "99999999999999999999");
  file("/sys/devices/system/node/online", "0-,1-x");
  file("/proc/self/cgroup", "no colons\n0::/\n");
  file("/sys/fs/cgroup/cpu.max", "-5 zero");
  const Topology t = read(all);
  EXPECT_EQ(t.cores(), 6);
  EXPECT_EQ(t.quota, 0);
}

TEST(Topology, limitOfWorkersFollowsTheMachine) {
  Topology t;
  t.cpus.resize(2);
  EXPECT_EQ(mostWorkers(t), 64);
  t.cpus.resize(128);
  EXPECT_EQ(mostWorkers(t), 512);
  t.cpus.resize(4096);
  EXPECT_EQ(mostWorkers(t), 1024);
}

TEST(Topology, thisMachineIsPlausible) {
  const Topology &t = thisMachine();
  EXPECT_EQ(t.cpus.size(), affinityCpus().size());
  EXPECT_GE(t.defaultWorkers(), 1);
  EXPECT_LE(t.defaultWorkers(), t.cores());
}

int memoryPolicy() {
  int policy = -1;
  syscall(SYS_get_mempolicy, &policy, nullptr, 0ul, nullptr, 0ul);
  return policy;
}

TEST(Topology, interleavesOnlyWhereNobodyChoseAPolicy) {
  Topology one, two;
  one.cpus.resize(2);
  two.cpus = {{0, 0, 0, 0}, {1, 1, 1, 1}};
  constexpr int kDefault = 0, kPreferred = 1, kInterleave = 3;
  bool refused = false;
  std::thread([&] { // a policy is a thread's own
    unsigned long node0 = 1;
    if (memoryPolicy() != kDefault || syscall(SYS_set_mempolicy, kPreferred, &node0, 65ul) != 0) {
      refused = true;
      return;
    }
    EXPECT_FALSE(interleaveMemory(two));
    EXPECT_EQ(memoryPolicy(), kPreferred) << "the user's";
    ASSERT_EQ(syscall(SYS_set_mempolicy, kDefault, nullptr, 0ul), 0);
    EXPECT_FALSE(interleaveMemory(one));
    EXPECT_EQ(memoryPolicy(), kDefault);
    EXPECT_TRUE(interleaveMemory(two));
    EXPECT_EQ(memoryPolicy(), kInterleave);
  })
      .join();
  if (refused)
    GTEST_SKIP() << "the kernel lets nobody set a memory policy here";
}

TEST(Topology, bindsAndUnbinds) {
  const Cpus before = affinityCpus();
  ASSERT_TRUE(bindThread({before.back()}));
  EXPECT_EQ(affinityCpus(), (Cpus{before.back()}));
  EXPECT_TRUE(bindThread(before));
  EXPECT_EQ(affinityCpus(), before);
  EXPECT_FALSE(bindThread({100000})) << "no such CPU";
}

} // namespace
} // namespace gemmac::rt
