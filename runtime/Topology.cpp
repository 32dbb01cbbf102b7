// See Topology.h. Files as in the kernel's Documentation/admin-guide/{cputopology,cgroup-v2}.rst.
#include "runtime/Topology.h"

#include "runtime/Failure.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gemmac::rt {

namespace {

constexpr int kMostNodes = 1024;

std::string firstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

/// The lowest of "4,20" or "0-3,8"; `otherwise` if there is none.
int lowest(const std::string &list, int otherwise) {
  const std::optional<int64_t> n = number(list);
  return n && *n >= 0 && *n <= otherwise ? static_cast<int>(*n) : otherwise;
}

/// Whether "0-3,8" has `n`.
bool listHas(std::string_view list, int n) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size()), dash = list.substr(0, comma).find('-');
    const std::optional<int64_t> from = number(list);
    const std::optional<int64_t> to = dash == list.npos ? from : number(list.substr(dash + 1));
    if (from && to && *from <= n && n <= *to)
      return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// The lowest CPU that shares the last level of cache.
int cacheOf(const std::string &cpu, int otherwise) {
  int64_t best = 0;
  int first = otherwise;
  for (int i = 0; i < 16; ++i) {
    const std::string index = cat(cpu, "/cache/index", i);
    const std::optional<int64_t> level = number(firstLine(index + "/level"));
    if (!level)
      break;
    if (*level > best) {
      best = *level;
      first = lowest(firstLine(index + "/shared_cpu_list"), otherwise);
    }
  }
  return best >= 3 ? first : 0; // without a third level the CPUs have no cache in common to keep apart
}

/// Fills in the node of each CPU; each node's list is read once.
void readNodes(const std::string &root, std::vector<CpuPlace> &cpus) {
  const std::string online = firstLine(root + "/sys/devices/system/node/online");
  for (int node = 0; node < kMostNodes; ++node) {
    if (!listHas(online, node))
      continue;
    const std::string list = firstLine(cat(root, "/sys/devices/system/node/node", node, "/cpulist"));
    for (CpuPlace &c : cpus)
      if (listHas(list, c.cpu))
        c.node = node;
  }
}

/// "150000 100000" of version 2; "max" and what is broken are no limit.
double ratio(const std::string &quota, const std::string &period) {
  const std::optional<int64_t> q = number(quota), p = number(period);
  return q && p && *q > 0 && *p > 0 ? static_cast<double>(*q) / static_cast<double>(*p) : 0;
}

/// The quota that a cgroup's own folder states, of version 2 or 1.
double quotaAt(const std::string &folder) {
  std::istringstream both(firstLine(folder + "/cpu.max"));
  std::string quota, period;
  both >> quota >> period;
  if (const double r = ratio(quota, period))
    return r;
  return ratio(firstLine(folder + "/cpu.cfs_quota_us"), firstLine(folder + "/cpu.cfs_period_us"));
}

/// Whether the controllers of a line of /proc/self/cgroup are those of CPU time (version 2 names none).
bool rulesCpu(std::string_view controllers) {
  return controllers.empty() || controllers == "cpu" || controllers.substr(0, 4) == "cpu," ||
         controllers.find(",cpu,") != controllers.npos ||
         (controllers.size() > 4 && controllers.substr(controllers.size() - 4) == ",cpu");
}

/// The least quota of this process's cgroup and those above it. A container may see its own cgroup as the
/// root of the mount, whatever /proc says: that is the last one looked at.
double readQuota(const std::string &root) {
  std::ifstream file(root + "/proc/self/cgroup");
  double least = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos)
      continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!rulesCpu(controllers))
      continue;
    const std::string mount = root + "/sys/fs/cgroup" + (controllers.empty() ? "" : "/" + controllers);
    for (std::string path = line.substr(second + 1);; path.erase(path.rfind('/'))) {
      if (path == "/")
        path.clear();
      if (const double quota = quotaAt(mount + path))
        least = least ? std::min(least, quota) : quota;
      if (path.empty() || path.find('/') == path.npos)
        break;
    }
  }
  return least;
}

template <class Key> int distinct(const std::vector<CpuPlace> &cpus, Key key) {
  std::set<int> seen;
  for (const CpuPlace &c : cpus)
    seen.insert(key(c));
  return static_cast<int>(seen.size());
}

} // namespace

int Topology::cores() const {
  return distinct(cpus, [](const CpuPlace &c) { return c.core; });
}

int Topology::caches() const {
  return distinct(cpus, [](const CpuPlace &c) { return c.cache; });
}

std::vector<int> Topology::nodes() const {
  std::set<int> seen;
  for (const CpuPlace &c : cpus)
    seen.insert(c.node);
  return {seen.begin(), seen.end()};
}

int Topology::defaultWorkers() const {
  const int most = quota > 0 ? std::max(1, static_cast<int>(std::ceil(std::min(quota, 1e6)))) : cores();
  return std::min({cores(), most, mostWorkers(*this)});
}

std::vector<int> Topology::place(int workers) const {
  if (workers > static_cast<int>(cpus.size()))
    return {};
  std::vector<CpuPlace> order = cpus;
  std::sort(order.begin(), order.end(), [](const CpuPlace &a, const CpuPlace &b) {
    return std::tuple(a.node, a.cache, a.cpu) < std::tuple(b.node, b.cache, b.cpu);
  });
  std::set<int> taken;
  std::vector<int> first, rest;
  for (const CpuPlace &c : order)
    (taken.insert(c.core).second ? first : rest).push_back(c.cpu);
  first.insert(first.end(), rest.begin(), rest.end());
  first.resize(static_cast<size_t>(workers));
  return first;
}

std::vector<int> Topology::pinned(int workers, Pin pin) const {
  const bool choice = cpus.size() > static_cast<size_t>(cores()) || caches() > 1 || nodes().size() > 1;
  if (pin == Pin::Off || (pin == Pin::Auto && (workers != cores() || !choice || quota > 0)))
    return {};
  if (workers > static_cast<int>(cpus.size()))
    throw Failure(kBadUsage, cat("--pin=on: found ", workers, " workers (-t), but this process may use ",
                                 cpus.size(), " CPUs; use as many workers or fewer"));
  return place(workers);
}

std::string Topology::text() const {
  const auto counted = [](size_t n, const char *what) { return cat(n, " ", what, n == 1 ? "" : "s"); };
  std::string s =
      cat(counted(cpus.size(), "CPU"), ", ", counted(static_cast<size_t>(cores()), "core"), ", ",
          counted(static_cast<size_t>(caches()), "last-level cache"), ", ", counted(nodes().size(), "node"));
  if (quota > 0) {
    char text[48];
    std::snprintf(text, sizeof text, ", quota %.4g CPUs", quota);
    s += text;
  }
  return s;
}

std::vector<int> affinityCpus() {
  // The kernel refuses masks smaller than its own: grow until it fits.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC(static_cast<size_t>(cpus));
    if (!set)
      break;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(cpus));
    std::vector<int> list;
    if (sched_getaffinity(0, bytes, set) == 0)
      for (int cpu = 0; cpu < cpus; ++cpu)
        if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set))
          list.push_back(cpu);
    CPU_FREE(set);
    if (!list.empty())
      return list;
  }
  return {0};
}

Topology readTopology(const std::string &root, const std::vector<int> &allowed) {
  Topology t;
  for (int cpu : allowed) {
    const std::string folder = cat(root, "/sys/devices/system/cpu/cpu", cpu);
    t.cpus.push_back(
        {cpu, lowest(firstLine(folder + "/topology/thread_siblings_list"), cpu), cacheOf(folder, cpu), 0});
  }
  readNodes(root, t.cpus);
  if (t.cpus.empty())
    t.cpus.push_back({});
  t.quota = readQuota(root);
  return t;
}

const Topology &thisMachine() {
  static const Topology topology = readTopology("", affinityCpus());
  return topology;
}

std::string workersText(const Topology &machine, int workers, const std::vector<int> &bound) {
  std::string cpus;
  for (int cpu : bound)
    cpus += cat(cpus.empty() ? "bound to CPU " : ",", cpu);
  return cat(workers, " on ", machine.text(), "; ", cpus.empty() ? "not bound" : cpus);
}

int mostWorkers(const Topology &t) {
  constexpr int kAlways = 64, kMost = 1024, kPerCpu = 4;
  return std::min(kMost,
                  std::max(kAlways, kPerCpu * static_cast<int>(std::min<size_t>(t.cpus.size(), kMost))));
}

bool interleaveMemory(const Topology &t) {
  constexpr int kDefault = 0, kInterleave = 3, kBits = 64; // MPOL_.. of linux/mempolicy.h
  const std::vector<int> nodes = t.nodes();
  int policy = kDefault;
  if (nodes.size() < 2 || syscall(SYS_get_mempolicy, &policy, nullptr, 0ul, nullptr, 0ul) != 0 ||
      policy != kDefault)
    return false;
  unsigned long mask[kMostNodes / kBits] = {};
  for (int node : nodes)
    if (node < kMostNodes)
      mask[node / kBits] |= 1ul << node % kBits;
  return syscall(SYS_set_mempolicy, kInterleave, mask, static_cast<unsigned long>(kMostNodes) + 1) == 0;
}

bool bindThread(const std::vector<int> &cpus) {
  const size_t most = static_cast<size_t>(*std::max_element(cpus.begin(), cpus.end())) + 1;
  cpu_set_t *set = CPU_ALLOC(most);
  if (!set)
    return false;
  const size_t bytes = CPU_ALLOC_SIZE(most);
  CPU_ZERO_S(bytes, set);
  for (int cpu : cpus)
    CPU_SET_S(static_cast<size_t>(cpu), bytes, set);
  const bool bound = sched_setaffinity(0, bytes, set) == 0;
  CPU_FREE(set);
  return bound;
}

} // namespace gemmac::rt
