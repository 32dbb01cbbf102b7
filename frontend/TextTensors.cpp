// The tables of gemma4.md 3.1, written out once.
#include "frontend/TextTensors.h"

#include "frontend/Diagnostic.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cassert>
#include <optional>

using namespace gemmac;

namespace {

struct NamePair {
  llvm::StringLiteral huggingFace, gguf;
};

/// gemma4.md 3.3: tensors of the model, and of a layer (behind "layers.N." and "blk.N.").
constexpr NamePair globalNames[] = {
    {"embed_tokens.weight", "token_embd.weight"},
    {"embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
    {"per_layer_model_projection.weight", "per_layer_model_proj.weight"},
    {"per_layer_projection_norm.weight", "per_layer_proj_norm.weight"},
    {"norm.weight", "output_norm.weight"},
};
constexpr NamePair layerNames[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"per_layer_input_gate.weight", "inp_gate.weight"},
    {"per_layer_projection.weight", "proj.weight"},
    {"post_per_layer_input_norm.weight", "post_norm.weight"},
    {"layer_scalar", "layer_output_scale.weight"},
    {"router.proj.weight", "ffn_gate_inp.weight"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
    {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"experts.down_proj", "ffn_down_exps.weight"},
    {"pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"},
    {"post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"},
    {"post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"},
};

llvm::StringRef ggufName(llvm::ArrayRef<NamePair> names, llvm::StringRef name) {
  const NamePair *found =
      llvm::find_if(names, [&](const NamePair &pair) { return pair.huggingFace == name; });
  assert(found != names.end() && "every tensor of the text decoder has a name in both formats");
  return found->gguf;
}

} // namespace

std::string gemmac::tensorName(const ModelConfig &config, llvm::StringRef name) {
  if (config.naming == TensorNaming::Gguf)
    return ggufName(globalNames, name).str();
  return config.tensorPrefix + name.str();
}

std::string gemmac::layerTensorName(const ModelConfig &config, int64_t layer, llvm::StringRef name) {
  if (config.naming == TensorNaming::Gguf)
    return "blk." + std::to_string(layer) + "." + ggufName(layerNames, name).str();
  return config.tensorPrefix + "layers." + std::to_string(layer) + "." + name.str();
}

namespace {

/// Collects the tensors of one configuration. D = hidden, V = vocab, L = layers, P = pleDim, E = experts.
class TensorList {
public:
  explicit TensorList(const ModelConfig &config) : config(config), hidden(config.hidden) {}

  void global(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, llvm::StringRef what) {
    list.push_back({tensorName(config, name), llvm::SmallVector<int64_t, 4>(shape), what.str()});
  }
  void layer(int64_t i);

  std::vector<ExpectedTensor> list;

private:
  void add(llvm::StringRef name, llvm::ArrayRef<int64_t> shape, llvm::StringRef what) {
    list.push_back(
        {layerTensorName(config, current, name), llvm::SmallVector<int64_t, 4>(shape), what.str()});
  }
  void norm(llvm::StringRef name) { add(name, {hidden}, "a norm of hidden_size"); }
  void attention(const LayerConfig &layer);
  void mlp(const LayerConfig &layer);
  void experts();
  void perLayerInput();

  const ModelConfig &config;
  int64_t hidden, current = 0;
};

void TensorList::attention(const LayerConfig &layer) {
  int64_t queries = layer.heads * layer.headDim, keys = layer.kvHeads * layer.headDim;
  add("self_attn.q_proj.weight", {queries, hidden}, "heads x head_dim by hidden_size");
  add("self_attn.q_norm.weight", {layer.headDim}, "head_dim");
  if (layer.kvSource < 0) {
    add("self_attn.k_proj.weight", {keys, hidden}, "key/value heads x head_dim by hidden_size");
    add("self_attn.k_norm.weight", {layer.headDim}, "head_dim");
    if (!layer.valueFromKey)
      add("self_attn.v_proj.weight", {keys, hidden}, "key/value heads x head_dim by hidden_size");
  }
  add("self_attn.o_proj.weight", {hidden, queries}, "hidden_size by heads x head_dim");
}

void TensorList::mlp(const LayerConfig &layer) {
  add("mlp.gate_proj.weight", {layer.intermediate, hidden}, "intermediate_size by hidden_size");
  add("mlp.up_proj.weight", {layer.intermediate, hidden}, "intermediate_size by hidden_size");
  add("mlp.down_proj.weight", {hidden, layer.intermediate}, "hidden_size by intermediate_size");
}

void TensorList::experts() {
  norm("post_feedforward_layernorm_1.weight");
  add("router.scale", {hidden}, "hidden_size");
  add("router.proj.weight", {config.experts, hidden}, "num_experts by hidden_size");
  add("router.per_expert_scale", {config.experts}, "num_experts");
  norm("pre_feedforward_layernorm_2.weight");
  add("experts.gate_up_proj", {config.experts, 2 * config.expertIntermediate, hidden},
      "num_experts by 2 x moe_intermediate_size by hidden_size");
  add("experts.down_proj", {config.experts, hidden, config.expertIntermediate},
      "num_experts by hidden_size by moe_intermediate_size");
  norm("post_feedforward_layernorm_2.weight");
}

void TensorList::perLayerInput() {
  add("per_layer_input_gate.weight", {config.pleDim, hidden}, "hidden_size_per_layer_input by hidden_size");
  add("per_layer_projection.weight", {hidden, config.pleDim}, "hidden_size by hidden_size_per_layer_input");
  norm("post_per_layer_input_norm.weight");
}

void TensorList::layer(int64_t i) {
  const LayerConfig &layer = config.layers[static_cast<size_t>(i)];
  current = i;
  norm("input_layernorm.weight");
  attention(layer);
  norm("post_attention_layernorm.weight");
  norm("pre_feedforward_layernorm.weight");
  mlp(layer);
  if (config.experts > 0)
    experts();
  norm("post_feedforward_layernorm.weight");
  if (config.pleDim > 0)
    perLayerInput();
  if (config.layerScalar)
    add("layer_scalar", {1}, "one scalar per layer");
}

} // namespace

std::vector<ExpectedTensor> gemmac::expectedTensors(const ModelConfig &config) {
  TensorList tensors(config);
  auto count = static_cast<int64_t>(config.layers.size());
  tensors.global("embed_tokens.weight", {config.vocab, config.hidden}, "vocab_size by hidden_size");
  if (config.pleDim > 0) {
    int64_t wide = count * config.pleDim;
    tensors.global("embed_tokens_per_layer.weight", {config.pleVocab, wide},
                   "vocab_size_per_layer_input by layers x hidden_size_per_layer_input");
    tensors.global("per_layer_model_projection.weight", {wide, config.hidden},
                   "layers x hidden_size_per_layer_input by hidden_size");
    tensors.global("per_layer_projection_norm.weight", {config.pleDim}, "hidden_size_per_layer_input");
  }
  for (int64_t i = 0; i < count; ++i)
    tensors.layer(i);
  tensors.global("norm.weight", {config.hidden}, "a norm of hidden_size");
  return std::move(tensors.list);
}

static llvm::Error checkTensor(const TensorSource &tensors, const ExpectedTensor &expected) {
  const TensorInfo *found = tensors.find(expected.name);
  std::string shape = shapeText(expected.shape) + " (" + expected.what + ")";
  if (!found)
    return inputError(tensors.primaryFile(), expected.name, "missing, expected a tensor of shape " + shape,
                      "the download is incomplete, or the configuration is of another model");
  if (llvm::ArrayRef<int64_t>(found->shape) != llvm::ArrayRef<int64_t>(expected.shape))
    return inputError(found->file, expected.name,
                      "found shape " + shapeText(found->shape) + ", expected " + shape +
                          " by the sizes in the configuration");
  if (!isWeightType(found->dtype))
    return inputError(found->file, expected.name,
                      "found dtype " + dtypeName(found->dtype) + ", expected BF16, F16 or F32");
  if (found->length > eagerFiniteCheckBytes)
    return llvm::Error::success();
  return checkFinite(tensors, *found);
}

llvm::Error gemmac::checkTensors(const TensorSource &tensors, const ModelConfig &config) {
  for (const ExpectedTensor &expected : expectedTensors(config))
    if (llvm::Error error = checkTensor(tensors, expected))
      return error;
  return llvm::Error::success();
}

/// "blk.3.attn_q.weight" -> {3, "attn_q.weight"}; nothing for tensors that are of no layer of the text
/// decoder.
static std::optional<std::pair<int64_t, llvm::StringRef>> layerPart(const ModelConfig &config,
                                                                    llvm::StringRef name) {
  const bool gguf = config.naming == TensorNaming::Gguf;
  int64_t layer;
  if (!name.consume_front(gguf ? std::string("blk.") : config.tensorPrefix + "layers.") ||
      name.consumeInteger(10, layer) || !name.consume_front("."))
    return std::nullopt;
  return std::pair(layer, name);
}

llvm::Error gemmac::checkUnread(const TensorSource &tensors, const ModelConfig &config,
                                std::vector<std::string> &notes) {
  llvm::StringSet<> read;
  for (const ExpectedTensor &expected : expectedTensors(config))
    read.insert(expected.name);
  std::vector<std::string> others;
  for (const TensorInfo &tensor : tensors.tensors()) {
    auto part = layerPart(config, tensor.name);
    if (!part || read.contains(tensor.name))
      continue;
    auto refuse = [&](const llvm::Twine &found) {
      return inputError(tensor.file, tensor.name, found,
                        "the configuration is of another model, or the file of another architecture");
    };
    auto [layer, name] = *part;
    if (layer < 0 || layer >= static_cast<int64_t>(config.layers.size()))
      return refuse("a tensor of layer " + llvm::Twine(layer) + ", but the configuration has " +
                    llvm::Twine(config.layers.size()) + " layers");
    if (name.ends_with(".bias"))
      return refuse("a bias, which no Gemma text model has");
    if (config.experts == 0 && (name.contains("exps.") || name.starts_with("experts.")))
      return refuse("experts, but the configuration has none");
    // Layers that share keys and values still have their own in most files; fused ones are read in parts.
    const bool known = name.contains("attn_k") || name.contains("attn_v") || name.contains("attn_qkv") ||
                       name.contains("k_proj") || name.contains("v_proj") || name.contains("k_norm") ||
                       name.contains("_exps.");
    if (!known)
      others.push_back(tensor.name);
  }
  if (!others.empty())
    notes.push_back(std::to_string(others.size()) + " tensors of layers are not used, the first is " +
                    others.front());
  return llvm::Error::success();
}
