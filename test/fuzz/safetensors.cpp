// One shard of safetensors; or, where the input is a JSON object, the index of two good shards.
#include "frontend/Safetensors.h"
#include "FuzzFile.h"
#include "Require.h"

#include "llvm/Support/FileSystem.h"

#include <fstream>

namespace {

void write(const std::string &path, llvm::StringRef bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A checkpoint directory: one.safetensors has tensor a, two.safetensors b, the index is the input's.
class Shards {
public:
  Shards() {
    llvm::SmallString<128> made;
    gemmac::fuzz::require(!llvm::sys::fs::createUniqueDirectory("gemmac-fuzz", made),
                          "no temporary directory");
    path = made.str().str();
    for (auto [file, tensor] : {std::pair("one", "a"), std::pair("two", "b")}) {
      const std::string header =
          std::string("{\"") + tensor + "\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[0,6]}}";
      std::string bytes(8, '\0');
      bytes[0] = static_cast<char>(header.size());
      write(path + "/" + file + ".safetensors", bytes + header + "123456");
    }
  }
  ~Shards() { llvm::sys::fs::remove_directories(path); }

  std::string path;
};

void useIndex(llvm::StringRef index) {
  static const Shards shards;
  write(shards.path + "/model.safetensors.index.json", index);
  auto source = gemmac::openSafetensors(shards.path);
  if (gemmac::fuzz::refused(source))
    return;
  for (const gemmac::TensorInfo &tensor : (*source)->tensors())
    gemmac::fuzz::require((*source)->bytes(tensor).size() == 6, "a shard's tensor has other bytes");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 0 && data[0] == '{') {
    useIndex({reinterpret_cast<const char *>(data), size});
    return 0;
  }
  auto tensors = gemmac::parseSafetensors("input", {data, size});
  if (gemmac::fuzz::refused(tensors))
    return 0;
  uint64_t covered = 0;
  for (const gemmac::TensorInfo &tensor : *tensors) {
    gemmac::fuzz::require(tensor.offset + tensor.length <= size, "a tensor beyond the file's end");
    covered += tensor.length;
    if (!gemmac::isWeightType(tensor.dtype) || tensor.length == 0)
      continue;
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    gemmac::decodeToF32(tensor.dtype, {data + tensor.offset, static_cast<size_t>(tensor.length)}, 0, values);
  }
  gemmac::fuzz::require(covered + 8 <= size, "tensors that overlap");
  return 0;
}
