// Whole checkpoints: a valid one in its variants, and what is said when its parts do not belong to each
// other.
#include "frontend/Checkpoint.h"
#include "frontend/Diagnostic.h"
#include "frontend/TextTensors.h"

#include "TestFiles.h"

using namespace gemmac;
using namespace gemmac::test;

static std::string problem(const MicroCheckpoint &checkpoint) {
  TempDirectory directory;
  checkpoint.write(directory);
  std::string text = message(loadCheckpoint(directory.str()));
  llvm::StringRef rest = text;
  rest.consume_front(directory.str() + "/");
  return rest.str();
}
template <typename Change> static std::string problemWith(Change change) {
  MicroCheckpoint checkpoint;
  change(checkpoint);
  return problem(checkpoint);
}

TEST(Checkpoint, LoadsAWholeOne) {
  TempDirectory directory;
  MicroCheckpoint().write(directory);
  directory.write("generation_config.json", R"({"eos_token_id": [3, 1], "top_k": 64})");
  auto checkpoint = loadCheckpoint(directory.str() + "/");
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  EXPECT_EQ(checkpoint->name, llvm::sys::path::filename(directory.str()).str());
  EXPECT_EQ(checkpoint->config.tensorPrefix, "model.");
  EXPECT_EQ(checkpoint->generation.eos, (std::vector<int64_t>{1, 3})); // both files' ids
  EXPECT_EQ(checkpoint->generation.topK, 64);
  EXPECT_EQ(checkpoint->tokenizer.pieces.size(), 272u);
  EXPECT_FALSE(checkpoint->chatTemplate.has_value());
  EXPECT_TRUE(checkpoint->notes.empty());
  for (const ExpectedTensor &expected : expectedTensors(checkpoint->config))
    EXPECT_NE(checkpoint->tensors->find(expected.name), nullptr) << expected.name;
}

TEST(Checkpoint, FindsThePrefix) {
  for (const char *prefix : {"model.", "model.language_model.", "language_model.model."}) {
    MicroCheckpoint micro;
    micro.tensors = microTensors(prefix);
    micro.tensors["model.vision_tower.x"] = brain({2});
    TempDirectory directory;
    micro.write(directory);
    auto checkpoint = loadCheckpoint(directory.str());
    ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
    EXPECT_EQ(checkpoint->config.tensorPrefix, prefix);
  }
}

TEST(Checkpoint, FindsChatTemplates) {
  auto has = [](const char *name, const char *contents) {
    TempDirectory directory;
    MicroCheckpoint().write(directory);
    directory.write(name, contents);
    auto checkpoint = loadCheckpoint(directory.str());
    if (!checkpoint) {
      ADD_FAILURE() << llvm::toString(checkpoint.takeError());
      return false;
    }
    return checkpoint->chatTemplate.has_value();
  };
  EXPECT_TRUE(has("chat_template.jinja", ""));
  EXPECT_TRUE(has("tokenizer_config.json", R"({"chat_template": "{{ x }}"})"));
  EXPECT_FALSE(has("tokenizer_config.json", R"({"chat_template": null})"));
  TempDirectory directory;
  MicroCheckpoint().write(directory);
  directory.write("tokenizer_config.json", "{");
  EXPECT_TRUE(contains(message(loadCheckpoint(directory.str())), "tokenizer_config.json: not valid JSON"));
}

TEST(Checkpoint, SharedLayersNeedNoKeys) {
  auto sharing = [](MicroCheckpoint &micro) {
    micro.config["num_hidden_layers"] = 3;
    micro.config["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
    micro.config["num_kv_shared_layers"] = 1;
    Tensors copies;
    for (auto &[name, tensor] : micro.tensors)
      if (llvm::StringRef rest = name; rest.consume_front("model.layers.1."))
        copies["model.layers.2." + rest.str()] = tensor;
    micro.tensors.insert(copies.begin(), copies.end());
  };
  std::string attention = "model.layers.2.self_attn.";
  EXPECT_EQ(problemWith([&](MicroCheckpoint &micro) {
              sharing(micro);
              for (const char *dead : {"k_proj", "v_proj", "k_norm"})
                micro.tensors.erase(attention + dead + ".weight");
            }),
            "");
  // Published files hold them still; whatever they hold is ignored.
  EXPECT_EQ(problemWith([&](MicroCheckpoint &micro) {
              sharing(micro);
              micro.tensors[attention + "k_proj.weight"] = brain({1}, 0x7FC0);
            }),
            "");
}

TEST(Checkpoint, NotesTowersThatAreLeftOut) {
  TempDirectory directory;
  MicroCheckpoint micro;
  micro.config = {{"model_type", "gemma4"},
                  {"text_config", micro.config},
                  {"vision_config", {{"a", 1}}},
                  {"audio_config", {{"a", 1}}}};
  micro.tensors = microTensors("model.language_model.");
  micro.write(directory);
  auto checkpoint = loadCheckpoint(directory.str());
  ASSERT_TRUE(static_cast<bool>(checkpoint)) << llvm::toString(checkpoint.takeError());
  EXPECT_EQ(checkpoint->notes,
            (std::vector<std::string>{"the vision tower is left out: only text is compiled yet",
                                      "the audio tower is left out: only text is compiled yet"}));
}

TEST(Checkpoint, RefusesTensorsThatDoNotFit) {
  std::string name = "model.layers.1.self_attn.o_proj.weight";
  EXPECT_EQ(problemWith([&](MicroCheckpoint &micro) { micro.tensors.erase(name); }),
            "model.safetensors: " + name +
                ": missing, expected a tensor of shape [8, 16] (hidden_size by heads x "
                "head_dim); the download is incomplete, or the configuration is of another model");
  EXPECT_EQ(problemWith([&](MicroCheckpoint &micro) {
              micro.tensors[name] = brain({16, 8});
            }),
            "model.safetensors: " + name +
                ": found shape [16, 8], expected [8, 16] (hidden_size by heads x head_dim) "
                "by the sizes in the configuration");
  EXPECT_EQ(problemWith([&](MicroCheckpoint &micro) { micro.tensors[name].dtype = "I16"; }),
            "model.safetensors: " + name + ": found dtype I16, expected BF16, F16 or F32");
  EXPECT_EQ(
      problemWith([&](MicroCheckpoint &micro) { micro.tensors[name].bytes.replace(10, 2, "\x80\xFF", 2); }),
      "model.safetensors: " + name +
          ": found -infinity at element 5 of shape [8, 16], expected finite weights; "
          "the file is damaged or the training diverged");
  EXPECT_TRUE(
      contains(problemWith([](MicroCheckpoint &micro) { micro.tensors.erase("model.embed_tokens.weight"); }),
               "model.embed_tokens.weight: missing"));
}

TEST(Checkpoint, ExpertsAndPerLayerEmbeddingsAskForTheirTensors) {
  EXPECT_TRUE(contains(problemWith([](MicroCheckpoint &micro) {
                         micro.config.update({{"enable_moe_block", true},
                                              {"num_experts", 4},
                                              {"top_k_experts", 2},
                                              {"moe_intermediate_size", 12}});
                       }),
                       "model.layers.0.post_feedforward_layernorm_1.weight: missing"));
  EXPECT_TRUE(contains(
      problemWith([](MicroCheckpoint &micro) {
        micro.config.update({{"hidden_size_per_layer_input", 4}, {"vocab_size_per_layer_input", 272}});
      }),
      "model.embed_tokens_per_layer.weight: missing, expected a tensor of shape [272, 8]"));
}

TEST(Checkpoint, RefusesATokenizerOfAnotherModel) {
  EXPECT_EQ(problemWith([](MicroCheckpoint &micro) { micro.config["bos_token_id"] = 1; }),
            "config.json: bos_token_id: found 1, but the tokenizer has <bos> as 2");
  TempDirectory directory;
  MicroCheckpoint().write(directory);
  llvm::sys::fs::remove(directory.file("tokenizer.json"));
  EXPECT_EQ(message(loadCheckpoint(directory.str())), directory.file("tokenizer.json") + ": no such file");
  directory.write("tokenizer.model", "x");
  EXPECT_TRUE(contains(message(loadCheckpoint(directory.str())),
                       "tokenizer.model: is cut off or no SentencePiece model"));
}

TEST(Checkpoint, RefusesOtherPaths) {
  TempDirectory directory;
  auto refused = [](const std::string &path) { return message(loadCheckpoint(path)); };
  EXPECT_TRUE(
      contains(refused(directory.file("none")), "none: no such file or directory; give a Hugging Face"));
  EXPECT_TRUE(contains(refused(directory.str()), "is an empty directory, expected config.json in it"));
  EXPECT_TRUE(contains(refused("/dev/null"), "/dev/null: is not a directory"));
  EXPECT_TRUE(contains(refused(directory.write("a.txt", "text")), "a.txt: is neither a directory nor a GGUF file"));
  EXPECT_TRUE(contains(refused(directory.str()), "config.json: no such file"));
  EXPECT_TRUE(contains(refused(directory.write("b", "GGUF....")), "b: header: found 8 bytes, expected at least 24"));
  EXPECT_TRUE(contains(refused(directory.write("c.gguf", "")), "c.gguf: header: found 0 bytes, expected at least 24"));
  EXPECT_TRUE(contains(refused(directory.str()), "the directory holds a GGUF file; give that file itself"));
}

TEST(Checkpoint, FailuresCarryTheExitCode) {
  auto checkpoint = loadCheckpoint("/nonexistent");
  ASSERT_FALSE(static_cast<bool>(checkpoint));
  bool seen = false;
  llvm::handleAllErrors(checkpoint.takeError(), [&](const Failure &failure) {
    seen = true;
    EXPECT_EQ(failure.exitCode(), ExitCode::BadInput);
  });
  EXPECT_TRUE(seen);
}
