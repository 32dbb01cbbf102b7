// Which tensors the text decoder of a configuration needs, by name and shape (gemma4.md 3.1 and 10), as data:
// the loader checks them, the importer asks for the same names.
#pragma once

#include "frontend/Config.h"

#include "llvm/ADT/SmallVector.h"

#include <string>
#include <vector>

namespace gemmac {

struct ExpectedTensor {
  std::string name; ///< with ModelConfig::tensorPrefix in front
  llvm::SmallVector<int64_t, 4> shape;
  std::string what; ///< for messages: what it is and which fields make its shape
};

/// ModelConfig::tensorPrefix + `name`, for example "embed_tokens.weight".
std::string tensorName(const ModelConfig &config, llvm::StringRef name);
/// The same for a tensor of one layer, for example layerTensorName(config, 3, "self_attn.q_proj.weight").
std::string layerTensorName(const ModelConfig &config, int64_t layer, llvm::StringRef name);

/// All of them, in the order in which a step uses them. KV-shared layers need no k, v and k_norm.
std::vector<ExpectedTensor> expectedTensors(const ModelConfig &config);

} // namespace gemmac
