// The table of CPU targets. See Target.h.
#include "codegen/Target.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace gemmac {

namespace {

constexpr const char *kLevel3[] = {"sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16",  "sahf",  "avx",
                                   "avx2", "bmi",   "bmi2",   "f16c",   "fma",    "lzcnt", "movbe", "xsave"};
constexpr const char *kLevel4[] = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"};

constexpr const char *kTiles[] = {"amx-tile", "amx-bf16", "avx512bf16"};

struct Row {
  const char *name;
  bool avx512, vnni, amx;
};

/// The levels of the psABI and CPUs whose extensions the emitters use, the most capable last: where an
/// executable has code for several, the last one that the machine can run is run.
constexpr Row kRows[] = {
    {"x86-64-v3", false, false, false},   {"x86-64-v4", true, false, false},
    {"cascadelake", true, true, false},   {"icelake-server", true, true, false},
    {"znver4", true, true, false},        {"znver5", true, true, false},
    {"sapphirerapids", true, true, true},
};

/// By what the instruction sets are worth, then by the place in the table; a CPU that is not in the table is
/// the host, for which its equals would be second best.
int rankOf(const Target &t) {
  const int worth = t.amx ? 4 : t.vnni ? 3 : t.avx512 ? 2 : t.avxvnni ? 1 : 0;
  const auto *row = find_if(kRows, [&](const Row &r) { return t.name == r.name; });
  return worth * 64 + static_cast<int>(row - std::begin(kRows));
}

Target makeTarget(StringRef name, StringRef tune, bool avx512, bool vnni, bool avxvnni, bool amx) {
  Target t;
  t.name = name.str();
  t.cpu = avx512 ? "x86-64-v4" : "x86-64-v3";
  t.tune = tune.str();
  t.avx512 = avx512;
  t.vnni = vnni;
  t.avxvnni = avxvnni;
  t.amx = amx;
  t.features.assign(std::begin(kLevel3), std::end(kLevel3));
  if (avx512)
    t.features.insert(t.features.end(), std::begin(kLevel4), std::end(kLevel4));
  if (vnni)
    t.features.push_back("avx512vnni");
  if (avxvnni)
    t.features.push_back("avxvnni");
  if (vnni || avxvnni)
    t.extras = "+" + t.features.back();
  if (amx) {
    t.features.insert(t.features.end(), std::begin(kTiles), std::end(kTiles));
    for (const char *feature : kTiles)
      t.extras += std::string(",+") + feature;
  }
  t.rank = rankOf(t);
  return t;
}

Expected<Target> nativeTarget() {
  StringMap<bool> host = sys::getHostCPUFeatures();
  auto has = [&](StringRef feature) { return host.lookup(feature); };
  SmallVector<StringRef> missing;
  for (const char *feature : kLevel3)
    if (!has(feature))
      missing.push_back(feature);
  if (!missing.empty())
    return machineError("this CPU (" + sys::getHostCPUName() +
                        ") is below x86-64-v3, the least that gemmac compiles for: it lacks " +
                        join(missing, ", ") + "; compile for another machine with --march=x86-64-v3");
  bool avx512 = all_of(kLevel4, has);
  bool vnni = avx512 && has("avx512vnni");
  return makeTarget(sys::getHostCPUName(), sys::getHostCPUName(), avx512, vnni, !vnni && has("avxvnni"),
                    vnni && all_of(kTiles, has));
}

} // namespace

std::vector<std::string> targetNames() {
  std::vector<std::string> names{"native"};
  for (const Row &row : kRows)
    names.push_back(row.name);
  return names;
}

Expected<Target> lookupTarget(StringRef name) {
  if (name == "native")
    return nativeTarget();
  for (const Row &row : kRows)
    if (name == row.name)
      return makeTarget(row.name, row.name, row.avx512, row.vnni, /*avxvnni=*/false, row.amx);
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
    targets.push_back(std::move(*target));
  }
  llvm::sort(targets, [](const Target &x, const Target &y) { return x.rank > y.rank; });
  return targets;
}

} // namespace gemmac
