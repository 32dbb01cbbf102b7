// config.json: the families' rules (gemma4.md 1.1, 2.6, 10), both published
// styles, and one message for each field that is wrong.
#include "frontend/Config.h"

#include "TestFiles.h"

using namespace gemmac;
using namespace gemmac::test;

static llvm::Expected<ModelConfig> load(const Json &config) {
  TempDirectory directory;
  return loadConfig(directory.write("config.json", config.dump()));
}

/// The valid configuration after `change`.
template <typename Change> static ModelConfig loadWith(Change change) {
  Json json = microConfig();
  change(json);
  llvm::Expected<ModelConfig> config = load(json);
  if (config)
    return std::move(*config);
  ADD_FAILURE() << llvm::toString(config.takeError());
  ModelConfig empty;
  empty.layers.resize(64);
  return empty;
}
static std::string problem(const Json &json) {
  std::string text = message(load(json));
  size_t name = text.find("config.json: ");
  return name == std::string::npos ? text : text.substr(name + 13);
}
static std::string problemWith(const char *field, Json value) {
  Json json = microConfig();
  json[field] = std::move(value);
  return problem(json);
}

/// An E2B-like pattern: 4 sliding, 1 full, twice.
static Json sharedConfig(int shared) {
  Json json = microConfig();
  json["num_hidden_layers"] = 10;
  json["num_kv_shared_layers"] = shared;
  json["layer_types"] = Json::array();
  for (int i = 0; i < 10; ++i)
    json["layer_types"].push_back(i % 5 == 4 ? "full_attention" : "sliding_attention");
  return json;
}

/// What Gemma 3 270M publishes, with small sizes.
static Json gemma3Config() {
  return Json::parse(
      R"({"model_type": "gemma3_text", "vocab_size": 300, "hidden_size": 16, "intermediate_size": 32,
    "num_hidden_layers": 7, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 8, "sliding_window": 16,
    "query_pre_attn_scalar": 64, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": null,
    "max_position_embeddings": 32768, "final_logit_softcapping": null, "attn_logit_softcapping": null})");
}

TEST(Config, ReadsGemma4Text) {
  ModelConfig config = loadWith([](Json &) {});
  EXPECT_EQ(config.family, Family::Gemma4);
  EXPECT_EQ(config.modelType, "gemma4_text");
  EXPECT_EQ(config.vocab, 272);
  EXPECT_EQ(config.hidden, 8);
  EXPECT_EQ(config.maxPositions, 64);
  EXPECT_EQ(config.finalSoftcap, 30.0);
  EXPECT_EQ(config.normOffset, 0);
  EXPECT_EQ(config.attentionScale, 1);
  EXPECT_TRUE(config.layerScalar && config.valueNorm);
  EXPECT_EQ(config.eos, std::vector<int64_t>{1});
  EXPECT_EQ(config.pleDim, 0);
  EXPECT_EQ(config.experts, 0);
  ASSERT_EQ(config.layers.size(), 2u);
  const LayerConfig &sliding = config.layers[0], &full = config.layers[1];
  EXPECT_FALSE(sliding.full);
  EXPECT_EQ(sliding.headDim, 4);
  EXPECT_EQ(sliding.window, 8);
  EXPECT_EQ(sliding.rope.theta, 1e4);
  EXPECT_EQ(sliding.rope.angles, 2);
  EXPECT_EQ(sliding.kvSource, -1);
  EXPECT_TRUE(full.full);
  EXPECT_EQ(full.headDim, 8);
  EXPECT_EQ(full.window, 0);
  EXPECT_EQ(full.rope.theta, 1e6);
  EXPECT_EQ(full.rope.angles, 1); // int(0.25 * 8) / 2
  EXPECT_EQ(full.rope.factor, 1);
}

TEST(Config, FullHeadsAre512WhereNothingIsSaid) {
  ModelConfig config = loadWith([](Json &json) { json.erase("global_head_dim"); });
  EXPECT_EQ(config.layers[1].headDim, 512);
  EXPECT_EQ(config.layers[1].rope.angles, 64); // gemma4.md (9)
  EXPECT_EQ(config.layers[0].headDim, 4);
}

TEST(Config, GlobalKvHeadsNeedKEqV) {
  auto read = [](bool keyIsValue) {
    return loadWith([=](Json &json) {
      json["num_key_value_heads"] = 2;
      json["num_global_key_value_heads"] = 1;
      json["attention_k_eq_v"] = keyIsValue;
    });
  };
  ModelConfig with = read(true), without = read(false);
  EXPECT_EQ(with.layers[1].kvHeads, 1);
  EXPECT_TRUE(with.layers[1].valueFromKey);
  EXPECT_EQ(with.layers[0].kvHeads, 2);
  EXPECT_FALSE(with.layers[0].valueFromKey);
  EXPECT_EQ(without.layers[1].kvHeads, 2);
  EXPECT_FALSE(without.layers[1].valueFromKey);
}

TEST(Config, ReadsPerLayerConfig) {
  ModelConfig config = loadWith([](Json &json) {
    json.erase("global_head_dim");
    json["num_attention_heads"] = 4;
    json["per_layer_config"] = {{"01", {{"head_dim", 12}, {"num_key_value_heads", 2}}}};
  });
  EXPECT_EQ(config.layers[1].headDim, 12);
  EXPECT_EQ(config.layers[1].kvHeads, 2);
  EXPECT_EQ(config.layers[0].headDim, 4);
  // In this style a full layer without an entry has the common size.
  ModelConfig none = loadWith([](Json &json) {
    json["head_dim"] = 16;
    json["per_layer_config"] = Json::object();
  });
  EXPECT_EQ(none.layers[1].headDim, 16);

  EXPECT_EQ(problemWith("per_layer_config", {{"2", Json::object()}}),
            "per_layer_config.2: names no layer, expected a number from 0 to 1");
  EXPECT_TRUE(contains(problemWith("per_layer_config", {{"-1", Json::object()}}), "names no layer"));
  EXPECT_TRUE(contains(problemWith("per_layer_config", {{"99999999999999999999", Json::object()}}),
                       "names no layer"));
  EXPECT_EQ(problemWith("per_layer_config", {{"1", Json::object()}, {"01", Json::object()}}),
            "per_layer_config.01: names layer 1 a second time");
  EXPECT_TRUE(
      contains(problemWith("per_layer_config", {{"1", {{"sliding_window", 3}}}}),
               "per_layer_config.1.sliding_window: found 3, expected head_dim and num_key_value_heads only"));
  EXPECT_EQ(problemWith("per_layer_config", {{"1", 5}}), "per_layer_config.1: found 5, expected an object");
}

TEST(Config, LastLayerOfGemma4IsFull) {
  ModelConfig config = loadWith([](Json &json) {
    json["layer_types"] = {"full_attention", "sliding_attention"};
  });
  EXPECT_TRUE(config.layers[1].full);
  ASSERT_EQ(config.notes.size(), 1u);
  EXPECT_TRUE(contains(config.notes[0], "the last layer is full attention all the same"));
}

TEST(Config, DefaultPatternIsFiveToOne) {
  ModelConfig config = loadWith([](Json &json) {
    json.erase("layer_types");
    json["num_hidden_layers"] = 14;
  });
  for (size_t i = 0; i < 14; ++i)
    EXPECT_EQ(config.layers[i].full, i == 5 || i == 11 || i == 13) << i;
}

TEST(Config, SharedLayersReadTheLastOwnerOfTheirType) {
  Json json = sharedConfig(4); // layers 6..9 share; owners are 5 (sliding) and 4 (full)
  json["use_double_wide_mlp"] = true;
  llvm::Expected<ModelConfig> config = load(json);
  ASSERT_TRUE(static_cast<bool>(config));
  std::vector<int64_t> sources, widths;
  for (const LayerConfig &layer : config->layers) {
    sources.push_back(layer.kvSource);
    widths.push_back(layer.intermediate);
  }
  EXPECT_EQ(sources, (std::vector<int64_t>{-1, -1, -1, -1, -1, -1, 5, 5, 5, 4}));
  EXPECT_EQ(widths, (std::vector<int64_t>{16, 16, 16, 16, 16, 16, 32, 32, 32, 32}));

  EXPECT_TRUE(
      contains(problem(sharedConfig(7)), "num_kv_shared_layers: found 7, expected fewer: layer 4 is full"));
  EXPECT_EQ(problem(sharedConfig(10)), "num_kv_shared_layers: found 10, expected an integer from 0 to 9");
  Json uneven = sharedConfig(4);
  uneven["per_layer_config"] = {{"9", {{"head_dim", 8}}}};
  EXPECT_TRUE(contains(problem(uneven), "layer 9 cannot read the keys of layer 4"));
}

TEST(Config, ReadsPerLayerEmbeddings) {
  ModelConfig config = loadWith([](Json &json) {
    json["hidden_size_per_layer_input"] = 4;
    json["vocab_size_per_layer_input"] = 272;
  });
  EXPECT_EQ(config.pleDim, 4);
  EXPECT_EQ(config.pleVocab, 272);
  Json small = microConfig();
  small["hidden_size_per_layer_input"] = 4;
  small["vocab_size_per_layer_input"] = 100;
  EXPECT_EQ(
      problem(small),
      "vocab_size_per_layer_input: found 100, expected at least vocab_size (272): every token needs a row");
  Json silent = microConfig();
  silent.erase("hidden_size_per_layer_input");
  EXPECT_TRUE(contains(problem(silent), "hidden_size_per_layer_input: missing"));
}

TEST(Config, ReadsExperts) {
  ModelConfig config = loadWith([](Json &json) {
    json.update({{"enable_moe_block", true},
                 {"num_experts", 4},
                 {"top_k_experts", 2},
                 {"moe_intermediate_size", 12}});
  });
  EXPECT_EQ(config.experts, 4);
  EXPECT_EQ(config.topK, 2);
  EXPECT_EQ(config.expertIntermediate, 12);
  EXPECT_TRUE(contains(problemWith("enable_moe_block", true), "num_experts: missing"));
}

TEST(Config, ReadsOuterFiles) {
  Json json = {{"model_type", "gemma4"},
               {"eos_token_id", {1, 106, 50}},
               {"vision_config", {{"hidden_size", 3}}},
               {"audio_config", nullptr},
               {"text_config", microConfig()}};
  json["text_config"]["use_bidirectional_attention"] = "vision";
  llvm::Expected<ModelConfig> config = load(json);
  ASSERT_TRUE(static_cast<bool>(config)) << llvm::toString(config.takeError());
  EXPECT_EQ(config->modelType, "gemma4");
  EXPECT_EQ(config->eos, (std::vector<int64_t>{1, 106, 50}));
  EXPECT_TRUE(config->hasVision);
  EXPECT_FALSE(config->hasAudio);
  EXPECT_TRUE(config->visionBidirectional);

  json["text_config"]["model_type"] = "gemma3_text";
  EXPECT_EQ(problem(json),
            "text_config.model_type: found \"gemma3_text\", expected \"gemma4_text\" inside of gemma4");
  json["text_config"] = nullptr;
  EXPECT_EQ(problem(json), "text_config: found null, expected an object");
  json.erase("text_config");
  EXPECT_EQ(problem(json), "text_config: missing, expected an object");
}

TEST(Config, ReadsUnified) {
  ModelConfig config = loadWith([](Json &json) {
    json["model_type"] = "gemma4_unified_text";
    json.erase("hidden_size_per_layer_input");
    json.erase("max_position_embeddings");
  });
  EXPECT_EQ(config.family, Family::Gemma4Unified);
  EXPECT_EQ(config.maxPositions, 262144);
  EXPECT_EQ(config.pleDim, 0);
}

TEST(Config, ReadsGemma3) {
  llvm::Expected<ModelConfig> config = load(gemma3Config());
  ASSERT_TRUE(static_cast<bool>(config)) << llvm::toString(config.takeError());
  EXPECT_EQ(config->family, Family::Gemma3);
  EXPECT_EQ(config->normOffset, 1);
  EXPECT_EQ(config->attentionScale, 0.125); // 64^-0.5
  EXPECT_FALSE(config->layerScalar || config->valueNorm);
  EXPECT_EQ(config->finalSoftcap, std::nullopt);
  for (size_t i = 0; i < 7; ++i) {
    const LayerConfig &layer = config->layers[i];
    EXPECT_EQ(layer.full, i == 5) << i; // the last is not forced
    EXPECT_EQ(layer.headDim, 8);
    EXPECT_EQ(layer.rope.angles, 4);
    EXPECT_EQ(layer.rope.theta, layer.full ? 1e6 : 1e4);
  }
  Json pattern = gemma3Config();
  pattern["sliding_window_pattern"] = 2;
  config = load(pattern);
  ASSERT_TRUE(static_cast<bool>(config));
  EXPECT_TRUE(config->layers[1].full && config->layers[3].full && !config->layers[6].full);
}

TEST(Config, Gemma3ScalesFullLayersOnly) {
  for (const char *key : {"rope_type", "type"}) {
    Json json = gemma3Config();
    json["rope_scaling"] = {{key, "linear"}, {"factor", 8.0}};
    llvm::Expected<ModelConfig> config = load(json);
    ASSERT_TRUE(static_cast<bool>(config));
    EXPECT_EQ(config->layers[5].rope.factor, 8);
    EXPECT_EQ(config->layers[0].rope.factor, 1);
  }
  Json newer = gemma3Config();
  newer["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 5e5}}}};
  llvm::Expected<ModelConfig> config = load(newer);
  ASSERT_TRUE(static_cast<bool>(config));
  EXPECT_EQ(config->layers[5].rope.theta, 5e5);
  EXPECT_EQ(config->layers[5].rope.factor, 8);
  EXPECT_EQ(config->layers[0].rope.theta, 1e4);
  Json unknown = gemma3Config();
  unknown["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 8.0}};
  EXPECT_TRUE(contains(problem(unknown), "rope_scaling.rope_type: found \"yarn\""));
}

TEST(Config, Gemma3LeavesOutWhatEqualsItsDefaults) {
  // The text_config that Gemma 3 4B publishes.
  Json json = {{"model_type", "gemma3"},
               {"vision_config", Json::object()},
               {"text_config",
                {{"hidden_size", 2560},
                 {"intermediate_size", 10240},
                 {"model_type", "gemma3_text"},
                 {"num_hidden_layers", 34},
                 {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                 {"sliding_window", 1024}}}};
  llvm::Expected<ModelConfig> config = load(json);
  ASSERT_TRUE(static_cast<bool>(config)) << llvm::toString(config.takeError());
  EXPECT_EQ(config->vocab, 262208);
  EXPECT_EQ(config->layers[0].heads, 8);
  EXPECT_EQ(config->layers[0].kvHeads, 4);
  EXPECT_EQ(config->layers[0].headDim, 256);
  EXPECT_EQ(config->attentionScale, 0.0625);
  EXPECT_EQ(config->notes.size(), 5u); // four sizes and the pattern
}

TEST(Config, NamesOtherModels) {
  EXPECT_TRUE(contains(problemWith("model_type", "llama"), "model_type: found \"llama\", expected gemma4, "));
  EXPECT_TRUE(contains(problemWith("model_type", "gemma4_assistant"), "this is a drafter (assistant)"));
  EXPECT_TRUE(
      contains(problemWith("model_type", "gemma4_unified_assistant"), "this is a drafter (assistant)"));
  EXPECT_TRUE(contains(problemWith("model_type", nullptr), "model_type: found null"));
}

TEST(Config, SizesAreNeverGuessed) {
  for (const char *field :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim",
        "num_attention_heads", "num_key_value_heads", "sliding_window", "rope_parameters"}) {
    Json json = microConfig();
    json.erase(field);
    EXPECT_TRUE(contains(problem(json), std::string(field) + ": missing")) << field;
    for (Json value :
         {Json(0), Json(-1), Json("8"), Json(8.0), Json(true), Json(int64_t(1) << 62), Json::array()})
      EXPECT_TRUE(contains(problemWith(field, value), std::string(field) + ": found "))
          << field << value.dump();
  }
}

TEST(Config, RefusesWhatItCannotCompile) {
  const std::vector<std::pair<const char *, Json>> cases = {
      {"hidden_activation", "relu"},
      {"attention_bias", true},
      {"attn_logit_softcapping", 50},
      {"tie_word_embeddings", false},
      {"quantization_config", {{"quant_method", "gptq"}}},
      {"use_bidirectional_attention", "all"},
      {"use_bidirectional_attention", true},
      {"final_logit_softcapping", 0},
      {"final_logit_softcapping", -30.0},
      {"final_logit_softcapping", 1e-60}, // 0 as the f32 that code uses
      {"rms_norm_eps", 0},
      {"rms_norm_eps", 1e-60},
      {"eos_token_id", 272},
      {"eos_token_id", {1, "x"}},
      {"bos_token_id", -1},
      {"num_kv_shared_layers", -1},
      {"global_head_dim", 7},
      {"max_position_embeddings", 0},
      {"vision_config", 3},
  };
  for (const auto &[field, value] : cases) {
    std::string text = problemWith(field, value);
    EXPECT_TRUE(contains(text, field == llvm::StringRef("global_head_dim") ? "head_dim: found 7" : field));
  }
}

TEST(Config, RefusesBadRope) {
  auto rope = [](const char *field, Json value) {
    Json json = microConfig();
    json["rope_parameters"]["full_attention"][field] = std::move(value);
    return problem(json);
  };
  EXPECT_EQ(rope("rope_type", "spiral"),
            "rope_parameters.full_attention.rope_type: found \"spiral\", expected "
            "\"default\", \"proportional\" or \"linear\"");
  EXPECT_TRUE(contains(rope("rope_theta", 0), "rope_theta: found 0, expected a number above 1.0"));
  EXPECT_TRUE(contains(rope("rope_theta", nullptr), "rope_theta: found null"));
  EXPECT_TRUE(contains(rope("partial_rotary_factor", 1.5), "partial_rotary_factor: found 1.5"));
  EXPECT_TRUE(contains(rope("partial_rotary_factor", 0.1), "rotates no pair of a head of 8"));
  EXPECT_TRUE(contains(rope("rope_type", "default"), "partial_rotary_factor: found 0.25, expected 1"));
  EXPECT_TRUE(contains(rope("factor", -1), "factor: found -1"));
}
