// Puts a checkpoint directory together and checks that its parts belong to each other: every tensor that the
// configuration asks for is there with its shape, the tokenizer fits the vocabulary, and no weight is NaN.
#include "frontend/Checkpoint.h"

#include "frontend/Diagnostic.h"
#include "frontend/GgufCheckpoint.h"
#include "frontend/Json.h"
#include "frontend/MappedFile.h"
#include "frontend/Safetensors.h"
#include "frontend/TextTensors.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace gemmac;
namespace fs = llvm::sys::fs;

namespace {

constexpr llvm::StringLiteral expectedDirectory =
    "give a Hugging Face directory (config.json, model.safetensors and tokenizer.json) or a GGUF file";

std::string inDirectory(llvm::StringRef directory, llvm::StringRef name) {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// Success if `path` is a directory with a config.json; otherwise what it is instead.
llvm::Error checkDirectory(llvm::StringRef path) {
  fs::file_status status;
  if (std::error_code error = fs::status(path, status))
    return inputError(path, "",
                      error == std::errc::no_such_file_or_directory ? "no such file or directory"
                                                                    : error.message(),
                      expectedDirectory);
  if (fs::is_regular_file(status))
    return inputError(path, "", "is neither a directory nor a GGUF file", expectedDirectory);
  if (!fs::is_directory(status))
    return inputError(path, "", "is not a directory", expectedDirectory);
  std::string config = inDirectory(path, "config.json");
  if (fs::exists(config))
    return llvm::Error::success();
  std::error_code error;
  fs::directory_iterator entry(path, error), end;
  if (error)
    return inputError(path, "", "cannot be read: " + error.message());
  if (entry == end)
    return inputError(path, "", "is an empty directory, expected config.json in it", expectedDirectory);
  for (; !error && entry != end; entry.increment(error))
    if (llvm::StringRef(entry->path()).ends_with_insensitive(".gguf"))
      return inputError(config, "", "no such file, but the directory holds a GGUF file",
                        "give that file itself: " + entry->path());
  return inputError(config, "", "no such file", expectedDirectory);
}

/// Last component of the path as the user may mean it: of "." and "dir/.." the real one.
std::string checkpointName(llvm::StringRef path) {
  llvm::SmallString<256> real;
  llvm::StringRef name = llvm::sys::path::filename(path.rtrim('/'));
  if (!name.empty() && name != "." && name != "..")
    return name.str();
  if (!fs::real_path(path, real))
    name = llvm::sys::path::filename(real);
  return name.empty() ? "model" : name.str();
}

/// The prefix under which the text decoder's tensors are stored, gemma4.md 3.1 (the third is what older
/// exports of multimodal Gemma 3 have). The one that most of all names begin with would be a guess; an
/// embedding or a first layer is not.
std::string findPrefix(const TensorSource &tensors, const ModelConfig &config) {
  for (llvm::StringRef prefix : {"model.language_model.", "language_model.model.", "model."})
    for (llvm::StringRef name : {"embed_tokens.weight", "norm.weight", "layers.0.input_layernorm.weight"})
      if (tensors.find((prefix + name).str()))
        return prefix.str();
  bool flat = llvm::StringRef(config.modelType).ends_with("_text");
  return flat ? "model." : "model.language_model.";
}

llvm::Expected<TokenizerData> loadTokenizer(llvm::StringRef directory, int64_t vocab) {
  std::string json = inDirectory(directory, "tokenizer.json"),
              model = inDirectory(directory, "tokenizer.model");
  if (!isPresent(json) && isPresent(model))
    return loadTokenizerModel(model, vocab);
  return loadTokenizerJson(json, vocab);
}

void noteTowers(Checkpoint &checkpoint) {
  const ModelConfig &config = checkpoint.config;
  bool unified = config.family == Family::Gemma4Unified; // it embeds patches and frames directly
  auto skip = [&](llvm::StringRef which) {
    checkpoint.notes.push_back("the " + which.str() + (unified ? " embedder" : " tower") +
                               " is left out: only text is compiled yet");
  };
  if (config.hasVision)
    skip("vision");
  if (config.hasAudio)
    skip("audio");
}

} // namespace

llvm::Expected<Checkpoint> gemmac::loadCheckpoint(llvm::StringRef path, llvm::StringRef chatTemplate) {
  if (isGguf(path) && !fs::is_directory(path))
    return loadGgufCheckpoint(path, chatTemplate);
  if (llvm::Error error = checkDirectory(path))
    return error;
  Checkpoint checkpoint;
  checkpoint.path = path.str();
  checkpoint.name = checkpointName(path);

  std::string configPath = inDirectory(path, "config.json");
  llvm::Expected<ModelConfig> config = loadConfig(configPath);
  if (!config)
    return config.takeError();
  checkpoint.config = std::move(*config);

  llvm::Expected<std::unique_ptr<TensorSource>> tensors = openSafetensors(path);
  if (!tensors)
    return tensors.takeError();
  checkpoint.tensors = std::move(*tensors);
  checkpoint.config.tensorPrefix = findPrefix(*checkpoint.tensors, checkpoint.config);
  if (llvm::Error error = checkTensors(*checkpoint.tensors, checkpoint.config))
    return error;

  llvm::Expected<TokenizerData> tokenizer = loadTokenizer(path, checkpoint.config.vocab);
  if (!tokenizer)
    return tokenizer.takeError();
  checkpoint.tokenizer = std::move(*tokenizer);
  if (checkpoint.tokenizer.bos != checkpoint.config.bos)
    return inputError(configPath, "bos_token_id",
                      "found " + llvm::Twine(checkpoint.config.bos) + ", but the tokenizer has <bos> as " +
                          llvm::Twine(checkpoint.tokenizer.bos));

  llvm::Expected<GenerationConfig> generation =
      loadGenerationConfig(inDirectory(path, "generation_config.json"), checkpoint.config.vocab);
  if (!generation)
    return generation.takeError();
  checkpoint.generation = std::move(*generation);
  checkpoint.generation.addStops(checkpoint.config.eos);

  if (llvm::Error error = findChatTemplate(path, chatTemplate).moveInto(checkpoint.chatTemplate))
    return error;
  checkpoint.notes = checkpoint.config.notes;
  if (llvm::Error error = checkUnread(*checkpoint.tensors, checkpoint.config, checkpoint.notes))
    return error;
  noteTowers(checkpoint);
  return checkpoint;
}
