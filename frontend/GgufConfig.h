// The configuration of a model from the metadata and the tensor shapes of a GGUF file (archs gemma4 and
// gemma3; gemma4.md 3.3 and 10). Keys that a file may lack get the values that the reference gives them.
#pragma once

#include "frontend/Config.h"
#include "frontend/GgufFile.h"

namespace gemmac {

llvm::Expected<ModelConfig> loadGgufConfig(const GgufFile &gguf);
/// Sampling defaults and suppressed ids; stop ids named by the metadata.
llvm::Expected<GenerationConfig> loadGgufGeneration(const GgufFile &gguf, int64_t vocab);

} // namespace gemmac
