// Writes arrays as .npy files (format 1.0, little endian), for test scripts to read.
#pragma once

#include "dialect/interp/Tensor.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace gemmac {

llvm::Error writeNpy(llvm::StringRef path, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values);
llvm::Error writeNpy(llvm::StringRef path, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int32_t> values);
/// f32 or i32, whichever the tensor holds.
llvm::Error writeNpy(llvm::StringRef path, const Tensor &tensor);

} // namespace gemmac
