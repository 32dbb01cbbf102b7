// See GgufConfig.h. Sizes that no key gives (vocabulary, K = V, rotated pairs) are read off the tensors.
#include "frontend/GgufConfig.h"

#include "frontend/ModelFamily.h"

#include <cmath>

#include <set>

using namespace gemmac;

namespace {

/// What the readers below share.
struct Reader {
  const GgufFile &gguf;
  GgufMetadata keys;
  std::string prefix; ///< "gemma4."
  ModelConfig config;
  bool gemma3;

  std::string at(llvm::StringRef key) const { return prefix + key.str(); }
  InputCheck &check() const { return keys.problems(); }
  int64_t size(llvm::StringRef key, int64_t high) const { return keys.integer(at(key), 1, high); }
  const TensorInfo *tensor(llvm::StringRef name) const { return findByName(gguf.tensors(), name); }
};

void readArchitecture(Reader &reader) {
  llvm::StringRef arch = reader.keys.string("general.architecture");
  if (reader.check().failed())
    return;
  if (arch != "gemma4" && arch != "gemma3")
    return reader.check().fail("general.architecture", "found \"" + arch + "\", expected gemma4 or gemma3");
  reader.gemma3 = arch == "gemma3";
  reader.prefix = arch.str() + ".";
  reader.config.modelType = arch.str();
  reader.config.family = reader.gemma3 ? Family::Gemma3 : Family::Gemma4;
  reader.config.layerScalar = reader.config.valueNorm = !reader.gemma3;
  reader.config.naming = TensorNaming::Gguf;
  llvm::StringRef type = reader.keys.stringOr("general.type", "model");
  if (type != "model")
    reader.check().fail("general.type", "found \"" + type + "\", expected \"model\"",
                        "a projector or an adapter is no model: give the model's file");
}

/// Vocabulary and width from the embedding, which no key says.
void readEmbeddings(Reader &reader) {
  ModelConfig &config = reader.config;
  config.hidden = reader.size("embedding_length", maxHidden);
  config.maxPositions = reader.size("context_length", maxPosition);
  const TensorInfo *table = reader.tensor("token_embd.weight");
  if (!table || table->shape.size() != 2 || table->shape[0] > maxVocab)
    return reader.check().fail("token_embd.weight", table ? "found shape " + shapeText(table->shape) +
                                                                ", expected [vocabulary, " +
                                                                llvm::Twine(config.hidden) + "]"
                                                          : "missing, expected the embedding of the tokens");
  config.vocab = table->shape[0];
  if (reader.tensor("output.weight"))
    reader.check().fail("output.weight", "an untied output matrix, which no Gemma model has",
                        "convert the file from the original checkpoint");
  config.pleDim = reader.keys.integerOr(reader.at("embedding_length_per_layer_input"), 0, 0, maxHidden);
  if (config.pleDim == 0)
    return;
  const TensorInfo *perLayer = reader.tensor("per_layer_token_embd.weight");
  if (!perLayer || perLayer->shape.size() != 2 || perLayer->shape[0] > maxVocab)
    return reader.check().fail("per_layer_token_embd.weight",
                               "missing or not a matrix, but " +
                                   reader.at("embedding_length_per_layer_input") + " is " +
                                   llvm::Twine(config.pleDim));
  config.pleVocab = perLayer->shape[0];
  if (config.pleVocab < config.vocab)
    reader.check().fail("per_layer_token_embd.weight",
                        "found " + llvm::Twine(config.pleVocab) + " rows, expected at least the " +
                            llvm::Twine(config.vocab) + " of token_embd.weight");
}

void readNumbers(Reader &reader) {
  ModelConfig &config = reader.config;
  config.eps = reader.keys.numberOr(reader.at("attention.layer_norm_rms_epsilon"), 1e-6, {kLeastPositive, 1});
  // The file stores an f32; the model was trained with the decimal that this f32 is nearest to.
  if (std::fabs(config.eps - 1e-6) < 1e-12)
    config.eps = 1e-6;
  double softcap =
      reader.keys.numberOr(reader.at("final_logit_softcapping"), reader.gemma3 ? 0 : 30, {0, 1e6});
  if (softcap != 0 && softcap < kLeastPositive)
    reader.check().fail(reader.at("final_logit_softcapping"),
                        "found " + JsonValue::makeNumber(softcap).describe() +
                            ", expected 0 (none) or at least " +
                            JsonValue::makeNumber(kLeastPositive).describe());
  else if (softcap > 0)
    config.finalSoftcap = softcap;
  config.experts = reader.keys.integerOr(reader.at("expert_count"), 0, 0, maxExperts);
  if (config.experts > 0) {
    config.topK = reader.keys.integer(reader.at("expert_used_count"), 1, config.experts);
    config.expertIntermediate = reader.size("expert_feed_forward_length", maxIntermediate);
  }
  config.visionBidirectional = !reader.gemma3 && config.pleDim == 0;
}

/// Which layers are full: an array of "is sliding", or every n-th (gemma3: 6 where nothing is said).
void readPattern(Reader &reader) {
  std::vector<LayerConfig> &layers = reader.config.layers;
  std::string key = reader.at("attention.sliding_window_pattern");
  const GgufValue *value = reader.gguf.find(key);
  if (value && value->array) {
    std::vector<int64_t> sliding = reader.keys.integers(key, layers.size(), 0, 1);
    for (size_t i = 0; i < layers.size(); ++i)
      layers[i].full = sliding[i] == 0;
    return;
  }
  if (!value && !reader.gemma3)
    return reader.check().fail(key, "missing, expected an array of booleans, one for each layer");
  int64_t period = reader.keys.integerOr(key, 6, 1, maxLayers);
  for (size_t i = 0; i < layers.size(); ++i)
    layers[i].full = static_cast<int64_t>(i + 1) % period == 0;
}

void readHeads(Reader &reader) {
  std::vector<LayerConfig> &layers = reader.config.layers;
  int64_t heads = reader.size("attention.head_count", maxHeads);
  std::vector<int64_t> kv =
      reader.keys.integers(reader.at("attention.head_count_kv"), layers.size(), 1, maxHeads);
  int64_t full = reader.size("attention.key_length", maxHeadDim);
  int64_t sliding = reader.keys.integerOr(reader.at("attention.key_length_swa"), full, 1, maxHeadDim);
  for (auto [key, length] :
       {std::pair("attention.value_length", full), std::pair("attention.value_length_swa", sliding)})
    if (reader.keys.integerOr(reader.at(key), length, 1, maxHeadDim) != length)
      return reader.check().fail(reader.at(key),
                                 "differs from the length of the keys, which no Gemma model has");
  for (size_t i = 0; i < layers.size(); ++i) {
    LayerConfig &layer = layers[i];
    layer.heads = heads;
    layer.kvHeads = kv[i];
    layer.headDim = layer.full ? full : sliding;
    if (heads % kv[i] != 0 || layer.headDim % 2 != 0)
      return reader.check().fail(
          reader.at(heads % kv[i] != 0 ? "attention.head_count_kv" : "attention.key_length"),
          "layer " + llvm::Twine(i) + " has " + llvm::Twine(heads) + " query heads, " + llvm::Twine(kv[i]) +
              " key heads of " + llvm::Twine(layer.headDim) +
              " elements, expected a divisor and an even number");
    layer.valueFromKey = !reader.gemma3 && layer.full &&
                         reader.tensor("blk." + std::to_string(i) + ".attn_k.weight") &&
                         !reader.tensor("blk." + std::to_string(i) + ".attn_v.weight");
  }
  // The scale of Gemma 3 has no key: 1/sqrt(head size), but in the 27B (62 layers) hidden size by heads.
  if (reader.gemma3)
    reader.config.attentionScale =
        1 / std::sqrt(layers.size() == 62
                          ? static_cast<double>(reader.config.hidden) / static_cast<double>(heads)
                          : static_cast<double>(full));
}

/// Pairs of a full layer's heads that rotate: rope_freqs divides their angles by 1, and those of the others
/// by 1e30.
int64_t rotatedPairs(Reader &reader, int64_t headDim) {
  const TensorInfo *factors = reader.tensor("rope_freqs.weight");
  if (!factors) {
    reader.check().fail("rope_freqs.weight", "missing, expected F32 [" + llvm::Twine(headDim / 2) +
                                                 "]: it says which pairs of a full layer's heads rotate");
    return int64_t(1);
  }
  auto fail = [&](const llvm::Twine &what) {
    reader.check().fail("rope_freqs.weight", what,
                        "expected 1 for the pairs of a head that rotate, then 1e30 for the others");
    return int64_t(1);
  };
  if (factors->dtype != DType::F32 || factors->elements() != headDim / 2)
    return fail("found " + dtypeName(factors->dtype) + " " + shapeText(factors->shape) + ", expected F32 [" +
                llvm::Twine(headDim / 2) + "]");
  std::vector<float> values(static_cast<size_t>(factors->elements()));
  decodeToF32(DType::F32, reader.gguf.bytes(*factors), 0, values);
  size_t pairs = 0;
  while (pairs < values.size() && values[pairs] == 1)
    ++pairs;
  for (size_t i = pairs; i < values.size(); ++i)
    if (!(values[i] >= 1e20f))
      return fail("found " + llvm::Twine(std::to_string(values[i])) + " at " + llvm::Twine(i));
  return pairs > 0 ? static_cast<int64_t>(pairs) : fail("no pair rotates");
}

void readAngles(Reader &reader) {
  constexpr Interval theta = {1, 1e15, true};
  double full = reader.keys.numberOr(reader.at("rope.freq_base"), 1e6, theta);
  double sliding = reader.keys.numberOr(reader.at("rope.freq_base_swa"), 1e4, theta);
  double factor = 1;
  // A factor without a type is linear, as llama.cpp has it.
  llvm::StringRef scaling = reader.keys.stringOr(
      reader.at("rope.scaling.type"), reader.gguf.find(reader.at("rope.scaling.factor")) ? "linear" : "none");
  if (scaling == "linear")
    factor = reader.keys.numberOr(reader.at("rope.scaling.factor"), 1, {kLeastPositive, 1e6});
  else if (scaling != "none")
    return reader.check().fail(reader.at("rope.scaling.type"),
                               "found \"" + scaling + "\", expected none or linear");
  for (LayerConfig &layer : reader.config.layers) {
    int64_t pairs = layer.full && !reader.gemma3 ? rotatedPairs(reader, layer.headDim) : layer.headDim / 2;
    layer.rope = {layer.full ? full : sliding, pairs, layer.full ? factor : 1};
    if (reader.check().failed())
      return;
  }
}

void readBlocks(Reader &reader) {
  std::vector<LayerConfig> &layers = reader.config.layers;
  layers.resize(static_cast<size_t>(reader.size("block_count", maxLayers)));
  if (reader.check().failed())
    return;
  std::vector<int64_t> wide =
      reader.keys.integers(reader.at("feed_forward_length"), layers.size(), 1, maxIntermediate);
  for (size_t i = 0; i < layers.size(); ++i)
    layers[i].intermediate = wide[i];
  for (auto *step : {readPattern, readHeads, readAngles}) {
    if (reader.check().failed())
      return;
    step(reader);
  }
  bool sliding = llvm::any_of(layers, [](const LayerConfig &layer) { return !layer.full; });
  int64_t window = sliding ? reader.size("attention.sliding_window", maxPosition) : 0;
  for (LayerConfig &layer : layers)
    layer.window = layer.full ? 0 : window;
  std::string key = reader.at("attention.shared_kv_layers");
  int64_t shared = reader.keys.integerOr(key, 0, 0, static_cast<int64_t>(layers.size()) - 1);
  if (std::string problem = shareKeysAndValues(layers, shared); !problem.empty())
    reader.check().fail(key, "found " + llvm::Twine(shared) + ", expected " + problem);
}

void readTokens(Reader &reader) {
  ModelConfig &config = reader.config;
  config.bos = reader.keys.integerOr("tokenizer.ggml.bos_token_id", 2, 0, config.vocab - 1);
  config.pad = reader.keys.integerOr("tokenizer.ggml.padding_token_id", 0, 0, config.vocab - 1);
  config.eos.push_back(reader.keys.integerOr("tokenizer.ggml.eos_token_id", 1, 0, config.vocab - 1));
  for (llvm::StringRef key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (reader.keys.has(key))
      config.eos.push_back(reader.keys.integer(key, 0, config.vocab - 1));
}

} // namespace

llvm::Expected<ModelConfig> gemmac::loadGgufConfig(const GgufFile &gguf) {
  InputCheck check(gguf.path());
  Reader reader{gguf, GgufMetadata(gguf, check), "", {}, false};
  for (auto *step : {readArchitecture, readEmbeddings, readNumbers, readBlocks, readTokens}) {
    step(reader);
    if (check.failed())
      return check.take();
  }
  return std::move(reader.config);
}

llvm::Expected<GenerationConfig> gemmac::loadGgufGeneration(const GgufFile &gguf, int64_t vocab) {
  InputCheck check(gguf.path());
  GgufMetadata keys(gguf, check);
  GenerationConfig config;
  if (keys.has("general.sampling.temp") || keys.has("general.sampling.top_k") ||
      keys.has("general.sampling.top_p"))
    config.doSample = true;
  config.temperature = keys.numberOr("general.sampling.temp", config.temperature, {0, 1000});
  config.topK = keys.integerOr("general.sampling.top_k", config.topK, 0, int64_t(1) << 31);
  config.topP = keys.numberOr("general.sampling.top_p", config.topP, {0, 1, true});
  config.minP = keys.numberOr("general.sampling.min_p", config.minP, {0, 1});
  for (llvm::StringRef key : {"tokenizer.ggml.suppress_tokens", "suppress_tokens"})
    if (keys.has(key))
      config.suppress = keys.integerArray(key, 0, vocab - 1);
  if (std::set<int64_t> distinct(config.suppress.begin(), config.suppress.end());
      static_cast<int64_t>(distinct.size()) >= vocab)
    check.fail("suppress_tokens",
               "found all " + llvm::Twine(vocab) + " ids, expected at least one that may be chosen");
  if (llvm::Error error = check.take())
    return error;
  return config;
}
