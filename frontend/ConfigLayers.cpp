// The layers of a config.json: type, head sizes, windows, MLP width and KV sharing of each
// (gemma4.md 1.1, 2.6 and 10), from either of the two published styles (global_head_dim or per_layer_config).
#include "frontend/ModelFamily.h"

#include "llvm/ADT/SmallVector.h"

using namespace gemmac;

namespace {

/// Sizes of one layer where they differ from the common ones; 0: they do not.
struct Override {
  int64_t headDim = 0, kvHeads = 0;
};

/// layer_types, or the family's pattern: every n-th layer is full.
void readTypes(ConfigReader &reader) {
  const JsonObject &text = reader.text;
  std::vector<LayerConfig> &layers = reader.config.layers;
  if (text.has("layer_types")) {
    llvm::ArrayRef<JsonValue> types = text.array("layer_types");
    if (types.size() != layers.size())
      return text.mismatch("layer_types",
                           "one entry for each of num_hidden_layers (" + llvm::Twine(layers.size()) + ")");
    for (size_t i = 0; i < layers.size(); ++i) {
      llvm::StringRef type = types[i].asString().value_or("");
      if (type != "full_attention" && type != "sliding_attention")
        return reader.check.fail(text.at("layer_types") + "[" + std::to_string(i) + "]",
                                 "found " + types[i].describe() +
                                     ", expected \"sliding_attention\" or \"full_attention\"");
      layers[i].full = type == "full_attention";
    }
  } else {
    int64_t period = 6;
    if (reader.isGemma3())
      period = text.integerOr("sliding_window_pattern",
                              text.integerOr("_sliding_window_pattern", 6, 1, maxLayers), 1, maxLayers);
    for (size_t i = 0; i < layers.size(); ++i)
      layers[i].full = (i + 1) % static_cast<size_t>(period) == 0;
    reader.note("config.json has no layer_types: every layer " + llvm::Twine(period) + "n is full attention");
  }
  if (reader.family.lastLayerFull && !layers.back().full) {
    layers.back().full = true;
    reader.note(
        "config.json: layer_types ends with a sliding layer; the last layer is full attention all the same");
  }
}

/// One entry of per_layer_config: {"head_dim": .., "num_key_value_heads": ..}.
Override readOverride(ConfigReader &reader, const JsonMember &entry, llvm::StringRef place) {
  JsonObject fields(entry.value, place, place.str() + ".", reader.check);
  Override result;
  result.headDim = fields.integerOr("head_dim", 0, 1, maxHeadDim);
  result.kvHeads = fields.integerOr("num_key_value_heads", 0, 1, maxHeads);
  for (const JsonMember &field : entry.value.members())
    if (field.key != "head_dim" && field.key != "num_key_value_heads")
      fields.mismatch(field.key,
                      "head_dim and num_key_value_heads only: layers cannot differ in other fields");
  return result;
}

/// The newer style: {"05": {...}}, the layer as a decimal number, possibly with zeros in front.
void readPerLayerConfig(ConfigReader &reader, std::vector<Override> &overrides) {
  JsonObject table = reader.text.object("per_layer_config");
  const JsonValue *value = reader.text.find("per_layer_config");
  std::vector<bool> seen(overrides.size());
  for (const JsonMember &entry : value->members()) {
    std::string place = table.at(entry.key);
    uint64_t index = 0;
    if (entry.key.empty() || entry.key.find_first_not_of("0123456789") != llvm::StringRef::npos ||
        entry.key.getAsInteger(10, index) || index >= overrides.size())
      return reader.check.fail(place, "names no layer, expected a number from 0 to " +
                                          llvm::Twine(overrides.size() - 1));
    if (seen[index])
      return reader.check.fail(place, "names layer " + llvm::Twine(index) + " a second time");
    seen[index] = true;
    overrides[index] = readOverride(reader, entry, place);
  }
}

/// The older style: one size for all full layers, 512 where nothing is said.
void readGlobalSizes(ConfigReader &reader, std::vector<Override> &overrides) {
  Override full;
  full.headDim = reader.text.integerOr("global_head_dim", 512, 1, maxHeadDim);
  if (reader.text.booleanOr("attention_k_eq_v", false))
    full.kvHeads = reader.text.integerOr("num_global_key_value_heads", 0, 1, maxHeads);
  for (size_t i = 0; i < overrides.size(); ++i)
    if (reader.config.layers[i].full)
      overrides[i] = full;
}

void readHeads(ConfigReader &reader) {
  const JsonObject &text = reader.text;
  int64_t heads = reader.size("num_attention_heads", reader.family.heads, maxHeads);
  int64_t kvHeads = reader.size("num_key_value_heads", reader.family.kvHeads, maxHeads);
  int64_t headDim = reader.size("head_dim", reader.family.headDim, maxHeadDim);
  bool keyIsValue = !reader.isGemma3() && text.booleanOr("attention_k_eq_v", false);
  std::vector<Override> overrides(reader.config.layers.size());
  if (!reader.isGemma3()) {
    if (text.has("per_layer_config"))
      readPerLayerConfig(reader, overrides);
    else
      readGlobalSizes(reader, overrides);
  }
  if (reader.check.failed())
    return;
  for (size_t i = 0; i < overrides.size(); ++i) {
    LayerConfig &layer = reader.config.layers[i];
    layer.heads = heads;
    layer.headDim = overrides[i].headDim ? overrides[i].headDim : headDim;
    layer.kvHeads = overrides[i].kvHeads ? overrides[i].kvHeads : kvHeads;
    layer.valueFromKey = keyIsValue && layer.full;
    if (layer.heads % layer.kvHeads != 0)
      return reader.check.fail(text.at("num_key_value_heads"),
                               "found " + llvm::Twine(layer.kvHeads) + " on layer " + llvm::Twine(i) +
                                   ", expected a divisor of num_attention_heads (" + llvm::Twine(heads) +
                                   ")");
    if (layer.headDim % 2 != 0)
      return reader.check.fail(text.at("head_dim"), "found " + llvm::Twine(layer.headDim) + " on layer " +
                                                        llvm::Twine(i) + ", expected an even number");
  }
}

void readWindows(ConfigReader &reader) {
  bool sliding = llvm::any_of(reader.config.layers, [](const LayerConfig &layer) { return !layer.full; });
  if (!sliding)
    return;
  int64_t window = reader.text.integer("sliding_window", 1, maxPosition);
  for (LayerConfig &layer : reader.config.layers)
    layer.window = layer.full ? 0 : window;
}

/// KV sharing, and the double width that it brings (gemma4.md 2.6).
void readSharing(ConfigReader &reader) {
  if (reader.isGemma3())
    return;
  std::vector<LayerConfig> &layers = reader.config.layers;
  const JsonObject &text = reader.text;
  int64_t shared = text.integerOr("num_kv_shared_layers", 0, 0, static_cast<int64_t>(layers.size()) - 1);
  bool wide = text.booleanOr("use_double_wide_mlp", false);
  if (std::string problem = shareKeysAndValues(layers, shared); !problem.empty())
    return text.mismatch("num_kv_shared_layers", problem);
  for (LayerConfig &layer : layers)
    if (wide && layer.kvSource >= 0)
      layer.intermediate *= 2;
}

} // namespace

std::string gemmac::shareKeysAndValues(std::vector<LayerConfig> &layers, int64_t shared) {
  auto own = static_cast<int64_t>(layers.size()) - shared;
  int64_t last[2] = {-1, -1}; // by `full`
  for (int64_t i = 0; i < static_cast<int64_t>(layers.size()); ++i) {
    LayerConfig &layer = layers[static_cast<size_t>(i)];
    if (i < own) {
      last[layer.full] = i;
      continue;
    }
    layer.kvSource = last[layer.full];
    if (layer.kvSource < 0)
      return "fewer: layer " + std::to_string(i) + " is " + (layer.full ? "full" : "sliding") +
             " attention, and no layer of that type before layer " + std::to_string(own) +
             " has keys and values to share";
    const LayerConfig &source = layers[static_cast<size_t>(layer.kvSource)];
    if (source.headDim != layer.headDim || source.kvHeads != layer.kvHeads)
      return "layers of equal head_dim and num_key_value_heads: layer " + std::to_string(i) +
             " cannot read the keys of layer " + std::to_string(layer.kvSource);
  }
  return "";
}

void gemmac::readLayers(ConfigReader &reader) {
  int64_t count = reader.text.integer("num_hidden_layers", 1, maxLayers);
  int64_t intermediate = reader.text.integer("intermediate_size", 1, maxIntermediate);
  reader.config.layers.resize(static_cast<size_t>(count));
  for (LayerConfig &layer : reader.config.layers)
    layer.intermediate = intermediate;
  for (auto *step : {readTypes, readHeads, readWindows, readSharing}) {
    if (reader.check.failed())
      return;
    step(reader);
  }
}
