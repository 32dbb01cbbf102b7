// What the model families of gemma4.md (sections 1, 9 and 10) have in common and where they differ, as data.
// Private to the frontend: Config.cpp walks this table, everybody else sees the resulting ModelConfig.
#pragma once

#include "frontend/Config.h"
#include "frontend/Json.h"

namespace gemmac {

struct ModelFamily {
  const char *outerType; ///< model_type with a text_config inside
  const char *textType;  ///< model_type of the text_config, or of a flat file
  Family family;
  double normOffset; ///< norms multiply by (normOffset + w)
  bool layerScalar;
  bool valueNorm;
  bool lastLayerFull;      ///< whatever layer_types says
  bool perLayerEmbeddings; ///< has hidden_size_per_layer_input
  bool mixtureOfExperts;   ///< has enable_moe_block
  int64_t maxPositions;    ///< where max_position_embeddings is absent
  // Sizes that published files leave out; 0: the file must say them.
  int64_t heads, kvHeads, headDim, vocab;
};

/// The family of a config.json by its model_type, or null after reporting what is wrong with it.
const ModelFamily *findFamily(const JsonObject &root);

/// What the readers below share while a config.json is read.
struct ConfigReader {
  const ModelFamily &family;
  JsonObject outer; ///< the file
  JsonObject text;  ///< text_config, or the file where it is flat
  InputCheck &check;
  ModelConfig &config;

  bool isGemma3() const { return family.family == Family::Gemma3; }
  /// A size that the file must give, unless the family has a default for it (`absent` > 0).
  int64_t size(llvm::StringRef key, int64_t absent, int64_t high);
  void note(const llvm::Twine &line) { config.notes.push_back(line.str()); }
};

// Upper bounds: generous multiples of the released sizes, small enough that products of three fit 63 bits.
constexpr int64_t maxHidden = int64_t(1) << 20;
constexpr int64_t maxLayers = int64_t(1) << 10;
constexpr int64_t maxVocab = int64_t(1) << 22;
constexpr int64_t maxHeads = int64_t(1) << 12;
constexpr int64_t maxHeadDim = int64_t(1) << 14;
constexpr int64_t maxIntermediate = int64_t(1) << 22;
constexpr int64_t maxExperts = int64_t(1) << 14;
constexpr int64_t maxPosition = int64_t(1) << 30;

/// ModelConfig::layers: types, sizes, windows, sharing. Needs the global sizes; ConfigLayers.cpp.
void readLayers(ConfigReader &reader);
/// Makes the last `shared` layers read K and V of the last layer before them that has their type
/// (gemma4.md 2.6): sets LayerConfig::kvSource. Returns what the number should have been, or "".
std::string shareKeysAndValues(std::vector<LayerConfig> &layers, int64_t shared);
/// LayerConfig::rope of every layer; ConfigRope.cpp.
void readRope(ConfigReader &reader);
/// An id or a list of ids below `vocab`, appended to `ids`; absent and null add nothing.
void readTokenIds(const JsonObject &object, llvm::StringRef key, int64_t vocab, std::vector<int64_t> &ids);

} // namespace gemmac
