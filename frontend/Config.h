// config.json as data: every size of the decoder, per layer, with the family's rules (gemma4.md sections 1
// and 10) already applied. After loadConfig() all numbers are positive, bounded and consistent with each
// other.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemmac {

enum class Family : uint8_t { Gemma3, Gemma4, Gemma4Unified };

/// Whose names the tensors have: Hugging Face's (gemma4.md 3.1) or GGUF's (3.3).
enum class TensorNaming : uint8_t { HuggingFace, Gguf };

/// Rotary embedding of one layer type, gemma4.md (8)-(10): angle i of a head is
/// pos / factor * theta^(-2i / headDim) for i < angles, and 0 (no rotation) for the rest of the headDim/2
/// pairs.
struct RopeConfig {
  double theta = 1e4;
  int64_t angles = 0; ///< rotated pairs (j, j + headDim/2), at most headDim/2
  double factor = 1;  ///< linear position scaling (Gemma 3, 4B and up: 8 on full layers)
};

struct LayerConfig {
  bool full = false; ///< full attention; otherwise a sliding window
  int64_t headDim = 0;
  int64_t heads = 0; ///< query heads
  int64_t kvHeads = 0;
  int64_t window = 0;        ///< keys a query sees, itself included; 0 on full layers
  int64_t intermediate = 0;  ///< width of the dense MLP (double-wide applied)
  bool valueFromKey = false; ///< attention_k_eq_v on this layer: V is the raw K projection
  int64_t kvSource = -1;     ///< -1: owns its KV; otherwise the layer whose K and V it reads
  RopeConfig rope;
};

struct ModelConfig {
  Family family = Family::Gemma4;
  std::string modelType; ///< as published, outer model_type
  TensorNaming naming = TensorNaming::HuggingFace;
  std::string tensorPrefix; ///< Hugging Face: "model." or "model.language_model.", as the tensors have it
  int64_t vocab = 0, hidden = 0, maxPositions = 0;
  std::vector<LayerConfig> layers;
  double eps = 1e-6;
  double normOffset = 0;     ///< 1 for Gemma 3: norms multiply by (1 + w)
  bool layerScalar = true;   ///< Gemma 4: one scalar per layer
  bool valueNorm = true;     ///< Gemma 4: V is RMS-normed without weight
  double attentionScale = 1; ///< Gemma 3: query_pre_attn_scalar^-0.5
  std::optional<double> finalSoftcap;
  int64_t pleDim = 0, pleVocab = 0;                      ///< 0: no per-layer embeddings
  int64_t experts = 0, topK = 0, expertIntermediate = 0; ///< 0: no MoE
  bool visionBidirectional = false;
  bool hasVision = false, hasAudio = false; ///< towers that text-only compilation skips
  std::vector<std::string> notes;           ///< what was skipped or defaulted, for the user
  // token ids
  int64_t bos = 2, pad = 0;
  std::vector<int64_t> eos;
  /// Ids of image, audio and video soft tokens of a multimodal checkpoint. As text they embed like `pad`: the
  /// reference replaces them before the look-up, since soft tokens overwrite these rows.
  std::vector<int64_t> placeholders;
};

/// Stop ids, suppressed ids and sampling defaults of generation_config.json (absent file: family defaults).
struct GenerationConfig {
  std::vector<int64_t> eos; ///< united with ModelConfig::eos by the caller
  std::vector<int64_t> suppress;
  double temperature = 1.0, topP = 1.0, minP = 0.0, repeatPenalty = 1.0;
  int64_t topK = 0;
  bool doSample = false;

  /// Adds ids to `eos`, which becomes sorted and holds each once.
  void addStops(llvm::ArrayRef<int64_t> ids);
};

/// Reads and checks `path` (config.json). Both published styles: flat or text_config; global_head_dim or
/// per_layer_config.
llvm::Expected<ModelConfig> loadConfig(llvm::StringRef path);
/// Reads generation_config.json; a missing file gives defaults. `vocab` bounds the ids.
llvm::Expected<GenerationConfig> loadGenerationConfig(llvm::StringRef path, int64_t vocab);

} // namespace gemmac
