// See Images.h.
#include "runtime/cuda/Images.h"

#include "runtime/Failure.h"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace gemmac::rt::cuda {

std::optional<GpuArch> parseArch(std::string_view name) {
  constexpr std::string_view kPrefix = "sm_";
  if (!name.starts_with(kPrefix))
    return std::nullopt;
  name.remove_prefix(kPrefix.size());
  GpuArch arch;
  if (name.ends_with('a')) {
    arch.exact = true;
    name.remove_suffix(1);
  }
  int number = 0; // the last digit is the minor version: 90, 103, 120
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 10)
    return std::nullopt;
  arch.capability = {number / 10, number % 10};
  return arch;
}

static bool runsOn(const GmImage &image, const GpuArch &arch, Capability gpu) {
  if (arch.exact)
    return gpu == arch.capability;
  return gpu >= arch.capability && (image.ptx || gpu.major == arch.capability.major);
}

const GmImage *chooseImage(std::span<const GmImage> images, std::string_view entry, Capability gpu) {
  const GmImage *best = nullptr;
  std::tuple<bool, Capability, bool> bestRank;
  for (const GmImage &image : images) {
    const std::optional<GpuArch> arch = parseArch(image.arch);
    if (entry != image.entry || !arch || !runsOn(image, *arch, gpu))
      continue;
    const std::tuple rank(image.ptx == 0, arch->capability, arch->exact);
    if (!best || rank > bestRank)
      best = &image, bestRank = rank;
  }
  return best;
}

std::string imageName(const GmImage &image) { return cat(image.ptx ? "PTX for " : "", image.arch); }

std::string imageNames(std::span<const GmImage> images) {
  std::vector<std::string> names;
  for (const GmImage &image : images)
    if (std::find(names.begin(), names.end(), imageName(image)) == names.end())
      names.push_back(imageName(image));
  return join(names);
}

} // namespace gemmac::rt::cuda
