// The format's rules are checked here, once, before any tensor can be asked for; see Safetensors.h.
#include "frontend/Safetensors.h"

#include "frontend/Diagnostic.h"
#include "frontend/Json.h"
#include "frontend/MappedFile.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cassert>
#include <numeric>

using namespace gemmac;

namespace {

constexpr llvm::StringLiteral singleFile = "model.safetensors";
constexpr llvm::StringLiteral indexFile = "model.safetensors.index.json";

std::optional<DType> parseDType(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<DType>>(name)
      .Case("F32", DType::F32)
      .Case("F16", DType::F16)
      .Case("BF16", DType::BF16)
      .Case("F64", DType::F64)
      .Case("I8", DType::I8)
      .Case("U8", DType::U8)
      .Case("I16", DType::I16)
      .Case("U16", DType::U16)
      .Case("I32", DType::I32)
      .Case("U32", DType::U32)
      .Case("I64", DType::I64)
      .Case("U64", DType::U64)
      .Case("BOOL", DType::Bool)
      .Default(std::nullopt);
}

/// shape and its byte count into `tensor`; the product is checked at each step.
void readShape(const JsonObject &entry, TensorInfo &tensor, uint64_t &bytes) {
  int64_t product = dtypeSize(tensor.dtype);
  bool overflow = false;
  for (const JsonValue &size : entry.array("shape", "an array of sizes")) {
    std::optional<int64_t> n = size.asInteger();
    if (!n || *n < 0)
      return entry.problems().fail(entry.at("shape"),
                                   "found " + size.describe() + ", expected integers from 0 up");
    tensor.shape.push_back(*n);
    overflow |= llvm::MulOverflow(product, *n, product) != 0;
  }
  bytes = static_cast<uint64_t>(product);
  // An overflow is one even where a later size is 0: no real tensor has such a shape.
  if (overflow)
    entry.problems().fail(entry.at("shape"),
                          "found " + shapeText(tensor.shape) + ", whose number of bytes overflows 63 bits");
}

/// data_offsets into `tensor`, as offsets from the start of the file.
void readOffsets(const JsonObject &entry, TensorInfo &tensor, uint64_t bytes, uint64_t dataStart,
                 uint64_t dataSize) {
  InputCheck &check = entry.problems();
  llvm::ArrayRef<JsonValue> offsets = entry.array("data_offsets", "an array of two offsets");
  if (check.failed())
    return;
  if (offsets.size() != 2)
    return entry.mismatch("data_offsets", "an array of two offsets");
  std::optional<int64_t> begin = offsets[0].asInteger(), end = offsets[1].asInteger();
  std::string found = "found [" + offsets[0].describe() + ", " + offsets[1].describe() + "], ";
  if (!begin || !end || *begin < 0 || *end < *begin)
    return check.fail(entry.at("data_offsets"), found + "expected two integers, 0 <= begin <= end");
  if (static_cast<uint64_t>(*end) > dataSize)
    return check.fail(entry.at("data_offsets"),
                      found + "but the file has only " + llvm::Twine(dataSize) + " bytes of data",
                      "the file is truncated or its header is damaged; fetch it again");
  tensor.offset = dataStart + static_cast<uint64_t>(*begin);
  tensor.length = static_cast<uint64_t>(*end - *begin);
  if (tensor.length != bytes)
    check.fail(entry.at("data_offsets"), found + "which is " + llvm::Twine(tensor.length) +
                                             " bytes, expected " + llvm::Twine(bytes) + " for " +
                                             dtypeName(tensor.dtype) + " " + shapeText(tensor.shape));
}

void readEntry(const JsonMember &member, TensorInfo &tensor, uint64_t dataStart, uint64_t dataSize,
               InputCheck &check) {
  tensor.name = member.key.str();
  JsonObject entry(member.value, tensor.name, tensor.name + ": ", check);
  llvm::StringRef dtype = entry.string("dtype");
  if (check.failed())
    return;
  std::optional<DType> type = parseDType(dtype);
  if (!type)
    return entry.mismatch("dtype", "a type that can be read: F32, F16, BF16, F64, I8..I64, U8..U64 or BOOL",
                          "convert the checkpoint to BF16");
  tensor.dtype = *type;
  uint64_t bytes = 0;
  readShape(entry, tensor, bytes);
  if (!check.failed())
    readOffsets(entry, tensor, bytes, dataStart, dataSize);
}

/// The tensors must cover the data exactly: sorted by place, each begins where the one before ended.
void checkCoverage(llvm::ArrayRef<TensorInfo> tensors, uint64_t dataStart, uint64_t fileSize,
                   InputCheck &check) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(tensors[a].offset, tensors[a].length) < std::tie(tensors[b].offset, tensors[b].length);
  });
  uint64_t covered = dataStart;
  llvm::StringRef previous = "the header";
  for (size_t i : order) {
    const TensorInfo &tensor = tensors[i];
    if (tensor.offset < covered)
      return check.fail(tensor.name, "its data overlap those of " + previous + " by " +
                                         llvm::Twine(covered - tensor.offset) + " bytes");
    if (tensor.offset > covered)
      return check.fail(tensor.name, llvm::Twine(tensor.offset - covered) + " bytes between " + previous +
                                         " and its data belong to no tensor");
    covered += tensor.length;
    previous = tensor.name;
  }
  if (covered != fileSize)
    check.fail("", llvm::Twine(fileSize - covered) + " bytes after " + previous + " belong to no tensor");
}

void checkMetadata(const JsonValue &metadata, InputCheck &check) {
  JsonObject object(metadata, "__metadata__", "__metadata__.", check);
  for (const JsonMember &member : metadata.members())
    if (member.value.kind() != JsonValue::Kind::String)
      return object.mismatch(member.key, "a string");
}

/// The header's JSON text, after the checks on its length.
llvm::Expected<llvm::StringRef> headerText(llvm::StringRef file, llvm::ArrayRef<uint8_t> contents) {
  if (contents.size() < 8)
    return inputError(file, "header",
                      "found " + llvm::Twine(contents.size()) +
                          " bytes, expected at least 8: the file is truncated");
  uint64_t length = llvm::support::endian::read64le(contents.data());
  if (length < 2 || length > maxSafetensorsHeader)
    return inputError(file, "header length",
                      "found " + llvm::Twine(length) + ", expected 2 to " +
                          llvm::Twine(maxSafetensorsHeader));
  if (length > contents.size() - 8)
    return inputError(file, "header length",
                      "found " + llvm::Twine(length) + ", but only " + llvm::Twine(contents.size() - 8) +
                          " bytes follow: the file is truncated");
  llvm::StringRef text(reinterpret_cast<const char *>(contents.data()) + 8, length);
  if (text.front() != '{')
    return inputError(file, "header", "does not begin with {, expected a JSON object");
  return text;
}

} // namespace

llvm::Expected<std::vector<TensorInfo>> gemmac::parseSafetensors(llvm::StringRef file,
                                                                 llvm::ArrayRef<uint8_t> contents) {
  llvm::Expected<llvm::StringRef> text = headerText(file, contents);
  if (!text)
    return text.takeError();
  JsonLimits limits;
  limits.bytes = maxSafetensorsHeader;
  llvm::Expected<JsonDocument> header = JsonDocument::parse(*text, file, "header", limits);
  if (!header)
    return header.takeError();

  uint64_t dataStart = 8 + text->size();
  InputCheck check(file);
  std::vector<TensorInfo> tensors;
  tensors.reserve(header->root().members().size());
  for (const JsonMember &member : header->root().members()) {
    if (member.key == "__metadata__") {
      checkMetadata(member.value, check);
    } else {
      TensorInfo tensor{};
      tensor.file = file.str();
      readEntry(member, tensor, dataStart, contents.size() - dataStart, check);
      tensors.push_back(std::move(tensor));
    }
    if (check.failed())
      return check.take();
  }
  checkCoverage(tensors, dataStart, contents.size(), check);
  if (llvm::Error error = check.take())
    return error;
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  return tensors;
}

//===-- files
//-----------------------------------------------------------------------------------------------------===//

namespace {

class SafetensorsSource final : public TensorSource {
public:
  explicit SafetensorsSource(std::string primary) : primary(std::move(primary)) {}

  llvm::ArrayRef<TensorInfo> tensors() const override { return all; }
  const TensorInfo *find(llvm::StringRef name) const override { return findByName(all, name); }
  llvm::ArrayRef<uint8_t> bytes(const TensorInfo &tensor) const override {
    auto at = files.find(tensor.file);
    assert(at != files.end() && tensor.offset + tensor.length <= at->second.bytes().size());
    return at->second.bytes().slice(tensor.offset, tensor.length);
  }
  llvm::StringRef primaryFile() const override { return primary; }

  /// Maps `path`, checks it and returns its tensors (not yet part of this source).
  llvm::Expected<std::vector<TensorInfo>> addFile(llvm::StringRef path);
  void setTensors(std::vector<TensorInfo> tensors) {
    all = std::move(tensors);
    std::sort(all.begin(), all.end(),
              [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  }

private:
  std::string primary;
  llvm::StringMap<MappedFile> files;
  std::vector<TensorInfo> all; ///< by name
};

llvm::Expected<std::vector<TensorInfo>> SafetensorsSource::addFile(llvm::StringRef path) {
  llvm::Expected<MappedFile> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  llvm::Expected<std::vector<TensorInfo>> tensors = parseSafetensors(path, file->bytes());
  if (tensors)
    files.try_emplace(path, std::move(*file));
  return tensors;
}

std::string inDirectory(llvm::StringRef directory, llvm::StringRef name) {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// Shard names come from the index: only plain names of files beside it are followed.
bool isPlainFileName(llvm::StringRef name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == llvm::StringRef::npos &&
         name.find('\0') == llvm::StringRef::npos;
}

/// weight_map as pairs of tensor and shard, checked.
void readWeightMap(const JsonDocument &index, std::vector<std::pair<llvm::StringRef, llvm::StringRef>> &map,
                   InputCheck &check) {
  JsonObject root(index.root(), "", "", check);
  if (check.failed())
    return;
  const JsonValue *weights = index.root().find("weight_map");
  if (!weights)
    return root.missing("weight_map", "an object of tensor names and shard files");
  JsonObject object(*weights, "weight_map", "weight_map: ", check);
  for (const JsonMember &member : weights->members()) {
    std::optional<llvm::StringRef> shard = member.value.asString();
    if (!shard)
      return object.mismatch(member.key, "the name of a shard");
    if (!isPlainFileName(*shard))
      return object.mismatch(member.key,
                             "a plain file name: a path outside of the directory is not followed");
    map.emplace_back(member.key, *shard);
  }
  if (!check.failed() && map.empty())
    check.fail("weight_map", "lists no tensor");
}

llvm::Expected<std::unique_ptr<TensorSource>> openSharded(llvm::StringRef directory,
                                                          llvm::StringRef indexPath) {
  JsonLimits limits;
  llvm::Expected<JsonDocument> index = JsonDocument::read(indexPath, limits);
  if (!index)
    return index.takeError();
  InputCheck check(indexPath);
  std::vector<std::pair<llvm::StringRef, llvm::StringRef>> weightMap;
  readWeightMap(*index, weightMap, check);
  if (llvm::Error error = check.take())
    return error;

  auto source = std::make_unique<SafetensorsSource>(indexPath.str());
  llvm::StringMap<std::vector<TensorInfo>> shards;
  std::vector<TensorInfo> chosen;
  chosen.reserve(weightMap.size());
  for (auto [name, shard] : weightMap) {
    auto [at, added] = shards.try_emplace(shard);
    std::string path = inDirectory(directory, shard);
    if (added) {
      if (!llvm::sys::fs::exists(path))
        return inputError(path, "", "no such file, but " + indexPath + " names it as the shard of " + name,
                          "fetch the missing shard");
      llvm::Expected<std::vector<TensorInfo>> tensors = source->addFile(path);
      if (!tensors)
        return tensors.takeError();
      at->second = std::move(*tensors);
    }
    auto found = std::lower_bound(at->second.begin(), at->second.end(), name,
                                  [](const TensorInfo &a, llvm::StringRef b) { return a.name < b; });
    if (found == at->second.end() || found->name != name)
      return inputError(path, name, "missing from this shard, but " + indexPath + " says that it is here");
    chosen.push_back(*found);
  }
  source->setTensors(std::move(chosen));
  return source;
}

} // namespace

llvm::Expected<std::unique_ptr<TensorSource>> gemmac::openSafetensors(llvm::StringRef directory) {
  namespace fs = llvm::sys::fs;
  std::string single = inDirectory(directory, singleFile), index = inDirectory(directory, indexFile);
  if (!fs::exists(single)) {
    if (fs::exists(index))
      return openSharded(directory, index);
    bool pickled = fs::exists(inDirectory(directory, "pytorch_model.bin")) ||
                   fs::exists(inDirectory(directory, "pytorch_model.bin.index.json"));
    return inputError(single, "", "no such file, and no " + indexFile + " either",
                      pickled ? "pytorch_model.bin is not read: convert the weights to safetensors"
                              : "expected the weights as safetensors");
  }
  auto source = std::make_unique<SafetensorsSource>(single);
  llvm::Expected<std::vector<TensorInfo>> tensors = source->addFile(single);
  if (!tensors)
    return tensors.takeError();
  source->setTensors(std::move(*tensors));
  return source;
}
