// The CPUs that this process may use, and how they share cores, caches and memory: from the affinity mask,
// the cgroup's quota and /sys. What the system does not tell is taken as plainest: a core for each CPU, one
// cache, one node.
#pragma once

#include <string>
#include <vector>

namespace gemmac::rt {

/// --pin: Auto binds workers to CPUs only where the scheduler could do worse and nobody else is pushed aside.
enum class Pin { Auto, On, Off };

/// One CPU. Core and cache are named by the lowest CPU number that shares them.
struct CpuPlace {
  int cpu = 0, core = 0, cache = 0, node = 0;
};

struct Topology {
  std::vector<CpuPlace> cpus; ///< ascending, at least one
  double quota = 0;           ///< CPU seconds per second that the cgroup grants, 0: no limit

  int cores() const;
  int caches() const; ///< last-level caches
  std::vector<int> nodes() const;
  /// A worker for each physical core, not for each of its threads; no more than the quota, rounded up.
  int defaultWorkers() const;
  /// The CPU of each worker: a core each while there are free ones, those that share a cache and a node one
  /// after the other; then the other threads of the cores. Empty if there are more workers than CPUs.
  std::vector<int> place(int workers) const;
  /// The CPUs that `workers` are bound to; empty: they are not. Auto binds where they take all cores and
  /// there is something to choose between (threads of a core, caches, nodes), without a quota. Fails with
  /// exit 2 if On finds more workers than CPUs.
  std::vector<int> pinned(int workers, Pin) const;
  /// "2 CPUs, 2 cores, 1 cache, 1 node, quota 1.5 CPUs"
  std::string text() const;
};

/// CPU numbers of the affinity mask, ascending, at least one.
std::vector<int> affinityCpus();
/// `root` stands before /sys and /proc: empty, or a test's folder.
Topology readTopology(const std::string &root, const std::vector<int> &allowed);
/// Of this process, read once.
const Topology &thisMachine();
/// "2 on 2 CPUs, 2 cores, ..; not bound", of workers bound to `cpus`.
std::string workersText(const Topology &, int workers, const std::vector<int> &cpus);
/// The most workers of -t: more than anybody needs, less than what brings the machine down.
int mostWorkers(const Topology &);

/// Memory that is touched first from now on, and files' pages that are read in, go to all nodes in turn: a
/// model is then read at the sum of the nodes' rates, whichever worker reads what. False, and nothing
/// happens, with one node, where a policy was set from outside (numactl), or where the kernel refuses.
bool interleaveMemory(const Topology &);
/// Binds the calling thread; false if the kernel refuses.
bool bindThread(const std::vector<int> &cpus);

} // namespace gemmac::rt
