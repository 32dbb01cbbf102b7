// config.json: which family, and the sizes that all layers share. The per-layer rules are in ConfigLayers.cpp
// and ConfigRope.cpp. Sizes that decide what a model computes are never guessed; unknown fields are accepted.
#include "frontend/Config.h"

#include "frontend/ModelFamily.h"

#include <cmath>

#include <set>

using namespace gemmac;

namespace {

constexpr ModelFamily families[] = {
    {"gemma4", "gemma4_text", Family::Gemma4, 0, true, true, true, true, true, 131072, 0, 0, 0, 0},
    {"gemma4_unified", "gemma4_unified_text", Family::Gemma4Unified, 0, true, true, true, false, false,
     262144, 0, 0, 0, 0},
    // The published files of Gemma 3 4B and up leave out what equals the class defaults: these four.
    {"gemma3", "gemma3_text", Family::Gemma3, 1, false, false, false, false, false, 131072, 8, 4, 256,
     262208},
};

constexpr llvm::StringLiteral knownTypes =
    "gemma4, gemma4_text, gemma4_unified, gemma4_unified_text, gemma3 or gemma3_text";

/// Fields whose only supported value is the one that every released model has.
void refuseVariants(ConfigReader &reader) {
  const JsonObject &text = reader.text;
  if (llvm::StringRef act = text.stringOr("hidden_activation", "gelu_pytorch_tanh");
      act != "gelu_pytorch_tanh")
    text.mismatch("hidden_activation", "\"gelu_pytorch_tanh\", the only activation of these models");
  if (text.booleanOr("attention_bias", false))
    text.mismatch("attention_bias", "false: attention with biases is not supported");
  if (text.has("attn_logit_softcapping"))
    text.mismatch("attn_logit_softcapping", "null: a softcap on attention scores is not supported");
  for (const JsonObject &object : {reader.outer, text})
    if (!object.booleanOr("tie_word_embeddings", true))
      object.mismatch("tie_word_embeddings",
                      "true: an output head of its own (lm_head.weight) is not supported");
  for (const JsonObject &object : {reader.outer, text})
    if (object.has("quantization_config"))
      object.mismatch("quantization_config", "none: quantized Hugging Face checkpoints are not supported",
                      "give the BF16 checkpoint and quantize with --quantize");
}

void readBidirectional(ConfigReader &reader) {
  llvm::StringRef key = "use_bidirectional_attention";
  const JsonValue *found = reader.text.find(key);
  bool vision = false;
  if (reader.isGemma3()) {
    if (found && found->asBool() != std::optional(false))
      return reader.text.mismatch(key, "false: only causal text is supported");
    vision = reader.config.hasVision; // images see themselves on all layers
  } else if (found && found->asString() == std::optional<llvm::StringRef>("vision")) {
    vision = true;
  } else if (found && found->asBool() != std::optional(false)) {
    return reader.text.mismatch(key, "null or \"vision\": attention without a causal mask is not supported");
  }
  reader.config.visionBidirectional = vision;
}

void readPerLayerEmbeddings(ConfigReader &reader) {
  if (!reader.family.perLayerEmbeddings)
    return;
  const JsonObject &text = reader.text;
  ModelConfig &config = reader.config;
  llvm::StringRef key = "hidden_size_per_layer_input";
  if (!text.mentions(key))
    return text.missing(key, "0 (no per-layer embeddings) or their width");
  config.pleDim = text.integerOr(key, 0, 0, maxHeadDim);
  if (config.pleDim == 0)
    return;
  config.pleVocab = text.integerOr("vocab_size_per_layer_input", 262144, 1, maxVocab);
  if (config.pleVocab < config.vocab)
    text.mismatch("vocab_size_per_layer_input",
                  "at least vocab_size (" + llvm::Twine(config.vocab) + "): every token needs a row");
}

void readExperts(ConfigReader &reader) {
  const JsonObject &text = reader.text;
  ModelConfig &config = reader.config;
  if (!reader.family.mixtureOfExperts || !text.booleanOr("enable_moe_block", false))
    return;
  config.experts = text.integer("num_experts", 1, maxExperts);
  config.topK = text.integer("top_k_experts", 1, maxExperts);
  bool older = !text.has("moe_intermediate_size") && text.has("expert_intermediate_size");
  config.expertIntermediate =
      text.integer(older ? "expert_intermediate_size" : "moe_intermediate_size", 1, maxIntermediate);
  if (config.topK > config.experts)
    text.mismatch("top_k_experts", "at most num_experts (" + llvm::Twine(config.experts) + ")");
}

void readTokens(ConfigReader &reader) {
  ModelConfig &config = reader.config;
  for (const JsonObject &object : {reader.outer, reader.text}) {
    config.bos = object.integerOr("bos_token_id", config.bos, 0, config.vocab - 1);
    config.pad = object.integerOr("pad_token_id", config.pad, 0, config.vocab - 1);
  }
  bool said = false;
  for (const JsonObject &object : {reader.outer, reader.text}) {
    said |= object.has("eos_token_id");
    readTokenIds(object, "eos_token_id", config.vocab, config.eos);
  }
  if (!said)
    config.eos.push_back(1);
  if (reader.outer.has("text_config") && !reader.isGemma3())
    for (llvm::StringRef key : {"image_token_id", "audio_token_id", "video_token_id"})
      if (reader.outer.has(key))
        readTokenIds(reader.outer, key, config.vocab, config.placeholders);
}

void readTowers(ConfigReader &reader) {
  // A tower's own fields are read by whoever compiles it; here they only must be objects.
  auto present = [&](llvm::StringRef key) {
    if (!reader.outer.has(key))
      return false;
    reader.outer.object(key);
    return true;
  };
  reader.config.hasVision = present("vision_config");
  reader.config.hasAudio = present("audio_config");
}

void readGlobals(ConfigReader &reader) {
  const JsonObject &text = reader.text;
  const ModelFamily &family = reader.family;
  ModelConfig &config = reader.config;
  config.family = family.family;
  config.normOffset = family.normOffset;
  config.layerScalar = family.layerScalar;
  config.valueNorm = family.valueNorm;
  config.vocab = reader.size("vocab_size", family.vocab, maxVocab);
  config.hidden = text.integer("hidden_size", 1, maxHidden);
  config.maxPositions = text.integerOr("max_position_embeddings", family.maxPositions, 1, maxPosition);
  config.eps = text.numberOr("rms_norm_eps", 1e-6, {kLeastPositive, 1});
  if (text.has("final_logit_softcapping"))
    config.finalSoftcap = text.number("final_logit_softcapping", {kLeastPositive, 1e6});
  if (reader.isGemma3())
    config.attentionScale = 1 / std::sqrt(text.numberOr("query_pre_attn_scalar", 256, {kLeastPositive, 1e9}));
  readTowers(reader);
  refuseVariants(reader);
  readBidirectional(reader);
  readPerLayerEmbeddings(reader);
  readExperts(reader);
  readTokens(reader);
}

} // namespace

int64_t ConfigReader::size(llvm::StringRef key, int64_t absent, int64_t high) {
  if (absent == 0 || text.has(key))
    return text.integer(key, 1, high);
  note("config.json has no " + key + ": the default of " + family.textType + ", " + llvm::Twine(absent));
  return absent;
}

const ModelFamily *gemmac::findFamily(const JsonObject &root) {
  llvm::StringRef type = root.string("model_type", knownTypes);
  if (root.problems().failed())
    return nullptr;
  for (const ModelFamily &family : families)
    if (type == family.outerType || type == family.textType)
      return &family;
  if (type.ends_with("_assistant"))
    root.mismatch(
        "model_type", knownTypes,
        "this is a drafter (assistant) of a Gemma 4 model, which cannot run by itself: give its target");
  else
    root.mismatch("model_type", knownTypes);
  return nullptr;
}

void gemmac::readTokenIds(const JsonObject &object, llvm::StringRef key, int64_t vocab,
                          std::vector<int64_t> &ids) {
  const JsonValue *found = object.find(key);
  if (!found)
    return;
  std::set<int64_t> known(ids.begin(), ids.end());
  auto add = [&](const JsonValue &value) {
    std::optional<int64_t> id = value.asInteger();
    if (!id || *id < 0 || *id >= vocab)
      return object.problems().fail(object.at(key), "found " + value.describe() +
                                                        ", expected token ids from 0 to " +
                                                        llvm::Twine(vocab - 1));
    if (known.insert(*id).second)
      ids.push_back(*id);
  };
  if (found->kind() != JsonValue::Kind::Array)
    return add(*found);
  for (const JsonValue &value : found->elements())
    add(value);
}

llvm::Expected<ModelConfig> gemmac::loadConfig(llvm::StringRef path) {
  llvm::Expected<JsonDocument> document = JsonDocument::read(path, {});
  if (!document)
    return document.takeError();
  InputCheck check(path);
  JsonObject root(document->root(), "", "", check);
  const ModelFamily *family = check.failed() ? nullptr : findFamily(root);
  if (!family)
    return check.take();

  ModelConfig config;
  config.modelType = root.string("model_type").str();
  bool flat = config.modelType == family->textType;
  JsonObject text = flat ? root : root.object("text_config");
  if (!flat && text.stringOr("model_type", family->textType) != family->textType)
    text.mismatch("model_type", llvm::Twine("\"") + family->textType + "\" inside of " + family->outerType);
  if (llvm::Error error = check.take())
    return error;

  ConfigReader reader{*family, root, text, check, config};
  readGlobals(reader);
  if (!check.failed())
    readLayers(reader);
  if (!check.failed())
    readRope(reader);
  if (llvm::Error error = check.take())
    return error;
  return config;
}
