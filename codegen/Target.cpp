// The table of CPU targets. See Target.h.
#include "codegen/Target.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace gemmac {

namespace {

constexpr const char *kLevel3[] = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16",  "sahf",  "avx",
                                   "avx2", "bmi",   "bmi2",   "f16c",   "fma",    "lzcnt", "movbe", "xsave"};
constexpr const char *kLevel4[] = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};

constexpr const char *kTiles[] = {"amx-tile", "amx-bf16", "avx512bf16"};

/// Armv8.2 with everything that this level obliges a CPU to have and LLVM makes code of.
constexpr const char *kArmv82[] = {"neon", "lse", "rdm"};

/// Instruction sets that emitters ask for.
enum Has : unsigned { Base = 0, Avx512 = 1, Vnni = 2, AvxVnni = 4, Amx = 8, DotProd = 16, I8mm = 32 };

struct Row {
  const char *name;
  Arch arch;
  unsigned has;
};

/// The levels of the psABI and CPUs whose extensions the emitters use, the most capable of an architecture
/// last: where an executable has code for several, the last one that the machine can run is run.
constexpr Row kRows[] = {
    {"x86-64-v3", Arch::X86_64, Base},
    {"x86-64-v4", Arch::X86_64, Avx512},
    {"cascadelake", Arch::X86_64, Avx512 | Vnni},
    {"icelake-server", Arch::X86_64, Avx512 | Vnni},
    {"znver4", Arch::X86_64, Avx512 | Vnni},
    {"znver5", Arch::X86_64, Avx512 | Vnni},
    {"sapphirerapids", Arch::X86_64, Avx512 | Vnni | Amx},
    {"armv8.2-a+dotprod", Arch::AArch64, DotProd},
    {"armv8.2-a+dotprod+i8mm", Arch::AArch64, DotProd | I8mm},
};

/// By what the instruction sets are worth, then by the place in the table; what is not in the table is
/// `native`, for which its equals would be second best.
int rankOf(const Target &t) {
  const int worth = t.amx ? 4 : t.vnni ? 3 : t.avx512 ? 2 : t.avxvnni || t.i8mm ? 1 : 0;
  const auto *row = find_if(kRows, [&](const Row &r) { return t.name == r.name; });
  return worth * 64 + static_cast<int>(row - std::begin(kRows));
}

/// More features, and the code generator's word for them.
void addFeatures(Target &t, ArrayRef<const char *> features) {
  for (const char *feature : features) {
    t.features.push_back(feature);
    t.extras += (t.extras.empty() ? "+" : ",+") + std::string(feature);
  }
}

void describeX86(Target &t, unsigned has) {
  t.cpu = has & Avx512 ? "x86-64-v4" : "x86-64-v3";
  t.avx512 = has & Avx512;
  t.vnni = has & Vnni;
  t.avxvnni = has & AvxVnni;
  t.amx = has & Amx;
  t.vectorBytes = t.avx512 ? 64 : 32;
  t.features.assign(std::begin(kLevel3), std::end(kLevel3));
  if (t.avx512)
    t.features.insert(t.features.end(), std::begin(kLevel4), std::end(kLevel4));
  if (t.vnni)
    addFeatures(t, {"avx512vnni"});
  if (t.avxvnni)
    addFeatures(t, {"avxvnni"});
  if (t.amx)
    addFeatures(t, kTiles);
}

void describeAArch64(Target &t, unsigned has) {
  t.cpu = "generic";
  t.extras = "+v8.2a";
  t.dotprod = has & DotProd;
  t.i8mm = has & I8mm;
  t.vectorBytes = 16;
  t.features.assign(std::begin(kArmv82), std::end(kArmv82));
  if (t.dotprod)
    addFeatures(t, {"dotprod"});
  if (t.i8mm)
    addFeatures(t, {"i8mm"});
}

Target makeTarget(StringRef name, Arch arch, unsigned has) {
  Target t;
  t.name = name.str();
  t.arch = arch;
  if (arch == Arch::X86_64)
    describeX86(t, has);
  else
    describeAArch64(t, has);
  t.tune = arch == Arch::X86_64 ? t.name : t.cpu;
  t.rank = rankOf(t);
  return t;
}

std::string namesFor(Arch arch) {
  SmallVector<StringRef> names;
  for (const Row &row : kRows)
    if (row.arch == arch)
      names.push_back(row.name);
  return join(names, ", ");
}

} // namespace

Expected<Target> nativeTarget(const HostCpu &host) {
  if (const Triple triple(host.triple); !triple.isX86_64())
    return machineError("--march=native: found " + triple.getArchName() +
                        ", but only x86-64 machines are told apart; name the target instead" +
                        (triple.isAArch64() ? ": --march=" + namesFor(Arch::AArch64) : std::string()));
  auto has = [&](StringRef feature) { return host.features.lookup(feature); };
  SmallVector<StringRef> missing;
  for (const char *feature : kLevel3)
    if (!has(feature))
      missing.push_back(feature);
  if (!missing.empty())
    return machineError("this CPU (" + host.name +
                        ") is below x86-64-v3, the least that gemmac compiles for: it lacks " +
                        join(missing, ", ") + "; compile for another machine with --march=x86-64-v3");
  unsigned sets = Base;
  if (all_of(kLevel4, has))
    sets |= has("avx512vnni") ? Avx512 | Vnni : Avx512;
  if (!(sets & Vnni) && has("avxvnni"))
    sets |= AvxVnni;
  if ((sets & Vnni) && all_of(kTiles, has))
    sets |= Amx;
  // The name says which features the code needs: it is the host's only where that CPU's row has the same.
  const auto *row = find_if(kRows, [&](const Row &r) { return host.name == r.name && r.has == sets; });
  Target target = makeTarget(row == std::end(kRows) ? "native" : row->name, Arch::X86_64, sets);
  target.tune = host.name;
  return target;
}

const char *tripleOf(Arch arch) {
  return arch == Arch::X86_64 ? "x86_64-unknown-linux-gnu" : "aarch64-unknown-linux-gnu";
}

const char *archName(Arch arch) { return arch == Arch::X86_64 ? "x86-64" : "aarch64"; }

std::vector<std::string> targetNames() {
  std::vector<std::string> names{"native"};
  for (const Row &row : kRows)
    names.push_back(row.name);
  return names;
}

Expected<Target> lookupTarget(StringRef name) {
  if (name == "native")
    return nativeTarget({sys::getProcessTriple(), sys::getHostCPUName().str(), sys::getHostCPUFeatures()});
  for (const Row &row : kRows)
    if (name == row.name)
      return makeTarget(row.name, row.arch, row.has);
  return usageError("--march: found \"" + name + "\", expected one of " + join(targetNames(), ", "));
}

Expected<std::vector<Target>> lookupTargets(StringRef list) {
  SmallVector<StringRef> names;
  list.split(names, ',');
  std::vector<Target> targets;
  for (StringRef name : names) {
    if (name.empty() && names.size() > 1)
      return usageError("--march: found an empty name in \"" + list +
                        "\", expected names separated by single commas");
    Expected<Target> target = lookupTarget(name);
    if (!target)
      return target.takeError();
    if (any_of(targets, [&](const Target &other) { return other.name == target->name; }))
      return usageError("--march: found " + target->name + " twice" +
                        (target->name == name ? "" : " (" + name + " is that here)") + " in \"" + list +
                        "\"; name each target once");
    if (!targets.empty() && targets.front().arch != target->arch)
      return usageError("--march: found " + targets.front().name + " (" + archName(targets.front().arch) +
                        ") and " + target->name + " (" + archName(target->arch) +
                        "), expected one architecture; compile an executable for each");
    targets.push_back(std::move(*target));
  }
  llvm::sort(targets, [](const Target &x, const Target &y) { return x.rank > y.rank; });
  return targets;
}

} // namespace gemmac
