// See TestPayload.h.
#include "TestPayload.h"

#include "runtime/PayloadFormat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

namespace gemmac::test {

using nlohmann::json;

TokenizerBlobInput readTokenizerJson(const std::string &path) {
  const json j = json::parse(slurp(path));
  TokenizerBlobInput in;
  in.byteIds.fill(-1);
  const std::map<std::string, int32_t> vocab = j["model"]["vocab"];
  in.pieces.resize(vocab.size());
  for (const auto &[piece, id] : vocab) {
    in.pieces.at(static_cast<size_t>(id)) = piece;
    if (piece.size() == 6 && piece.compare(0, 3, "<0x") == 0)
      in.byteIds[std::stoul(piece.substr(3, 2), nullptr, 16)] = id;
  }
  for (const json &m : j["model"]["merges"]) {
    const std::string left = m[0], right = m[1];
    in.merges.push_back({vocab.at(left), vocab.at(right), vocab.at(left + right)});
  }
  for (const json &t : j["added_tokens"])
    in.special.push_back(t["id"]);
  in.pad = 0, in.eos = 1, in.bos = 2, in.unk = 3;
  return in;
}

const std::string &smallBlob() {
  static const std::string blob =
      writeTokenizerBlob(readTokenizerJson(GEMMAC_TEST_INPUTS "/tokenizer/tokenizer.json"));
  return blob;
}

static json sectionOf(const std::string &name, uint64_t offset, const std::string &data) {
  const XXH128_hash_t h = XXH3_128bits(data.data(), data.size());
  char low[20], high[20];
  std::snprintf(low, sizeof low, "%llx", static_cast<unsigned long long>(h.low64));
  std::snprintf(high, sizeof high, "%llx", static_cast<unsigned long long>(h.high64));
  return {{"name", name}, {"offset", offset}, {"bytes", data.size()}, {"xxh3", {low, high}}};
}

std::string makePayload(const std::string &elf, const std::string &weights, const std::string &tokenizer,
                        const std::string &chatTemplate) {
  const auto pad = [](std::string &s, uint64_t align) { s.resize((s.size() + align - 1) / align * align); };
  std::string file = elf;
  json index = {{"sections", json::array()}};
  pad(file, kPayloadAlign);
  index["sections"].push_back(sectionOf("weights", file.size(), weights));
  file += weights;
  pad(file, 64);
  index["sections"].push_back(sectionOf("tokenizer", file.size(), tokenizer));
  file += tokenizer;
  pad(file, 64);
  if (!chatTemplate.empty()) {
    index["sections"].push_back(sectionOf("template", file.size(), chatTemplate));
    file += chatTemplate;
    pad(file, 64);
  }
  const std::string text = index.dump();
  const XXH128_hash_t h = XXH3_128bits(text.data(), text.size());
  PayloadFooter footer = {file.size(),         text.size(), file.size() + text.size() + sizeof footer,
                          {h.low64, h.high64}, {},          {}};
  std::memcpy(footer.magic, kFooterMagic, sizeof footer.magic);
  file += text;
  return file.append(reinterpret_cast<const char *>(&footer), sizeof footer);
}

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gemmac-rt-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    throw std::runtime_error("no temporary folder");
  path = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

void writeFile(const std::string &path, const std::string &data) {
  std::ofstream(path, std::ios::binary).write(data.data(), static_cast<std::streamsize>(data.size()));
}

std::string slurp(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace gemmac::test
