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

/// The tensors of the file, those that are rows of a fused one, and those fused of two.
class GgufSource final : public TensorSource {
public:
  explicit GgufSource(std::unique_ptr<GgufFile> file) : file(std::move(file)), all(this->file->tensors()) {}

  llvm::ArrayRef<TensorInfo> tensors() const override { return all; }
  const TensorInfo *find(llvm::StringRef name) const override { return findByName(all, name); }
  llvm::ArrayRef<uint8_t> bytes(const TensorInfo &tensor) const override {
    assert(tensor.halves.empty() && "ask for the bytes of the halves, or for rowBytes()");
    return file->bytes(tensor);
  }
  llvm::StringRef primaryFile() const override { return file->path(); }
  const GgufFile &gguf() const { return *file; }

  llvm::Error splitFused(const ModelConfig &config);
  llvm::Error fuseExperts(const ModelConfig &config);

private:
  void add(std::vector<TensorInfo> more);

  std::unique_ptr<GgufFile> file;
  std::vector<TensorInfo> all; ///< by name
};

void GgufSource::add(std::vector<TensorInfo> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  llvm::sort(all, [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
}

/// Some producers stack the rows of q, k and v in one tensor, attn_qkv: its parts get the names of the single
/// ones.
llvm::Error GgufSource::splitFused(const ModelConfig &config) {
  std::vector<TensorInfo> parts;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig &layer = config.layers[i];
    std::string block = "blk." + std::to_string(i) + ".";
    const TensorInfo *fused = find(block + "attn_qkv.weight");
    if (!fused)
      continue;
    for (const char *single : {"attn_q.weight", "attn_k.weight", "attn_v.weight"})
      if (find(block + single))
        return inputError(fused->file, block + single,
                          "found beside " + fused->name + ", expected one of the two",
                          "convert the file again");
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
  add(std::move(parts));
  return llvm::Error::success();
}

/// Some producers store the experts' gate and up matrices apart: they are read as the halves of one tensor.
llvm::Error GgufSource::fuseExperts(const ModelConfig &config) {
  std::vector<TensorInfo> fused;
  for (size_t i = 0; config.experts > 0 && i < config.layers.size(); ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    const TensorInfo *gate = find(block + "ffn_gate_exps.weight"), *up = find(block + "ffn_up_exps.weight");
    TensorInfo both;
    both.name = block + "ffn_gate_up_exps.weight";
    if (!gate && !up)
      continue;
    if (const TensorInfo *fusedOne = find(both.name))
      return inputError(fusedOne->file, (gate ? gate : up)->name,
                        "found beside " + both.name + ", expected one of the two", "convert the file again");
    if (!gate || !up)
      return inputError((gate ? gate : up)->file,
                        block + (gate ? "ffn_up_exps.weight" : "ffn_gate_exps.weight"),
                        "missing, expected beside " + (gate ? gate : up)->name,
                        "the download is incomplete: fetch it again");
    const llvm::SmallVector<int64_t, 4> shape = {config.experts, config.expertIntermediate, config.hidden};
    for (const TensorInfo *half : {gate, up})
      if (half->shape != shape)
        return inputError(half->file, half->name,
                          "found shape " + shapeText(half->shape) + ", expected " + shapeText(shape) +
                              " (experts by their feed-forward size by hidden size)");
    if (gate->dtype != up->dtype)
      return inputError(up->file, up->name,
                        "found type " + dtypeName(up->dtype) + ", expected " + dtypeName(gate->dtype) +
                            " as of " + gate->name,
                        "quantise both to one type");
    both.dtype = gate->dtype;
    both.shape = {config.experts, 2 * config.expertIntermediate, config.hidden};
    both.file = gate->file;
    both.offset = gate->offset;
    both.length = gate->length + up->length;
    both.halves = {*gate, *up};
    fused.push_back(std::move(both));
  }
  add(std::move(fused));
  return llvm::Error::success();
}

/// Tokens that end an answer in every Gemma vocabulary that has them, whatever the metadata says (gemma4.md
/// 1).
std::vector<int64_t> namedStops(const TokenizerData &tokenizer) {
  std::vector<int64_t> stops;
  for (int32_t id : tokenizer.special) {
    llvm::StringRef piece = tokenizer.pieces[static_cast<size_t>(id)];
    if (piece == "<turn|>" || piece == "<|tool_response>" || piece == "<end_of_turn>")
      stops.push_back(id);
  }
  return stops;
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
  if (llvm::Error error = source->fuseExperts(checkpoint.config))
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

  checkpoint.generation.addStops(checkpoint.config.eos);
  checkpoint.generation.addStops(namedStops(checkpoint.tokenizer));

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
  if (llvm::Error error = checkUnread(*source, checkpoint.config, checkpoint.notes))
    return error;
  checkpoint.tensors = std::move(source);
  return checkpoint;
}
