// Tiny checkpoints made on the fly: a valid one (two layers, about 60 KB) as data that a test changes before
// it is written to a temporary directory, and the message of whatever went wrong.
#pragma once

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include "gtest/gtest.h"
#include <nlohmann/json.hpp>

#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace gemmac::test {

using Json = nlohmann::ordered_json;

/// A directory that goes away with the object.
class TempDirectory {
public:
  TempDirectory() {
    if (llvm::sys::fs::createUniqueDirectory("gemmac-test", path))
      ADD_FAILURE() << "no temporary directory";
  }
  ~TempDirectory() { llvm::sys::fs::remove_directories(path); }
  TempDirectory(const TempDirectory &) = delete;
  TempDirectory &operator=(const TempDirectory &) = delete;

  std::string str() const { return path.str().str(); }
  std::string file(llvm::StringRef name) const { return (path + "/" + name).str(); }
  /// Writes a file and returns its path.
  std::string write(llvm::StringRef name, llvm::StringRef contents) const {
    std::string whole = file(name);
    std::ofstream(whole, std::ios::binary)
        .write(contents.data(), static_cast<std::streamsize>(contents.size()));
    return whole;
  }

private:
  llvm::SmallString<128> path;
};

/// The message of a failure, or "" of a success.
template <typename T> std::string message(llvm::Expected<T> result) {
  return result ? std::string() : llvm::toString(result.takeError());
}

inline testing::AssertionResult contains(const std::string &text, const std::string &part) {
  if (text.find(part) != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << text << "\" does not contain \"" << part << "\"";
}

struct TestTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};
using Tensors = std::map<std::string, TestTensor>;

/// BF16 of that shape, all elements `bits` (0x3F80 is 1).
inline TestTensor brain(std::vector<int64_t> shape, uint16_t bits = 0x3F80) {
  size_t count = 1;
  for (int64_t n : shape)
    count *= static_cast<size_t>(n);
  TestTensor tensor{"BF16", std::move(shape), {}};
  for (size_t i = 0; i < count; ++i)
    tensor.bytes.append({static_cast<char>(bits & 0xFF), static_cast<char>(bits >> 8)});
  return tensor;
}

inline Json safetensorsHeader(const Tensors &tensors) {
  Json header = Json::object();
  size_t at = 0;
  for (const auto &[name, tensor] : tensors) {
    header[name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  return header;
}

/// Length, header text and then the tensors' bytes.
inline std::string safetensors(const std::string &header, const Tensors &tensors) {
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i)
    file[static_cast<size_t>(i)] = static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i));
  file += header;
  for (const auto &[name, tensor] : tensors)
    file += tensor.bytes;
  return file;
}
inline std::string safetensors(const Tensors &tensors) {
  return safetensors(safetensorsHeader(tensors).dump(), tensors);
}

/// A Gemma 4 text model: hidden 8, vocabulary 272, a sliding layer (head 4) and a full one (head 8), 2 heads
/// on 1.
inline Json microConfig() {
  return Json::parse(R"({
    "model_type": "gemma4_text", "vocab_size": 272, "hidden_size": 8, "intermediate_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "global_head_dim": 8,
    "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8, "rms_norm_eps": 1e-6,
    "final_logit_softcapping": 30.0, "hidden_size_per_layer_input": 0, "max_position_embeddings": 64,
    "rope_parameters": {
      "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6},
      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}})");
}

inline Tensors microTensors(const std::string &prefix = "model.") {
  Tensors all;
  all[prefix + "embed_tokens.weight"] = brain({272, 8});
  all[prefix + "norm.weight"] = brain({8});
  for (int layer = 0; layer < 2; ++layer) {
    std::string in = prefix + "layers." + std::to_string(layer) + ".";
    int64_t head = layer == 0 ? 4 : 8;
    for (const char *norm : {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                             "post_feedforward_layernorm"})
      all[in + norm + ".weight"] = brain({8});
    for (const char *norm : {"q_norm", "k_norm"})
      all[in + "self_attn." + norm + ".weight"] = brain({head});
    all[in + "self_attn.q_proj.weight"] = brain({2 * head, 8});
    all[in + "self_attn.k_proj.weight"] = brain({head, 8});
    all[in + "self_attn.v_proj.weight"] = brain({head, 8});
    all[in + "self_attn.o_proj.weight"] = brain({8, 2 * head});
    all[in + "mlp.gate_proj.weight"] = brain({16, 8});
    all[in + "mlp.up_proj.weight"] = brain({16, 8});
    all[in + "mlp.down_proj.weight"] = brain({8, 16});
    all[in + "layer_scalar"] = brain({1});
  }
  return all;
}

/// 272 pieces: 4 specials, 256 bytes, then h e l o ▁, he, ll, hell, hello and three pieces more.
inline Json microTokenizer() {
  Json vocab = Json::object();
  int id = 0;
  for (const char *piece : {"<pad>", "<eos>", "<bos>", "<unk>"})
    vocab[piece] = id++;
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    snprintf(piece, sizeof piece, "<0x%02X>", static_cast<unsigned>(byte));
    vocab[piece] = id++;
  }
  for (const char *piece : {"h", "e", "l", "o", "\xE2\x96\x81", "he", "ll", "hell", "hello", "x", "y", "z"})
    vocab[piece] = id++;
  Json added = Json::array();
  for (const char *piece : {"<pad>", "<eos>", "<bos>", "<unk>"})
    added.push_back({{"id", vocab[piece]}, {"content", piece}, {"special", true}, {"normalized", false}});
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\xE2\x96\x81"}}},
          {"pre_tokenizer",
           {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"vocab", vocab},
            {"merges", Json::parse(R"([["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"]])")}}}};
}

/// The parts of a checkpoint; change them, then write() them.
struct MicroCheckpoint {
  Json config = microConfig();
  Json tokenizer = microTokenizer();
  Tensors tensors = microTensors();

  void write(const TempDirectory &directory) const {
    directory.write("config.json", config.dump());
    directory.write("tokenizer.json", tokenizer.dump());
    directory.write("model.safetensors", safetensors(tensors));
  }
};

} // namespace gemmac::test
