// Which of a program's images a GPU runs. The rules are those of the driver: a cubin runs on its architecture
// and on later ones of the same major version, one for "sm_90a" on exactly 9.0; PTX is compiled by the driver
// for its architecture and any later one, that of "sm_90a" for exactly 9.0.
#pragma once

#include "runtime/Abi.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gemmac::rt::cuda {

/// 9.0 is {9, 0}.
struct Capability {
  int major = 0, minor = 0;
  auto operator<=>(const Capability &) const = default;
};

/// "sm_90a"
struct GpuArch {
  Capability capability;
  bool exact = false; ///< "a": runs there only
};
/// Nothing if it is no such name.
std::optional<GpuArch> parseArch(std::string_view name);

/// The image of `entry` that fits best: a cubin rather than PTX, the latest architecture, what is for exactly
/// this one. Null if the GPU can run none.
const GmImage *chooseImage(std::span<const GmImage> images, std::string_view entry, Capability gpu);

/// "sm_90a", "PTX for sm_80"
std::string imageName(const GmImage &image);
/// The architectures of all images, each once: "sm_90a, sm_80, PTX for sm_80".
std::string imageNames(std::span<const GmImage> images);

} // namespace gemmac::rt::cuda
