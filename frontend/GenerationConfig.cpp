// generation_config.json: stop ids, suppressed ids and sampling defaults. Optional; what is there must make
// sense.
#include "frontend/MappedFile.h"
#include "frontend/ModelFamily.h"

using namespace gemmac;

void GenerationConfig::addStops(llvm::ArrayRef<int64_t> ids) {
  eos.insert(eos.end(), ids.begin(), ids.end());
  llvm::sort(eos);
  eos.erase(std::unique(eos.begin(), eos.end()), eos.end());
}

llvm::Expected<GenerationConfig> gemmac::loadGenerationConfig(llvm::StringRef path, int64_t vocab) {
  GenerationConfig config;
  if (!isPresent(path))
    return config;
  llvm::Expected<JsonDocument> document = JsonDocument::read(path, {});
  if (!document)
    return document.takeError();
  InputCheck check(path);
  JsonObject root(document->root(), "", "", check);
  readTokenIds(root, "eos_token_id", vocab, config.eos);
  readTokenIds(root, "suppress_tokens", vocab, config.suppress);
  if (static_cast<int64_t>(config.suppress.size()) >= vocab)
    check.fail("suppress_tokens",
               "found all " + llvm::Twine(vocab) + " ids, expected at least one that may be chosen");
  config.doSample = root.booleanOr("do_sample", config.doSample);
  config.temperature = root.numberOr("temperature", config.temperature, {0, 1000});
  config.topK = root.integerOr("top_k", config.topK, 0, int64_t(1) << 31);
  config.topP = root.numberOr("top_p", config.topP, {0, 1, true});
  config.minP = root.numberOr("min_p", config.minP, {0, 1});
  config.repeatPenalty = root.numberOr("repetition_penalty", config.repeatPenalty, {0, 1000, true});
  if (llvm::Error error = check.take())
    return error;
  return config;
}
