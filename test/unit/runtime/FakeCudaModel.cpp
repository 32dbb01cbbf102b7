// See FakeCudaModel.h.
#include "FakeCudaModel.h"

#include <nlohmann/json.hpp>

namespace gemmac::test {

static constexpr const char *kEntries[] = {"decode", "decode_top", "prefill_none", "prefill_last",
                                           "prefill_all"};

static std::string manifestText(const std::string &changes, const std::vector<FakeCode> &codes) {
  nlohmann::json j = nlohmann::json::parse(fakeManifest(R"({"target": "cuda", "march": [], "features": [],
"peaks": null, "decode_peak": null, "prefill_peak": null,
"gpu": {"archs": [], "threads": 256, "shared_bytes": {}}})"));
  for (const FakeCode &code : codes)
    j["gpu"]["archs"].push_back(code.arch), j["gpu"]["shared_bytes"][code.arch] = 1024;
  j.merge_patch(nlohmann::json::parse(changes));
  return j.dump();
}

FakeCudaModel::FakeCudaModel(const std::string &changes, const std::vector<FakeCode> &codes)
    : manifest(manifestText(changes, codes)) {
  for (const FakeCode &code : codes)
    archs.push_back(code.arch);
  const auto text = [](const FakeCode &code, const char *entry) {
    return code.ptx ? ".version 8.6 .target " + code.arch + " .entry gm_" + entry + "()"
                    : "\x7f"
                      "ELF " +
                          code.arch + " gm_" + entry + "()";
  };
  for (const FakeCode &code : codes)
    for (const char *entry : kEntries)
      texts.push_back(text(code, entry));
  for (size_t i = 0; i < texts.size(); ++i) {
    const FakeCode &code = codes[i / std::size(kEntries)];
    images.push_back({kEntries[i % std::size(kEntries)], archs[i / std::size(kEntries)].c_str(), code.ptx, 0,
                      texts[i].c_str(), texts[i].size() + code.ptx});
  }
  model.abi_version = GM_ABI_VERSION;
  model.manifest = manifest.data();
  model.manifest_size = manifest.size();
  model.image_count = images.size();
  model.images = images.data();
  model.device = &gm_cuda;
}

} // namespace gemmac::test
