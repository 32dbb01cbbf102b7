// A GGUF file as a whole model: header, metadata, configuration, tensors, tokenizer, chat template; then the
// values of the tensors that a compilation would read.
#include "FuzzFile.h"
#include "Require.h"
#include "frontend/GgufCheckpoint.h"
#include "frontend/TextTensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const gemmac::fuzz::FuzzFile file(data, size);
  auto checkpoint = gemmac::loadGgufCheckpoint(file.path);
  if (gemmac::fuzz::refused(checkpoint))
    return 0;
  const gemmac::TensorSource &tensors = *checkpoint->tensors;
  std::vector<float> row;
  for (const gemmac::ExpectedTensor &expected : gemmac::expectedTensors(checkpoint->config)) {
    const gemmac::TensorInfo *found = tensors.find(expected.name);
    gemmac::fuzz::require(found, "a checkpoint without one of its tensors");
    const auto columns = static_cast<size_t>(found->shape.back());
    row.resize(columns);
    for (int64_t at : {int64_t(0), found->elements() / found->shape.back() - 1})
      gemmac::decodeToF32(found->dtype, rowBytes(tensors, *found, at), 0, row);
  }
  return 0;
}
