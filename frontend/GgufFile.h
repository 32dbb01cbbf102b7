// A GGUF file (versions 2 and 3, little endian), mapped: metadata by key and tensors by name. Every length,
// count, type and offset is checked against the file's size before a GgufFile exists; nothing is copied but
// names.
#pragma once

#include "frontend/Json.h"
#include "frontend/MappedFile.h"
#include "frontend/TensorSource.h"

#include "llvm/ADT/StringMap.h"

#include <memory>
#include <optional>

namespace gemmac {

/// Types of metadata values, with the format's own numbers.
enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// Bytes of a scalar of that type; 0 for strings and arrays.
uint64_t ggufScalarBytes(GgufType type);

/// A metadata value: a scalar (count 1) or an array of scalars or strings. Arrays of arrays are refused: no
/// key of a text model has one.
struct GgufValue {
  GgufType type; ///< of the value, or of an array's elements
  bool array = false;
  uint64_t count = 1;
  llvm::ArrayRef<uint8_t> bytes; ///< the elements as stored; strings each with their 8-byte length

  /// "u32 7", "string \"gemma4\"", "array of 35 i32", for messages.
  std::string describe() const;
};

class GgufFile {
public:
  static llvm::Expected<std::unique_ptr<GgufFile>> open(llvm::StringRef path);
  /// Parses what open() maps. `contents` must outlive the result.
  static llvm::Expected<std::unique_ptr<GgufFile>> parse(llvm::StringRef path,
                                                         llvm::ArrayRef<uint8_t> contents);

  llvm::StringRef path() const { return file; }
  const GgufValue *find(llvm::StringRef key) const;
  /// By name; `name` is GGUF's, `shape` outermost first (GGUF stores it innermost first).
  llvm::ArrayRef<TensorInfo> tensors() const { return list; }
  llvm::ArrayRef<uint8_t> bytes(const TensorInfo &tensor) const;

private:
  GgufFile() = default;
  friend class GgufParser;
  std::string file;
  MappedFile mapping; ///< empty after parse()
  llvm::ArrayRef<uint8_t> contents;
  llvm::StringMap<GgufValue> metadata;
  std::vector<TensorInfo> list;
};

/// Typed access to metadata. As with JsonObject, the first mismatch is reported into the InputCheck (field =
/// the key) and every getter then returns something harmless, so that a reader lists its keys and asks once
/// at its end.
class GgufMetadata {
public:
  GgufMetadata(const GgufFile &file, InputCheck &check) : gguf(file), check(check) {}

  bool has(llvm::StringRef key) const { return gguf.find(key) != nullptr; }
  InputCheck &problems() const { return check; }

  /// Any integer type counts as an integer, F32 and F64 and integers as numbers.
  int64_t integer(llvm::StringRef key, int64_t low, int64_t high) const;
  int64_t integerOr(llvm::StringRef key, int64_t absent, int64_t low, int64_t high) const;
  double numberOr(llvm::StringRef key, double absent, Interval range) const;
  bool booleanOr(llvm::StringRef key, bool absent) const;
  llvm::StringRef string(llvm::StringRef key) const;
  llvm::StringRef stringOr(llvm::StringRef key, llvm::StringRef absent) const;
  /// An array of `count` integers (or booleans, as 0 and 1), or a single one repeated `count` times.
  std::vector<int64_t> integers(llvm::StringRef key, uint64_t count, int64_t low, int64_t high) const;
  /// All elements of an array, whatever its length; empty and reported where it is not one of that kind.
  std::vector<int64_t> integerArray(llvm::StringRef key, int64_t low, int64_t high) const;
  std::vector<float> floatArray(llvm::StringRef key) const;
  std::vector<llvm::StringRef> stringArray(llvm::StringRef key) const;

private:
  const GgufValue *expect(llvm::StringRef key, bool array, llvm::StringRef what) const;
  const GgufFile &gguf;
  InputCheck &check;
};

} // namespace gemmac
