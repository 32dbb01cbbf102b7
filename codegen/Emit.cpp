// See Emit.h.
#include "codegen/Emit.h"

#include "codegen/OutputFile.h"
#include "codegen/TokenizerSection.h"
#include "codegen/WeightPack.h"
#include "dialect/step/Layout.h"
#include "runtime/PayloadFormat.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace gemmac {

namespace {
/// A running XXH3 128 hash.
class Hasher {
public:
  Hasher() : state(XXH3_createState()) { XXH3_128bits_reset(state); }
  ~Hasher() { XXH3_freeState(state); }
  Hasher(const Hasher &) = delete;
  void add(llvm::ArrayRef<char> bytes) { XXH3_128bits_update(state, bytes.data(), bytes.size()); }
  XXH128_hash_t value() const { return XXH3_128bits_digest(state); }

private:
  XXH3_state_t *state;
};
} // namespace

static llvm::json::Object section(llvm::StringRef name, uint64_t offset, uint64_t bytes, XXH128_hash_t hash) {
  return llvm::json::Object{
      {"name", name},
      {"offset", static_cast<int64_t>(offset)},
      {"bytes", static_cast<int64_t>(bytes)},
      {"xxh3", llvm::json::Array{llvm::utohexstr(hash.low64, true), llvm::utohexstr(hash.high64, true)}}};
}

llvm::Error writeExecutable(llvm::StringRef path, llvm::MemoryBufferRef elf, step::ProgramOp program,
                            const Checkpoint &checkpoint,
                            llvm::function_ref<void(uint64_t, uint64_t)> progress, WeightReport &report) {
  llvm::Expected<OutputFile> out = OutputFile::create(path);
  if (!out)
    return out.takeError();
  if (llvm::Error error = out->writeAt(0, {elf.getBufferStart(), elf.getBufferSize()}))
    return error;

  uint64_t weightsAt = roundUp(elf.getBufferSize(), kPayloadAlign), weightBytes = *program.getWeightBytes();
  Hasher weightsHash;
  if (llvm::Error error = packWeights(
          program, *checkpoint.tensors, *out, weightsAt,
          [&](llvm::ArrayRef<char> bytes) { weightsHash.add(bytes); },
          [&](uint64_t done) { progress(done, weightBytes); }, report))
    return error;

  llvm::json::Array sections{section("program", 0, elf.getBufferSize(),
                                     XXH3_128bits(elf.getBufferStart(), elf.getBufferSize())),
                             section("weights", weightsAt, weightBytes, weightsHash.value())};
  uint64_t end = weightsAt + weightBytes;
  auto append = [&](llvm::StringRef name, llvm::StringRef bytes) {
    uint64_t at = roundUp(end, kAlign);
    end = at + bytes.size();
    sections.push_back(section(name, at, bytes.size(), XXH3_128bits(bytes.data(), bytes.size())));
    return out->writeAt(at, bytes);
  };
  if (llvm::Error error = append("tokenizer", tokenizerBlob(checkpoint.tokenizer)))
    return error;
  if (checkpoint.chatTemplate)
    if (llvm::Error error = append("template", checkpoint.chatTemplate->program))
      return error;
  llvm::json::Object index{{"sections", std::move(sections)}};
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(std::move(index));
  text.resize(roundUp(text.size(), kAlign), ' ');
  PayloadFooter footer{};
  footer.indexOffset = roundUp(end, kAlign);
  footer.indexBytes = text.size();
  footer.fileBytes = footer.indexOffset + text.size() + sizeof footer;
  XXH128_hash_t indexHash = XXH3_128bits(text.data(), text.size());
  footer.indexHash[0] = indexHash.low64;
  footer.indexHash[1] = indexHash.high64;
  std::memcpy(footer.magic, kFooterMagic, sizeof footer.magic);
  text.append(reinterpret_cast<const char *>(&footer), sizeof footer);
  if (llvm::Error error = out->writeAt(footer.indexOffset, text))
    return error;
  return out->finish(/*executable=*/true);
}

} // namespace gemmac
