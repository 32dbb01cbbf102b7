// Reads the header, the metadata and the tensor list of a GGUF file. Everything is bounded by the bytes that
// are there: a count is believed only after the least it needs has been seen to fit. See GgufFile.h.
#include "frontend/GgufFile.h"

#include "frontend/Diagnostic.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace gemmac;

namespace gemmac {

/// A place in the file. Reading past the end is reported once; then every read gives zeros.
class GgufParser {
public:
  GgufParser(GgufFile &gguf, InputCheck &check) : gguf(gguf), check(check), bytes(gguf.contents) {}
  void run();

private:
  uint64_t left() const { return bytes.size() - at; }
  bool need(uint64_t count, llvm::StringRef field, llvm::StringRef what);
  uint32_t read32(llvm::StringRef field);
  uint64_t read64(llvm::StringRef field);
  llvm::StringRef readString(llvm::StringRef field);
  void header();
  void metadata(uint64_t index);
  GgufValue value(llvm::StringRef key);
  void elements(llvm::StringRef key, GgufValue &value);
  void alignment();
  void tensor(uint64_t index);
  void dimensions(TensorInfo &tensor);
  void place(TensorInfo &tensor, uint64_t offset);
  void finish();

  GgufFile &gguf;
  InputCheck &check;
  llvm::ArrayRef<uint8_t> bytes;
  uint64_t at = 0, keys = 0, tensors = 0, align = 32;
  std::vector<uint64_t> offsets; ///< of gguf.list, from the data's start
};

} // namespace gemmac

namespace {

constexpr llvm::StringLiteral cutShort = "the file is truncated: fetch it again";
constexpr uint32_t highestType = static_cast<uint32_t>(GgufType::F64);

struct TypeRow {
  uint32_t number;
  DType type;
};
/// ggml's numbers of the types that can be read.
constexpr TypeRow tensorTypes[] = {
    {0, DType::F32},   {1, DType::F16},   {2, DType::Q4_0}, {3, DType::Q4_1},
    {6, DType::Q5_0},  {7, DType::Q5_1},  {8, DType::Q8_0}, {12, DType::Q4_K},
    {13, DType::Q5_K}, {14, DType::Q6_K}, {24, DType::I8},  {25, DType::I16},
    {26, DType::I32},  {27, DType::I64},  {28, DType::F64}, {30, DType::BF16},
};

/// Names of the other types, for messages.
llvm::StringRef otherTypeName(uint32_t number) {
  switch (number) {
  case 9:
    return "Q8_1";
  case 10:
    return "Q2_K";
  case 11:
    return "Q3_K";
  case 15:
    return "Q8_K";
  case 16:
    return "IQ2_XXS";
  case 17:
    return "IQ2_XS";
  case 18:
    return "IQ3_XXS";
  case 19:
    return "IQ1_S";
  case 20:
    return "IQ4_NL";
  case 21:
    return "IQ3_S";
  case 22:
    return "IQ2_S";
  case 23:
    return "IQ4_XS";
  case 29:
    return "IQ1_M";
  case 34:
    return "TQ1_0";
  case 35:
    return "TQ2_0";
  case 39:
    return "MXFP4";
  default:
    return "";
  }
}

std::string quoted(llvm::StringRef text) {
  std::string shown = "\"";
  for (char c : text.take_front(80))
    shown += c >= 0x20 && c != 0x7F ? c : '?';
  return shown + (text.size() > 80 ? "...\"" : "\"");
}

} // namespace

bool GgufParser::need(uint64_t count, llvm::StringRef field, llvm::StringRef what) {
  if (check.failed())
    return false;
  if (count <= left())
    return true;
  check.fail(field,
             what + " needs " + llvm::Twine(count) + " bytes at byte " + llvm::Twine(at) +
                 ", but the file ends " + llvm::Twine(left()) + " bytes further on",
             cutShort);
  return false;
}

uint32_t GgufParser::read32(llvm::StringRef field) {
  if (!need(4, field, "a number"))
    return 0;
  at += 4;
  return llvm::support::endian::read32le(bytes.data() + at - 4);
}

uint64_t GgufParser::read64(llvm::StringRef field) {
  if (!need(8, field, "a number"))
    return 0;
  at += 8;
  return llvm::support::endian::read64le(bytes.data() + at - 8);
}

llvm::StringRef GgufParser::readString(llvm::StringRef field) {
  uint64_t length = read64(field);
  if (!need(length, field, "a string of length " + std::to_string(length)))
    return "";
  at += length;
  return {reinterpret_cast<const char *>(bytes.data()) + at - length, static_cast<size_t>(length)};
}

void GgufParser::header() {
  if (bytes.size() < 24)
    return check.fail("header", "found " + llvm::Twine(bytes.size()) + " bytes, expected at least 24",
                      cutShort);
  llvm::StringRef magic(reinterpret_cast<const char *>(bytes.data()), 4);
  if (magic != "GGUF")
    return check.fail("magic", "found " + quoted(magic) + ", expected \"GGUF\"",
                      magic == "FUGG" ? "a big-endian file is not supported" : "this is no GGUF file");
  at = 4;
  uint32_t version = read32("version");
  if (version != 2 && version != 3)
    return check.fail("version", "found " + llvm::Twine(version) + ", expected 2 or 3",
                      (version & 0xFFFF) == 0 ? "a big-endian file is not supported"
                                              : "convert the file anew");
  tensors = read64("tensor count");
  keys = read64("metadata key count");
  // A tensor takes at least 32 bytes (name length, dimensions, one of them, type, offset), a key at least 13.
  if (tensors > left() / 32)
    return check.fail("tensor count",
                      "found " + llvm::Twine(tensors) + ", which the file's " + llvm::Twine(bytes.size()) +
                          " bytes cannot hold",
                      cutShort);
  if (keys > left() / 13)
    return check.fail("metadata key count",
                      "found " + llvm::Twine(keys) + ", which the file's " + llvm::Twine(bytes.size()) +
                          " bytes cannot hold",
                      cutShort);
}

/// The elements of a string array: `value.count` strings.
void GgufParser::elements(llvm::StringRef key, GgufValue &value) {
  uint64_t start = at;
  if (value.type == GgufType::String) {
    if (value.count > left() / 8)
      return check.fail(key,
                        "array of " + llvm::Twine(value.count) +
                            " strings, whose lengths alone pass the end of the file",
                        cutShort);
    for (uint64_t i = 0; i < value.count && !check.failed(); ++i)
      readString(key);
  } else {
    uint64_t size = ggufScalarBytes(value.type);
    if (value.count > left() / size)
      return check.fail(key,
                        "array of " + llvm::Twine(value.count) + " elements of " + llvm::Twine(size) +
                            " bytes, which passes the end of the file",
                        cutShort);
    at += value.count * size;
  }
  if (!check.failed())
    value.bytes = bytes.slice(start, at - start);
}

GgufValue GgufParser::value(llvm::StringRef key) {
  GgufValue result{};
  uint32_t type = read32(key);
  auto known = [&](uint32_t number, llvm::StringRef what) {
    if (!check.failed() && number > highestType)
      check.fail(key, what + " type " + llvm::Twine(number) + " is unknown, expected 0 to " +
                          llvm::Twine(highestType));
    return !check.failed();
  };
  if (!known(type, "value"))
    return result;
  result.type = static_cast<GgufType>(type);
  if (result.type == GgufType::Array) {
    result.array = true;
    uint32_t element = read32(key);
    if (!known(element, "array element"))
      return result;
    result.type = static_cast<GgufType>(element);
    result.count = read64(key);
    if (result.type == GgufType::Array)
      check.fail(key, "an array of arrays: nested arrays have no meaning in a Gemma file");
  }
  if (!check.failed())
    elements(key, result);
  return result;
}

void GgufParser::metadata(uint64_t index) {
  std::string place = "metadata key " + std::to_string(index);
  llvm::StringRef key = readString(place);
  if (check.failed())
    return;
  if (key.empty() || key.size() > 65535)
    return check.fail(place, "has a name of " + llvm::Twine(key.size()) + " bytes, expected 1 to 65535");
  GgufValue read = value(key);
  if (!check.failed() && !gguf.metadata.try_emplace(key, read).second)
    check.fail(key, "a duplicate: the key is there twice");
}

void GgufParser::alignment() {
  GgufMetadata metadata(gguf, check);
  if (!metadata.has("general.alignment"))
    return;
  align = static_cast<uint64_t>(metadata.integer("general.alignment", 1, 1 << 20));
  if (!check.failed() && (!llvm::isPowerOf2_64(align) || align < 8))
    check.fail("general.alignment",
               "found " + llvm::Twine(align) + ", expected a power of two from 8 to 1048576");
}

void GgufParser::dimensions(TensorInfo &tensor) {
  uint32_t rank = read32(tensor.name);
  if (check.failed())
    return;
  if (rank < 1 || rank > 4)
    return check.fail(tensor.name, "found " + llvm::Twine(rank) + " dimensions, expected 1 to 4");
  int64_t product = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    uint64_t size = read64(tensor.name);
    if (check.failed())
      return;
    if (size == 0 || size > uint64_t(INT64_MAX))
      return check.fail(tensor.name, "dimension " + llvm::Twine(i) + " of its shape is " + llvm::Twine(size) +
                                         ", expected at least 1");
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
    if (llvm::MulOverflow(product, static_cast<int64_t>(size), product))
      return check.fail(tensor.name, "the number of elements of its shape overflows 63 bits");
  }
}

void GgufParser::tensor(uint64_t index) {
  std::string place = "tensor " + std::to_string(index);
  TensorInfo tensor{};
  tensor.name = readString(place).str();
  tensor.file = gguf.file;
  if (check.failed())
    return;
  if (tensor.name.empty() || tensor.name.size() > 1024)
    return check.fail(place,
                      "has a name of " + llvm::Twine(tensor.name.size()) + " bytes, expected 1 to 1024");
  dimensions(tensor);
  uint32_t number = read32(tensor.name);
  uint64_t offset = read64(tensor.name);
  if (check.failed())
    return;
  const TypeRow *row = llvm::find_if(tensorTypes, [&](const TypeRow &r) { return r.number == number; });
  if (row == std::end(tensorTypes)) {
    llvm::StringRef name = otherTypeName(number);
    return check.fail(tensor.name,
                      "found type " + (name.empty() ? llvm::Twine(number) : llvm::Twine(name)) +
                          ", expected F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K",
                      "fetch or make the file in one of these types");
  }
  tensor.dtype = row->type;
  offsets.push_back(offset);
  int64_t block = dtypeBlock(tensor.dtype), rowLength = tensor.shape.back();
  if (rowLength % block != 0)
    return check.fail(tensor.name, "rows of " + llvm::Twine(rowLength) +
                                       " elements do not divide into the blocks of " + llvm::Twine(block) +
                                       " of " + dtypeName(tensor.dtype));
  int64_t size = 0;
  if (llvm::MulOverflow(tensor.elements() / block, int64_t(dtypeSize(tensor.dtype)), size))
    return check.fail(tensor.name, "the number of bytes of its shape overflows 63 bits");
  tensor.length = static_cast<uint64_t>(size);
  gguf.list.push_back(std::move(tensor));
}

/// Data begin at the next multiple of the alignment; each tensor lies on one, inside of the file and alone.
void GgufParser::finish() {
  uint64_t start = llvm::alignTo(at, align), size = bytes.size();
  if (!gguf.list.empty() && start > size)
    return check.fail(
        "data", "would begin at byte " + llvm::Twine(start) + ", but the file ends at " + llvm::Twine(size),
        cutShort);
  for (size_t i = 0; i < gguf.list.size(); ++i) {
    TensorInfo &tensor = gguf.list[i];
    uint64_t offset = offsets[i];
    if (offset % align != 0)
      return check.fail(tensor.name, "its offset " + llvm::Twine(offset) +
                                         " is no multiple of the alignment " + llvm::Twine(align));
    if (offset > size - start || tensor.length > size - start - offset)
      return check.fail(tensor.name,
                        "offset " + llvm::Twine(offset) + " and " + llvm::Twine(tensor.length) +
                            " bytes pass the end of the file, which has " + llvm::Twine(size - start) +
                            " bytes of data",
                        cutShort);
    tensor.offset = start + offset;
  }
  std::vector<const TensorInfo *> order;
  for (const TensorInfo &tensor : gguf.list)
    order.push_back(&tensor);
  llvm::sort(order, [](const TensorInfo *a, const TensorInfo *b) {
    return std::tie(a->offset, a->name) < std::tie(b->offset, b->name);
  });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->offset + order[i - 1]->length > order[i]->offset)
      return check.fail(order[i]->name, "its data overlap those of " + order[i - 1]->name);
  llvm::sort(gguf.list, [](const TensorInfo &a, const TensorInfo &b) { return a.name < b.name; });
  for (size_t i = 1; i < gguf.list.size(); ++i)
    if (gguf.list[i - 1].name == gguf.list[i].name)
      return check.fail(gguf.list[i].name, "a duplicate: the tensor is there twice");
}

void GgufParser::run() {
  header();
  for (uint64_t i = 0; i < keys && !check.failed(); ++i)
    metadata(i);
  if (!check.failed())
    alignment();
  for (uint64_t i = 0; i < tensors && !check.failed(); ++i)
    tensor(i);
  if (!check.failed())
    finish();
}

llvm::Expected<std::unique_ptr<GgufFile>> GgufFile::parse(llvm::StringRef path,
                                                          llvm::ArrayRef<uint8_t> contents) {
  std::unique_ptr<GgufFile> gguf(new GgufFile);
  gguf->file = path.str();
  gguf->contents = contents;
  InputCheck check(path);
  GgufParser(*gguf, check).run();
  if (llvm::Error error = check.take())
    return error;
  return gguf;
}

llvm::Expected<std::unique_ptr<GgufFile>> GgufFile::open(llvm::StringRef path) {
  llvm::Expected<MappedFile> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  llvm::Expected<std::unique_ptr<GgufFile>> gguf = parse(path, file->bytes());
  if (gguf)
    (*gguf)->mapping = std::move(*file);
  return gguf;
}

const GgufValue *GgufFile::find(llvm::StringRef key) const {
  auto found = metadata.find(key);
  return found == metadata.end() ? nullptr : &found->second;
}

llvm::ArrayRef<uint8_t> GgufFile::bytes(const TensorInfo &tensor) const {
  return contents.slice(tensor.offset, tensor.length);
}
