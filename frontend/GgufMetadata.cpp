// Typed access to the metadata of a GGUF file. See GgufFile.h.
#include "frontend/GgufFile.h"

#include "llvm/Support/Endian.h"

#include <cmath>
#include <cstring>

using namespace gemmac;
namespace endian = llvm::support::endian;

namespace {

llvm::StringRef typeName(GgufType type) {
  constexpr llvm::StringLiteral names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<uint32_t>(type)];
}

bool isInteger(GgufType type) {
  return type != GgufType::F32 && type != GgufType::F64 && type != GgufType::Bool &&
         type != GgufType::String && type != GgufType::Array;
}

/// The integer (or boolean) at `from`; a u64 beyond int64 gives its largest, which no range allows.
int64_t integerAt(GgufType type, const uint8_t *from) {
  switch (type) {
  case GgufType::I8:
    return static_cast<int8_t>(*from);
  case GgufType::U16:
    return endian::read16le(from);
  case GgufType::I16:
    return static_cast<int16_t>(endian::read16le(from));
  case GgufType::U32:
    return endian::read32le(from);
  case GgufType::I32:
    return static_cast<int32_t>(endian::read32le(from));
  case GgufType::U64:
    return static_cast<int64_t>(std::min<uint64_t>(endian::read64le(from), INT64_MAX));
  case GgufType::I64:
    return static_cast<int64_t>(endian::read64le(from));
  default:
    return *from;
  }
}

double numberAt(GgufType type, const uint8_t *from) {
  if (type == GgufType::F32) {
    uint32_t bits = endian::read32le(from);
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  if (type == GgufType::F64) {
    uint64_t bits = endian::read64le(from);
    double value;
    std::memcpy(&value, &bits, 8);
    return value;
  }
  return static_cast<double>(integerAt(type, from));
}

llvm::StringRef stringAt(const uint8_t *from) {
  return {reinterpret_cast<const char *>(from) + 8, static_cast<size_t>(endian::read64le(from))};
}

std::string range(int64_t low, int64_t high) {
  return "an integer from " + std::to_string(low) + " to " + std::to_string(high);
}

} // namespace

uint64_t gemmac::ggufScalarBytes(GgufType type) {
  switch (type) {
  case GgufType::U8:
  case GgufType::I8:
  case GgufType::Bool:
    return 1;
  case GgufType::U16:
  case GgufType::I16:
    return 2;
  case GgufType::U32:
  case GgufType::I32:
  case GgufType::F32:
    return 4;
  case GgufType::U64:
  case GgufType::I64:
  case GgufType::F64:
    return 8;
  case GgufType::String:
  case GgufType::Array:
    return 0;
  }
  return 0;
}

std::string GgufValue::describe() const {
  if (array)
    return "an array of " + std::to_string(count) + " " + typeName(type).str();
  if (type == GgufType::String)
    return "the string \"" + stringAt(bytes.data()).take_front(60).str() + "\"";
  if (isInteger(type) || type == GgufType::Bool)
    return typeName(type).str() + " " + std::to_string(integerAt(type, bytes.data()));
  return typeName(type).str() + " " + std::to_string(numberAt(type, bytes.data()));
}

/// The value of `key` if it is an array (or a single value); else null, reported.
const GgufValue *GgufMetadata::expect(llvm::StringRef key, bool array, llvm::StringRef what) const {
  const GgufValue *value = gguf.find(key);
  if (!value)
    check.fail(key, "missing, expected " + what);
  else if (value->array != array)
    check.fail(key, "found " + value->describe() + ", expected " + what);
  else
    return value;
  return nullptr;
}

int64_t GgufMetadata::integer(llvm::StringRef key, int64_t low, int64_t high) const {
  const GgufValue *value = expect(key, false, range(low, high));
  if (!value)
    return low;
  int64_t found = isInteger(value->type) ? integerAt(value->type, value->bytes.data()) : low;
  if (isInteger(value->type) && found >= low && found <= high)
    return found;
  check.fail(key, "found " + value->describe() + ", expected " + range(low, high));
  return low;
}

int64_t GgufMetadata::integerOr(llvm::StringRef key, int64_t absent, int64_t low, int64_t high) const {
  return has(key) ? integer(key, low, high) : absent;
}

double GgufMetadata::numberOr(llvm::StringRef key, double absent, Interval range) const {
  if (!has(key))
    return absent;
  const GgufValue *value = expect(key, false, "a number");
  if (!value)
    return absent;
  bool numeric = value->type != GgufType::String && value->type != GgufType::Bool;
  double found = numeric ? numberAt(value->type, value->bytes.data()) : NAN;
  if (range.contains(found)) // false for NaN
    return found;
  check.fail(key, "found " + value->describe() + ", expected " + range.describe());
  return absent;
}

bool GgufMetadata::booleanOr(llvm::StringRef key, bool absent) const {
  if (!has(key))
    return absent;
  const GgufValue *value = expect(key, false, "a boolean");
  if (value && value->type == GgufType::Bool)
    return value->bytes[0] != 0;
  if (value)
    check.fail(key, "found " + value->describe() + ", expected a boolean");
  return absent;
}

llvm::StringRef GgufMetadata::string(llvm::StringRef key) const {
  const GgufValue *value = expect(key, false, "a string");
  if (value && value->type == GgufType::String)
    return stringAt(value->bytes.data());
  if (value)
    check.fail(key, "found " + value->describe() + ", expected a string");
  return "";
}

llvm::StringRef GgufMetadata::stringOr(llvm::StringRef key, llvm::StringRef absent) const {
  return has(key) ? string(key) : absent;
}

std::vector<int64_t> GgufMetadata::integerArray(llvm::StringRef key, int64_t low, int64_t high) const {
  std::vector<int64_t> result;
  const GgufValue *value = expect(key, true, "an array of integers");
  if (!value)
    return result;
  if (!isInteger(value->type) && value->type != GgufType::Bool) {
    check.fail(key, "found " + value->describe() + ", expected an array of integers");
    return result;
  }
  result.reserve(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    int64_t found = integerAt(value->type, value->bytes.data() + i * ggufScalarBytes(value->type));
    if (found < low || found > high) {
      check.fail(key, "found " + llvm::Twine(found) + " at index " + llvm::Twine(i) + ", expected " +
                          range(low, high));
      return {};
    }
    result.push_back(found);
  }
  return result;
}

std::vector<int64_t> GgufMetadata::integers(llvm::StringRef key, uint64_t count, int64_t low,
                                            int64_t high) const {
  const GgufValue *value = gguf.find(key);
  if (!value || !value->array)
    return std::vector<int64_t>(count, integer(key, low, high));
  std::vector<int64_t> result = integerArray(key, low, high);
  if (!check.failed() && result.size() != count)
    check.fail(key, "found " + value->describe() + ", expected one entry for each of " + llvm::Twine(count) +
                        " layers");
  result.resize(count, low);
  return result;
}

std::vector<float> GgufMetadata::floatArray(llvm::StringRef key) const {
  std::vector<float> result;
  const GgufValue *value = expect(key, true, "an array of f32");
  if (value && value->type != GgufType::F32) {
    check.fail(key, "found " + value->describe() + ", expected an array of f32");
    return result;
  }
  for (uint64_t i = 0; value && i < value->count; ++i)
    result.push_back(static_cast<float>(numberAt(GgufType::F32, value->bytes.data() + 4 * i)));
  return result;
}

std::vector<llvm::StringRef> GgufMetadata::stringArray(llvm::StringRef key) const {
  std::vector<llvm::StringRef> result;
  const GgufValue *value = expect(key, true, "an array of strings");
  if (value && value->type != GgufType::String) {
    check.fail(key, "found " + value->describe() + ", expected an array of strings");
    return result;
  }
  const uint8_t *at = value ? value->bytes.data() : nullptr;
  for (uint64_t i = 0; value && i < value->count; ++i) {
    result.push_back(stringAt(at));
    at += 8 + result.back().size();
  }
  return result;
}
