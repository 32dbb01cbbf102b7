// Reader of safetensors: one model.safetensors, or shards listed by model.safetensors.index.json. Files are
// mapped read-only. A header is believed only after the audited rules hold: at most 100 MB, begins with `{`,
// no duplicate names, checked products, and tensors that cover the data exactly, without holes and without
// overlap.
#pragma once

#include "frontend/TensorSource.h"

#include <memory>
#include <vector>

namespace gemmac {

/// Longest header, as the format's reference implementation has it.
constexpr uint64_t maxSafetensorsHeader = 100'000'000;

/// Checks one whole file (`contents`) and lists its tensors, by name. `file` is what messages and
/// TensorInfo::file say.
llvm::Expected<std::vector<TensorInfo>> parseSafetensors(llvm::StringRef file,
                                                         llvm::ArrayRef<uint8_t> contents);

/// Opens the weights of a checkpoint directory.
llvm::Expected<std::unique_ptr<TensorSource>> openSafetensors(llvm::StringRef directory);

} // namespace gemmac
