// See Model.h. Offsets and sizes are checked here once, against the arena, so that nothing later needs to.
#include "runtime/Model.h"

#include "runtime/Failure.h"
#include "runtime/Memory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gemmac::rt {

using nlohmann::json;

[[noreturn]] static void broken(const std::string &what) {
  throw Failure(kLacking, cat("the executable's manifest is broken: ", what, "; compile the model again"));
}

static const json &at(const json &j, const char *key) {
  auto it = j.find(key);
  if (it == j.end())
    broken(cat("'", key, "' is missing"));
  return *it;
}

static int64_t integer(const json &j, const char *key, int64_t lo, int64_t hi) {
  const json &v = at(j, key);
  if (!v.is_number_integer())
    broken(cat("'", key, "' is ", v.dump(), ", expected an integer"));
  if (v.is_number_unsigned() && v.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    broken(cat("'", key, "' is ", v.dump(), ", expected at most ", hi));
  const int64_t n = v.get<int64_t>();
  if (n < lo || n > hi)
    broken(cat("'", key, "' is ", n, ", expected ", lo, "..", hi));
  return n;
}

static uint64_t size(const json &j, const char *key) {
  return static_cast<uint64_t>(integer(j, key, 0, 1ll << 46));
}

static std::string text(const json &j, const char *key) {
  const json &v = at(j, key);
  if (!v.is_string())
    broken(cat("'", key, "' is ", v.dump(), ", expected a string"));
  return v.get<std::string>();
}

static double number(const json &j, const char *key, double otherwise) {
  auto it = j.find(key);
  if (it == j.end() || it->is_null())
    return otherwise;
  if (!it->is_number() || !std::isfinite(it->get<double>()))
    broken(cat("'", key, "' is ", it->dump(), ", expected a number"));
  return it->get<double>();
}

/// An array of T, empty where the key is missing.
template <class T> static std::vector<T> list(const json &j, const std::string &key) {
  auto it = j.find(key);
  if (it == j.end() || it->is_null())
    return {};
  try {
    return it->get<std::vector<T>>();
  } catch (const json::exception &) {
    broken(cat("'", key, "' is not a list of the right kind"));
  }
}

/// `rows` x `columns` elements of 4 bytes.
static void checkRoom(const char *name, const char *what, uint64_t offset, uint64_t rows, int64_t columns,
                      const Manifest &m) {
  uint64_t bytes = 0, end = 0;
  if (!mulOk(static_cast<uint64_t>(columns) * sizeof(float), rows, bytes) || !addOk(offset, bytes, end) ||
      end > m.arenaBytes || offset % sizeof(float) != 0)
    broken(cat("the ", what, " of entry '", name, "' (", rows, " x ", columns, " of 4 bytes at byte ", offset,
               ") do not fit the arena of ", m.arenaBytes, " bytes"));
}

static Entry readEntry(const json &entries, const char *name, GmEntry run, bool everyRow, const Manifest &m,
                       bool top = false) {
  Entry e;
  e.name = name;
  auto it = entries.find(name);
  if (it == entries.end() || it->is_null())
    return e;
  const auto ofEntry = [&](const GmImage &image) { return std::string_view(image.entry) == name; };
  if (m.device ? std::none_of(m.images.begin(), m.images.end(), ofEntry) : !run)
    broken(cat("entry '", name, "' has no code"));
  e.run = run;
  e.everyRow = everyRow;
  e.rows = integer(*it, "rows", 1, 1 << 20);
  e.phases = it->contains("phases") ? integer(*it, "phases", 0, 1 << 24) : 0;
  if (!it->contains("logits"))
    return e;
  e.logits = size(*it, "logits");
  e.stride = top ? integer(*it, "stride", 1, m.vocab) : integer(*it, "stride", m.vocab, 1ll << 32);
  checkRoom(name, "logits", e.logits, everyRow ? static_cast<uint64_t>(e.rows) : 1, e.stride, m);
  if (top) {
    e.ids = size(*it, "ids");
    checkRoom(name, "ids", e.ids, 1, e.stride, m);
  }
  return e;
}

static void readEntries(const json &j, const GmModel &model, Manifest &m) {
  const json &entries = at(j, "entries");
  if (!entries.is_object())
    broken("'entries' is not an object");
  m.decode = readEntry(entries, "decode", model.decode, false, m);
  m.prefillNone = readEntry(entries, "prefill_none", model.prefill_none, false, m);
  m.prefillLast = readEntry(entries, "prefill_last", model.prefill_last, false, m);
  m.prefillAll = readEntry(entries, "prefill_all", model.prefill_all, true, m);
  m.decodeTop = readEntry(entries, "decode_top", model.decode_top, false, m, /*top=*/true);
  if (m.decodeTop && !m.decodeTop.stride)
    broken("entry 'decode_top' lacks its logits");
  if (!m.decode || !m.decode.stride)
    broken("entry 'decode' with logits is missing");
  for (const Entry *e : {&m.prefillLast, &m.prefillAll})
    if (*e && !e->stride)
      broken("a prefill entry lacks its logits");
}

/// The images and what they need. Before the entries, which must have some.
static void readGpu(const json &j, const GmModel &model, Manifest &m) {
  if ((m.target == "cuda") != (model.device != nullptr))
    broken(cat("'target' is ", m.target, ", and its code is for a ", model.device ? "GPU" : "CPU"));
  if (!model.device)
    return;
  m.device = model.device;
  m.images.assign(model.images, model.images + model.image_count);
  for (const GmImage &image : m.images)
    if (!image.size || (image.ptx && static_cast<const char *>(image.data)[image.size - 1] != 0))
      broken(cat("the code of entry '", image.entry, "' for ", image.arch, " is not whole"));
  const json &gpu = at(j, "gpu");
  if (!gpu.is_object())
    broken("'gpu' is not an object");
  m.gpu.archs = list<std::string>(gpu, "archs");
  m.gpu.threads = integer(gpu, "threads", 32, 1024);
  const json &shared = at(gpu, "shared_bytes");
  for (const GmImage &image : m.images)
    m.gpu.sharedBytes[image.arch] =
        static_cast<uint64_t>(integer(shared, image.arch, 0, std::numeric_limits<int32_t>::max()));
}

static void readTokens(const json &j, Manifest &m) {
  auto bos = j.find("bos");
  m.bos = bos == j.end() || bos->is_null() ? -1 : static_cast<int32_t>(integer(j, "bos", -1, m.vocab - 1));
  m.eos = list<int32_t>(j, "eos");
  m.suppress = list<int32_t>(j, "suppress");
  if (j.contains("placeholders")) {
    m.placeholders = list<int32_t>(j, "placeholders");
    m.pad = static_cast<int32_t>(integer(j, "pad", 0, m.vocab - 1));
  }
  for (const auto *ids : {&m.eos, &m.suppress, &m.placeholders})
    for (int32_t id : *ids)
      if (id < 0 || id >= m.vocab)
        broken(cat("token id ", id, " is not in 0..", m.vocab - 1));
  m.hasTemplate = at(j, "has_template").is_boolean() && at(j, "has_template").get<bool>();
  if (auto it = j.find("sampling"); it != j.end() && it->is_object()) {
    SamplingDefaults &s = m.sampling;
    s.doSample = !it->contains("do_sample") || at(*it, "do_sample") != json(false);
    s.temperature = number(*it, "temperature", 1);
    s.topP = number(*it, "top_p", 1);
    s.minP = number(*it, "min_p", 0);
    s.repeatPenalty = number(*it, "repeat_penalty", 1);
    s.topK = static_cast<int64_t>(number(*it, "top_k", 0));
  }
  if (const double cap = number(j, "softcap", 0); cap > 0)
    m.softcap = cap;
}

static PhaseList readPhases(const json &j, const std::string &prefix) {
  const std::string bytes = prefix + "phase_bytes", flops = prefix + "phase_flops";
  const std::string positions = prefix + "phase_positions";
  PhaseList phases{list<std::string>(j, prefix + "phases"),
                   list<double>(j, bytes),
                   list<double>(j, flops),
                   list<double>(j, positions),
                   list<std::string>(j, prefix + "phase_work"),
                   list<int64_t>(j, prefix + "phase_tasks")};
  for (size_t size : {phases.work.size(), phases.tasks.size()})
    if (size && size != phases.names.size())
      broken(cat("'", prefix, "phase_work' and '", prefix, "phase_tasks' need ", phases.names.size(),
                 " entries, found ", size));
  for (const auto *v : {&phases.bytes, &phases.flops, &phases.positions})
    if (!v->empty() && v->size() != phases.names.size())
      broken(cat("'", bytes, "', '", flops, "' and '", positions, "' need ", phases.names.size(),
                 " numbers, found ", v->size()));
  return phases;
}

static void readPhaseNames(const json &j, Manifest &m) {
  m.decode.phaseNames = m.decodeTop.phaseNames = m.phases.names;
  m.prefillNone.phaseNames = m.prefillPhases.names;
  m.prefillLast.phaseNames = list<std::string>(j, "prefill_last_phases");
  m.prefillAll.phaseNames = list<std::string>(j, "prefill_all_phases");
  if (!m.emulates.empty()) // its barriers are not the runtime's: a step is one span
    for (Entry *entry : {&m.decode, &m.decodeTop, &m.prefillNone, &m.prefillLast, &m.prefillAll})
      entry->phaseNames.clear();
}

static void readPeaks(const json &j, const GmModel &model, Manifest &m) {
  const json none = json::array();
  const json &peaks = j.contains("peaks") ? j["peaks"] : none;
  if (!peaks.is_array() || peaks.size() > GM_PEAKS)
    broken(cat("'peaks' is not a list of at most ", GM_PEAKS));
  for (size_t i = 0; i < peaks.size(); ++i) {
    if (!model.peaks[i])
      broken(cat("peak ", i, " has no code"));
    m.peaks.push_back({text(peaks[i], "kind"), model.peaks[i],
                       static_cast<double>(integer(peaks[i], "flops", 1, 1 << 30))});
  }
  for (auto [key, kind] : {std::pair("decode_peak", &m.decodePeak), {"prefill_peak", &m.prefillPeak}})
    if (j.contains(key))
      *kind = text(j, key);
}

/// The rings of the plan; nothing if one lacks its sizes: then no position can be gone back to.
static void readCaches(const json &j, Manifest &m) {
  const json plan = j.value("plan", json::object());
  if (!plan.is_object() || !plan.contains("caches") || !plan["caches"].is_array())
    return;
  std::vector<CacheRing> rings;
  for (const json &cache : plan["caches"]) {
    if (!cache.is_object() || !cache.contains("slots") || !cache.contains("window"))
      return;
    rings.push_back({integer(cache, "slots", 0, 1ll << 40), integer(cache, "window", 0, 1ll << 40)});
  }
  m.caches = std::move(rings);
}

Manifest readManifest(const GmModel &model) {
  if (model.abi_version != GM_ABI_VERSION)
    broken(cat("abi version ", model.abi_version, ", expected ", GM_ABI_VERSION));
  Manifest m;
  m.text = {model.manifest, model.manifest_size};
  const json j = json::parse(m.text, nullptr, /*allow_exceptions=*/false);
  if (!j.is_object())
    broken("it is not a JSON object");
  m.version = text(j, "gemmac");
  m.name = text(j, "name");
  m.family = text(j, "family");
  m.target = text(j, "target");
  if (j.contains("tables_at"))
    m.tablesAt = static_cast<uint64_t>(integer(j, "tables_at", 0, std::numeric_limits<int64_t>::max()));
  if (j.contains("emulates"))
    m.emulates = text(j["emulates"], "arch");
  m.quantize = text(j, "quantize");
  m.compute = text(j, "compute");
  m.kv = text(j, "kv");
  m.march = list<std::string>(j, "march");
  m.features = list<std::string>(j, "features");
  m.vocab = integer(j, "vocab", 1, 1 << 24);
  m.hidden = integer(j, "hidden", 1, 1 << 24);
  m.layers = integer(j, "layers", 1, 1 << 16);
  m.context = integer(j, "context", 1, 1 << 30);
  m.window = j.contains("window") ? integer(j, "window", 0, 1 << 30) : 0;
  m.arenaBytes = size(j, "arena_bytes");
  m.scratchBytes = size(j, "scratch_bytes");
  m.counters = static_cast<uint64_t>(integer(j, "counters", 0, 1 << 24));
  m.parameters = size(j, "parameters");
  m.weightBytes = size(j, "weight_bytes");
  m.bytesPerToken = size(j, "bytes_per_token");
  readGpu(j, model, m);
  readEntries(j, model, m);
  readTokens(j, m);
  m.phases = readPhases(j, "");
  m.prefillPhases = readPhases(j, "prefill_");
  m.stream = model.stream;
  readPhaseNames(j, m);
  readPeaks(j, model, m);
  readCaches(j, m);
  return m;
}

int64_t Manifest::mostRows() const {
  return std::max({decode.rows, decodeTop.rows, prefillNone.rows, prefillLast.rows, prefillAll.rows});
}

bool Manifest::isStop(int32_t id) const { return std::find(eos.begin(), eos.end(), id) != eos.end(); }

} // namespace gemmac::rt
