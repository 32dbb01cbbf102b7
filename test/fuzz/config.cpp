// config.json and, as the same bytes, generation_config.json; what is accepted names its tensors.
#include "frontend/Config.h"
#include "FuzzFile.h"
#include "Require.h"
#include "frontend/TextTensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const gemmac::fuzz::FuzzFile file(data, size);
  auto generation = gemmac::loadGenerationConfig(file.path, 262144);
  gemmac::fuzz::refused(generation);
  auto config = gemmac::loadConfig(file.path);
  if (gemmac::fuzz::refused(config))
    return 0;
  for (const gemmac::ExpectedTensor &tensor : gemmac::expectedTensors(*config))
    for (int64_t extent : tensor.shape)
      gemmac::fuzz::require(extent > 0, "a tensor without elements");
  return 0;
}
