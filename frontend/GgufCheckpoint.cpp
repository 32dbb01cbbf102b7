// Puts a checkpoint together from a GGUF file, and checks that its parts belong to each other. See
// GgufCheckpoint.h.
#include "frontend/GgufCheckpoint.h"

#include "frontend/Diagnostic.h"
#include "frontend/GgufConfig.h"
#include "frontend/TextTensors.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cassert>

using namespace gemmac;

namespace {

/// The tensors of the file, and those that are rows of a fused one.
class GgufSource final : public TensorSource {
public:
  explicit GgufSource(std::unique_ptr<GgufFile> file) : file(std::move(file)), all(this->file->tensors()) {}

  llvm::ArrayRef<TensorInfo> tensors() const override { return all; }
  const TensorInfo *find(llvm::StringRef name) const override {
    auto at = std::lower_bound(all.begin(), all.end(), name,
                               [](const TensorInfo &a, llvm::StringRef b) { return a.name < b; });
    return at != all.end() && at->name == name ? &*at : nullptr;
  }
  llvm::ArrayRef<uint8_t> bytes(const TensorInfo &tensor) const override { return file->bytes(tensor); }
  llvm::StringRef primaryFile() const override { return file->path(); }
  const GgufFile &gguf() const { return *file; }

  llvm::Error splitFused(const ModelConfig &config);

private:
  std::unique_ptr<GgufFile> file;
  std::vector<TensorInfo> all; ///< by name
};

/// Some producers stack the rows of q, k and v in one tensor, attn_qkv: its parts get the names of the single
/// ones.
llvm::Error GgufSource::splitFused(const ModelConfig &config) {
  std::vector<TensorInfo> parts;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig &layer = config.layers[i];
    std::string block = "blk." + std::to_string(i) + ".";
    const TensorInfo *fused = find(block + "attn_qkv.weight");
    if (!fused || find(block + "attn_q.weight"))
      continue;
    const std::pair<const char *, int64_t> rows[] = {{"attn_q.weight", layer.heads * layer.headDim},
                                                     {"attn_k.weight", layer.kvHeads * layer.headDim},
                                                     {"attn_v.weight", layer.kvHeads * layer.headDim}};
    int64_t total = rows[0].second + rows[1].second + rows[2].second;
    if (fused->shape.size() != 2 || fused->shape[0] != total || fused->shape[1] != config.hidden)
      return inputError(fused->file, fused->name,
                        "found shape " + shapeText(fused->shape) + ", expected " +
                            shapeText({total, config.hidden}) + " (the rows of q, k and v)");
    uint64_t offset = fused->offset, rowBytes = fused->length / static_cast<uint64_t>(total);
    for (auto [name, count] : rows) {
      TensorInfo part = *fused;
      part.name = block + name;
      part.shape = {count, config.hidden};
      part.offset = offset;
      part.length = rowBytes * static_cast<uint64_t>(count);
      offset += part.length;
      parts.push_back(std::move(part));
    }
  }
  all.insert(all.end(), parts.begin(), parts.end());
  llvm::sort(all, [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  return llvm::Error::success();
}

/// Tokens that end an answer in every Gemma vocabulary that has them, whatever the metadata says (gemma4.md
/// 1).
void addNamedStops(const TokenizerData &tokenizer, std::vector<int64_t> &stops) {
  for (int32_t id : tokenizer.special) {
    llvm::StringRef piece = tokenizer.pieces[static_cast<size_t>(id)];
    if (piece == "<turn|>" || piece == "<|tool_response>" || piece == "<end_of_turn>")
      stops.push_back(id);
  }
}

} // namespace

bool gemmac::isGguf(llvm::StringRef path) {
  if (path.ends_with_insensitive(".gguf"))
    return true;
  if (!llvm::sys::fs::is_regular_file(path))
    return false;
  auto start = llvm::MemoryBuffer::getFileSlice(path, 4, 0);
  return start && (*start)->getBuffer() == "GGUF";
}

llvm::Expected<Checkpoint> gemmac::loadGgufCheckpoint(llvm::StringRef path, llvm::StringRef chatTemplate) {
  llvm::Expected<std::unique_ptr<GgufFile>> file = GgufFile::open(path);
  if (!file)
    return file.takeError();
  Checkpoint checkpoint;
  checkpoint.path = path.str();
  checkpoint.name = llvm::sys::path::stem(path).str();
  llvm::Expected<ModelConfig> config = loadGgufConfig(**file);
  if (!config)
    return config.takeError();
  checkpoint.config = std::move(*config);

  auto source = std::make_unique<GgufSource>(std::move(*file));
  if (llvm::Error error = source->splitFused(checkpoint.config))
    return error;
  if (llvm::Error error = checkTensors(*source, checkpoint.config))
    return error;
  const GgufFile &gguf = source->gguf();
  llvm::Expected<TokenizerData> tokenizer = loadTokenizerGguf(gguf, checkpoint.config.vocab);
  if (!tokenizer)
    return tokenizer.takeError();
  checkpoint.tokenizer = std::move(*tokenizer);
  llvm::Expected<GenerationConfig> generation = loadGgufGeneration(gguf, checkpoint.config.vocab);
  if (!generation)
    return generation.takeError();
  checkpoint.generation = std::move(*generation);

  std::vector<int64_t> &stops = checkpoint.generation.eos;
  stops.insert(stops.end(), checkpoint.config.eos.begin(), checkpoint.config.eos.end());
  addNamedStops(checkpoint.tokenizer, stops);
  llvm::sort(stops);
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());

  InputCheck check(path);
  llvm::StringRef stored = GgufMetadata(gguf, check).stringOr("tokenizer.chat_template", "");
  if (llvm::Error error = check.take())
    return error;
  if (!chatTemplate.empty() || !stored.empty())
    if (llvm::Error error = (chatTemplate.empty() ? parseChatTemplate(stored, path, "tokenizer.chat_template")
                                                  : readChatTemplate(chatTemplate))
                                .moveInto(checkpoint.chatTemplate))
      return error;
  checkpoint.notes = checkpoint.config.notes;
  checkpoint.tensors = std::move(source);
  return checkpoint;
}
