// GGUF's block formats in the tensors' words (DType) and the IR's (gemma::Blocks).
#pragma once

#include "dialect/gemma/Gemma.h"
#include "frontend/GgmlBlocks.h"

namespace gemmac {

// Both enums list the formats in one order; here is all that relies on it.
static_assert(static_cast<int>(DType::Q6_K) - static_cast<int>(DType::Q4_0) ==
              static_cast<int>(gemma::Blocks::Q6_K) - static_cast<int>(gemma::Blocks::Q4_0));
static_assert(static_cast<int>(DType::Q8_0) - static_cast<int>(DType::Q4_0) ==
              static_cast<int>(gemma::Blocks::Q8_0) - static_cast<int>(gemma::Blocks::Q4_0));

/// None for types that are no block formats.
inline gemma::Blocks blocksOf(DType type) {
  if (!isBlockType(type))
    return gemma::Blocks::None;
  return static_cast<gemma::Blocks>(static_cast<int>(type) - static_cast<int>(DType::Q4_0) +
                                    static_cast<int>(gemma::Blocks::Q4_0));
}

/// `blocks` is not None.
inline DType dtypeOf(gemma::Blocks blocks) {
  return static_cast<DType>(static_cast<int>(blocks) - static_cast<int>(gemma::Blocks::Q4_0) +
                            static_cast<int>(DType::Q4_0));
}

} // namespace gemmac
