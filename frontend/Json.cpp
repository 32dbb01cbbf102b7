// The bounded reader: nlohmann's iterative SAX parser feeds a builder that keeps the limits. Nothing here
// recurses over the input, and no exception is needed: the parser reports errors through the handler.
#include "frontend/Json.h"
#include "frontend/MappedFile.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <cstring>
#include <vector>

using namespace gemmac;

namespace {

/// SAX handler: builds the tree bottom-up. Children of open containers wait in `pending`; a closed
/// container's children move, in one piece, to the arena.
class TreeBuilder {
public:
  TreeBuilder(llvm::BumpPtrAllocator &arena, const JsonLimits &limits) : arena(arena), limits(limits) {}

  bool null() { return add(JsonValue()); }
  bool boolean(bool v) { return add(JsonValue::makeBool(v)); }
  bool number_integer(int64_t v) { return add(JsonValue::makeInteger(v)); }
  bool number_unsigned(uint64_t v) {
    if (v > static_cast<uint64_t>(INT64_MAX))
      return add(JsonValue::makeNumber(static_cast<double>(v)));
    return add(JsonValue::makeInteger(static_cast<int64_t>(v)));
  }
  bool number_float(double v, const std::string &) { return add(JsonValue::makeNumber(v)); }
  bool string(std::string &v) { return add(JsonValue::makeString(copy(v))); }
  bool binary(nlohmann::json::binary_t &) { return refuse("binary data"); }
  bool start_object(size_t) { return open(JsonValue::Kind::Object); }
  bool start_array(size_t) { return open(JsonValue::Kind::Array); }
  bool key(std::string &v) {
    frames.back().key = copy(v);
    return true;
  }
  bool end_object() {
    llvm::ArrayRef<JsonMember> all = children();
    if (const JsonMember *twice = findDuplicate(all)) {
      frames.back().key = twice->key;
      return refuse("appears twice in the same object");
    }
    auto *kept = arena.Allocate<JsonMember>(all.size());
    std::uninitialized_copy(all.begin(), all.end(), kept);
    return close(JsonValue::makeObject({kept, all.size()}));
  }
  bool end_array() {
    llvm::ArrayRef<JsonMember> all = children();
    auto *kept = arena.Allocate<JsonValue>(all.size());
    for (size_t i = 0; i < all.size(); ++i)
      new (kept + i) JsonValue(all[i].value);
    return close(JsonValue::makeArray({kept, all.size()}));
  }
  template <typename Exception> bool parse_error(size_t, const std::string &, const Exception &e) {
    llvm::StringRef text = e.what();
    text = text.substr(text.find("] ") + 2); // "[json.exception.parse_error.101] parse error at line 1, ..."
    text.consume_front("parse error at ");
    parserMessage = text.size() > 300 ? (text.take_front(300) + "...").str() : text.str();
    return false;
  }

  JsonValue root;
  std::string refusal;       ///< what a limit or rule of ours refused
  std::string parserMessage; ///< what the parser refused

  /// Where the builder stands: "a.b[].c"; only the first steps of a long way.
  std::string where() const {
    std::string path;
    for (const Frame &frame : frames) {
      if (path.size() > 80 || &frame - frames.data() >= 8)
        return path + "...";
      if (frame.kind == JsonValue::Kind::Array)
        path += "[]";
      else if (!frame.key.empty())
        path += (path.empty() ? "" : ".") + frame.key.str();
    }
    return path;
  }

private:
  struct Frame {
    JsonValue::Kind kind;
    size_t first; ///< its first child in `pending`
    llvm::StringRef key;
  };

  bool refuse(std::string what) {
    refusal = std::move(what);
    return false;
  }
  llvm::StringRef copy(const std::string &s) {
    auto *kept = arena.Allocate<char>(s.size());
    std::memcpy(kept, s.data(), s.size());
    return {kept, s.size()};
  }
  llvm::ArrayRef<JsonMember> children() const {
    return llvm::ArrayRef<JsonMember>(pending).drop_front(frames.back().first);
  }
  bool add(JsonValue value) {
    if (++values > limits.values)
      return refuse("more than " + std::to_string(limits.values) + " values");
    if (frames.empty())
      root = value;
    else
      pending.push_back({frames.back().key, value});
    return true;
  }
  bool open(JsonValue::Kind kind) {
    if (frames.size() >= limits.depth)
      return refuse("nested deeper than " + std::to_string(limits.depth) + " levels");
    frames.push_back({kind, pending.size(), {}});
    return true;
  }
  bool close(JsonValue value) {
    pending.resize(frames.back().first);
    frames.pop_back();
    return add(value);
  }
  static const JsonMember *findDuplicate(llvm::ArrayRef<JsonMember> all) {
    llvm::DenseSet<llvm::StringRef> seen;
    seen.reserve(all.size());
    for (const JsonMember &member : all)
      if (!seen.insert(member.key).second)
        return &member;
    return nullptr;
  }

  llvm::BumpPtrAllocator &arena;
  const JsonLimits &limits;
  uint64_t values = 0;
  std::vector<Frame> frames;
  std::vector<JsonMember> pending;
};

} // namespace

//===-- values
//----------------------------------------------------------------------------------------------------===//

JsonValue JsonValue::makeBool(bool value) {
  JsonValue v;
  v.boolean = value, v.type = Kind::Bool;
  return v;
}
JsonValue JsonValue::makeInteger(int64_t value) {
  JsonValue v;
  v.integer = value, v.type = Kind::Integer;
  return v;
}
JsonValue JsonValue::makeNumber(double value) {
  JsonValue v;
  v.number = value, v.type = Kind::Number;
  return v;
}
JsonValue JsonValue::makeString(llvm::StringRef inArena) {
  JsonValue v;
  v.text = inArena.data(), v.count = static_cast<uint32_t>(inArena.size()), v.type = Kind::String;
  return v;
}
JsonValue JsonValue::makeArray(llvm::ArrayRef<JsonValue> inArena) {
  JsonValue v;
  v.array = inArena.data(), v.count = static_cast<uint32_t>(inArena.size()), v.type = Kind::Array;
  return v;
}
JsonValue JsonValue::makeObject(llvm::ArrayRef<JsonMember> inArena) {
  JsonValue v;
  v.object = inArena.data(), v.count = static_cast<uint32_t>(inArena.size()), v.type = Kind::Object;
  return v;
}

std::optional<bool> JsonValue::asBool() const {
  return type == Kind::Bool ? std::optional(boolean) : std::nullopt;
}
std::optional<int64_t> JsonValue::asInteger() const {
  return type == Kind::Integer ? std::optional(integer) : std::nullopt;
}
std::optional<double> JsonValue::asNumber() const {
  if (type == Kind::Integer)
    return static_cast<double>(integer);
  return type == Kind::Number ? std::optional(number) : std::nullopt;
}
std::optional<llvm::StringRef> JsonValue::asString() const {
  return type == Kind::String ? std::optional(llvm::StringRef(text, count)) : std::nullopt;
}
llvm::ArrayRef<JsonValue> JsonValue::elements() const {
  return type == Kind::Array ? llvm::ArrayRef<JsonValue>(array, count) : llvm::ArrayRef<JsonValue>();
}
llvm::ArrayRef<JsonMember> JsonValue::members() const {
  return type == Kind::Object ? llvm::ArrayRef<JsonMember>(object, count) : llvm::ArrayRef<JsonMember>();
}
const JsonValue *JsonValue::find(llvm::StringRef key) const {
  for (const JsonMember &member : members())
    if (member.key == key)
      return &member.value;
  return nullptr;
}

std::string JsonValue::describe() const {
  switch (type) {
  case Kind::Null:
    return "null";
  case Kind::Bool:
    return boolean ? "true" : "false";
  case Kind::Integer:
    return std::to_string(integer);
  case Kind::Number: {
    char buffer[40];
    for (int digits = 15; digits <= 17; ++digits) { // the fewest that give the same number back
      snprintf(buffer, sizeof buffer, "%.*g", digits, number);
      if (std::strtod(buffer, nullptr) == number)
        break;
    }
    return llvm::StringRef(buffer).find_first_of(".en") == llvm::StringRef::npos ? std::string(buffer) + ".0"
                                                                                 : buffer;
  }
  case Kind::String: {
    llvm::StringRef s(text, count);
    return "\"" + (s.size() > 80 ? s.take_front(80).str() + "..." : s.str()) + "\"";
  }
  case Kind::Array:
    return "an array of " + std::to_string(count);
  case Kind::Object:
    return "an object";
  }
  return "";
}

//===-- documents
//-------------------------------------------------------------------------------------------------===//

llvm::Expected<JsonDocument> JsonDocument::parse(llvm::StringRef text, llvm::StringRef file,
                                                 llvm::StringRef field, const JsonLimits &limits) {
  if (text.size() > limits.bytes || text.size() > UINT32_MAX)
    return inputError(file, field,
                      "found " + llvm::Twine(text.size()) + " bytes, expected at most " +
                          llvm::Twine(limits.bytes));
  // The parser takes a zero byte for the end and would not see what follows it.
  if (size_t zero = text.find('\0'); zero != llvm::StringRef::npos)
    return inputError(file, field, "not valid JSON: a zero byte at offset " + llvm::Twine(zero));
  JsonDocument document;
  document.name = file.str();
  document.arena = std::make_unique<llvm::BumpPtrAllocator>();
  TreeBuilder builder(*document.arena, limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    if (!builder.refusal.empty()) {
      std::string place = builder.where();
      if (!field.empty())
        place = place.empty() ? field.str() : (field + ": " + place).str();
      return inputError(file, place, builder.refusal);
    }
    return inputError(file, field, "not valid JSON: " + builder.parserMessage);
  }
  document.top = builder.root;
  return document;
}

llvm::Expected<JsonDocument> JsonDocument::read(llvm::StringRef path, const JsonLimits &limits) {
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return inputError(path, "", whyNoFile(path, error));
  if (!llvm::sys::fs::is_regular_file(status))
    return inputError(path, "", "not a regular file");
  if (status.getSize() > limits.bytes)
    return inputError(path, "",
                      "found " + llvm::Twine(status.getSize()) + " bytes, expected at most " +
                          llvm::Twine(limits.bytes));
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return inputError(path, "", "cannot be read: " + buffer.getError().message());
  return parse((*buffer)->getBuffer(), path, "", limits);
}
