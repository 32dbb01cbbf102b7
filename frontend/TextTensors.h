// Which tensors the text decoder of a configuration needs, by name and shape (gemma4.md 3.1 and 10), as data:
// the loader checks them, the importer asks for the same names.
#pragma once

#include "frontend/Config.h"
#include "frontend/TensorSource.h"

#include "llvm/ADT/SmallVector.h"

#include <string>
#include <vector>

namespace gemmac {

struct ExpectedTensor {
  std::string name; ///< as the checkpoint has it
  llvm::SmallVector<int64_t, 4> shape;
  std::string what; ///< for messages: what it is and which fields make its shape
};

/// The checkpoint's own name of the tensor that gemma4.md 3.1 calls `name`, for example
/// "embed_tokens.weight": ModelConfig::tensorPrefix + `name`, or GGUF's.
std::string tensorName(const ModelConfig &config, llvm::StringRef name);
/// The same for a tensor of one layer, for example layerTensorName(config, 3, "self_attn.q_proj.weight").
std::string layerTensorName(const ModelConfig &config, int64_t layer, llvm::StringRef name);

/// All of them, in the order in which a step uses them. KV-shared layers need no k, v and k_norm.
std::vector<ExpectedTensor> expectedTensors(const ModelConfig &config);

/// Checks that they are all there with the right shapes, of a type that weights may have, and that those of
/// at most eagerFiniteCheckBytes hold no NaN or infinity.
llvm::Error checkTensors(const TensorSource &tensors, const ModelConfig &config);

/// Refuses tensors of layers that the configuration does not have, biases, and experts of a model without;
/// names others of the text decoder that nothing reads in `notes`.
llvm::Error checkUnread(const TensorSource &tensors, const ModelConfig &config,
                        std::vector<std::string> &notes);

} // namespace gemmac
