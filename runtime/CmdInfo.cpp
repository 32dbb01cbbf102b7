// info: what was compiled and how it lies in memory; verify: every byte of the payload against its hash.
// Neither runs the model, so both work on machines it cannot run on.
#include "runtime/Commands.h"
#include "runtime/Conversation.h"
#include "runtime/Cpu.h"
#include "runtime/Device.h"
#include "runtime/Failure.h"
#include "runtime/Output.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace gemmac::rt {

using nlohmann::json;

static std::string listed(const std::vector<std::string> &list) { return list.empty() ? "none" : join(list); }

static std::string sized(uint64_t bytes) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f MiB (%llu bytes)", static_cast<double>(bytes) / (1 << 20),
                static_cast<unsigned long long>(bytes));
  return text;
}

/// `unit`: what has scratch of its own.
static std::string planText(const json &plan, const char *unit) {
  std::string s;
  for (const char *key : {"activations", "kv", "scratch"})
    if (plan.contains(key) && plan[key].is_number_unsigned())
      s += cat("  ", key, ": ", sized(plan[key].get<uint64_t>()),
               key == std::string_view("scratch") ? cat(" a ", unit) : "", "\n");
  const json none = json::array();
  for (const json &cache : plan.contains("caches") && plan["caches"].is_array() ? plan["caches"] : none)
    s += cat("  cache ", cache.value("name", "?"), ": ", cache.value("slots", 0), " slots, ",
             sized(cache.value("bytes", uint64_t(0))), "\n");
  return s;
}

/// The targets of an executable that has several, most capable first: what each lacks here, which is used.
static std::string targetsText(const Targets &targets) {
  std::string s;
  for (const Manifest &m : targets.all()) {
    const std::vector<std::string> missing = missingFeatures(m.features);
    const bool chosen = &m == &targets.chosen() && targets.runs();
    s += cat("  ", targetName(m), ": ",
             chosen            ? "used here"
             : missing.empty() ? "not used here"
                               : "lacks ",
             missing.empty() ? "" : join(missing), ", prefill rows ", m.prefillNone.rows, ", arena ",
             sized(m.arenaBytes), "\n");
  }
  return targets.all().size() > 1 ? cat("targets:\n", s) : "";
}

/// What --autotune chose, where the executable was compiled with it.
static std::string autotuneText(const json &j) {
  if (!j.contains("autotune") || !j["autotune"].is_object())
    return "";
  const json &tuned = j["autotune"], none = json::array();
  const json &choices = tuned.contains("choices") && tuned["choices"].is_array() ? tuned["choices"] : none;
  std::string s = cat("autotune: ", tuned.value("kernels", 0), " kernels, of which ", choices.size(),
                      " differ from the model's choice, ",
                      tuned.contains("chunk") ? cat("chunks of ", tuned.value("chunk", 0), " rows, ") : "",
                      "sha256 ", tuned.value("sha256", "unknown"), "\n");
  for (const json &choice : choices)
    s += cat("  ", choice.is_string() ? choice.get<std::string>() : choice.dump(), "\n");
  return s;
}

static json targetsJson(const Targets &targets) {
  json list = json::array();
  for (const Manifest &m : targets.all())
    list.push_back({{"march", targetName(m)},
                    {"features", m.features},
                    {"missing_features", missingFeatures(m.features)},
                    {"used", &m == &targets.chosen() && targets.runs()}});
  return list;
}

static std::string cpuText(const Manifest &m, const Options &o) {
  const Topology &machine = thisMachine();
  return cat("target: ", m.target, ", march ", listed(m.march), ", needs ", listed(m.features), "\n",
             "this machine: ", cpuName(), ", lacks ", listed(missingFeatures(m.features)), "\n",
             "workers: ", workersText(machine, o.workers, machine.pinned(o.workers, o.pin)), "\n");
}

static std::string gpuText(const Manifest &m, const DeviceReport &r) {
  uint64_t shared = 0;
  for (const auto &[arch, bytes] : m.gpu.sharedBytes)
    shared = std::max(shared, bytes);
  std::string s =
      cat("target: ", m.target, ", code for ", listed(m.gpu.archs), ", blocks of ", m.gpu.threads,
          " threads with ", m.gpu.archs.size() > 1 ? "up to " : "", sized(shared), " of shared memory\n");
  if (!r.problem.empty())
    s += cat("this machine: cannot run it: ", r.problem, "\n");
  if (!r.name.empty())
    s += cat("this machine: ", r.name, ", runs ", r.code, "\n", r.units, "\n",
             "memory of the GPU: ", sized(totalBytes(r.memory)), " needed (", memoryText(r.memory), "), ",
             sized(r.freeBytes), " free\n");
  if (r.hostBytes)
    s += cat("pinned memory of the host: ", sized(r.hostBytes), " (tables of embeddings)\n");
  return s;
}

static json gpuJson(const DeviceReport &r) {
  json memory = json::array();
  for (const MemoryPart &part : r.memory)
    memory.push_back({{"name", part.name}, {"bytes", part.bytes}});
  return {{"problem", r.problem},
          {"name", r.name},
          {"code", r.code},
          {"units", r.units},
          {"free_bytes", r.freeBytes},
          {"needed_bytes", totalBytes(r.memory)},
          {"host_bytes", r.hostBytes},
          {"memory", std::move(memory)}};
}

static std::string infoText(const Program &p, const std::string &machine, const json &j) {
  const Manifest &m = p.manifest;
  char share[32];
  std::snprintf(share, sizeof share, "%.0f %%", 100 * j["huge_page_share"].get<double>());
  std::string s = cat("model: ", m.name, " (", m.family, "), ", m.parameters, " parameters, ", m.layers,
                      " layers, hidden ", m.hidden, ", vocabulary ", m.vocab, "\n");
  s += cat("quantize: ", m.quantize, ", compute ", m.compute, ", kv ", m.kv, "\n");
  s += machine;
  if (!m.emulates.empty())
    s += cat("emulates: the code for a GPU of ", m.emulates, ", a block for each worker; slow: for tests\n");
  s += targetsText(p.targets);
  s += cat("context: ", m.context, ", window ", m.window, ", prefill rows ", m.prefillNone.rows, "\n");
  s += cat("fusions: ", j.contains("fusions") ? listed(j["fusions"].get<std::vector<std::string>>()) : "none",
           "\n");
  s += autotuneText(j);
  s += cat("weights: ", sized(p.payload.weightBytes()), ", read per decoded token ", sized(m.bytesPerToken),
           ", in 2 MiB pages ", share, "\n");
  s += cat("executable: ", sized(p.payload.fileBytes()), ", without weights ", sized(p.payload.elfBytes()),
           "\n");
  s += cat("arena: ", sized(m.arenaBytes), "\n");
  if (j.contains("plan") && j["plan"].is_object())
    s += planText(j["plan"], m.device ? "block" : "worker");
  s += cat("template: ", m.hasTemplate ? "yes" : "no", "\n");
  s += cat("oldest glibc: ", j.value("glibc", "unknown"), "\n");
  const json none = json::array();
  for (const json &text : j.contains("notes") && j["notes"].is_array() ? j["notes"] : none)
    s += cat("note: ", text.is_string() ? text.get<std::string>() : text.dump(), "\n");
  return s += cat("gemmac: ", m.version, "\n");
}

int infoCommand(const Program &p, const Options &o) {
  p.payload.mapWeights(o.hugePages);
  json j = json::parse(p.manifest.text);
  j["file_bytes"] = p.payload.fileBytes();
  j["elf_bytes"] = p.payload.elfBytes();
  j["huge_page_share"] = p.payload.hugePageShare(/*sample=*/true);
  j["missing_features"] = missingFeatures(p.manifest.features);
  j["cpu"] = cpuName();
  DeviceReport device;
  if (p.manifest.device) {
    device = p.manifest.device->report(p.manifest, p.payload.weightBytes());
    j["this_gpu"] = gpuJson(device);
  } else {
    j["workers"] = o.workers;
    j["bound_cpus"] = thisMachine().pinned(o.workers, o.pin);
    j["cpu_places"] = thisMachine().text();
  }
  j["targets"] = targetsJson(p.targets);
  for (const Section &s : p.payload.sections()) {
    char hash[40];
    std::snprintf(hash, sizeof hash, "%016llx%016llx", static_cast<unsigned long long>(s.hash[1]),
                  static_cast<unsigned long long>(s.hash[0]));
    j["sections"].push_back({{"name", s.name}, {"offset", s.offset}, {"bytes", s.bytes}, {"xxh3", hash}});
  }
  const std::string machine = p.manifest.device ? gpuText(p.manifest, device) : cpuText(p.manifest, o);
  writeOut(o.json ? j.dump(1) + "\n" : infoText(p, machine, j));
  return kDone;
}

int verifyCommand(const Program &p, const Options &) {
  const std::string wrong = p.payload.verify();
  if (!wrong.empty())
    throw Failure(kLacking, cat("section '", wrong,
                                "' does not match its hash: the file was damaged; copy it again from "
                                "the original or compile it again"));
  const std::span<const char> blob = p.payload.tokenizer();
  if (const char *broken = checkTokenizerBlob(blob.data(), blob.size()))
    throw Failure(kLacking, broken);
  if (p.manifest.hasTemplate)
    openTemplate(p, Tokenizer(blob));
  uint64_t bytes = 0;
  for (const Section &s : p.payload.sections())
    bytes += s.bytes;
  writeOut(cat("ok: ", p.payload.sections().size(), " sections, ", bytes, " bytes match their hashes\n"));
  return kDone;
}

} // namespace gemmac::rt
