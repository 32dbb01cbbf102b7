// JSON from untrusted files, bounded before anything else looks at it: bytes, number of values and depth are
// limited, duplicate keys, invalid UTF-8, NaN and trailing bytes are refused. A document that parsed is a
// compact read-only tree; JsonObject reads its fields with types and ranges, and the first thing wrong
// becomes one Diagnostic.
#pragma once

#include "frontend/Diagnostic.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gemmac {

struct JsonMember;

/// One value; 16 bytes. Strings, arrays and objects point into the arena of their JsonDocument.
class JsonValue {
public:
  enum class Kind : uint8_t { Null, Bool, Integer, Number, String, Array, Object };

  JsonValue() : integer(0) {}
  static JsonValue makeBool(bool value);
  static JsonValue makeInteger(int64_t value);
  static JsonValue makeNumber(double value);
  static JsonValue makeString(llvm::StringRef inArena);
  static JsonValue makeArray(llvm::ArrayRef<JsonValue> inArena);
  static JsonValue makeObject(llvm::ArrayRef<JsonMember> inArena);

  Kind kind() const { return type; }
  bool isNull() const { return type == Kind::Null; }
  std::optional<bool> asBool() const;
  /// A number written without fraction and exponent that fits 64 bits, signed.
  std::optional<int64_t> asInteger() const;
  /// Any number; always finite.
  std::optional<double> asNumber() const;
  std::optional<llvm::StringRef> asString() const;
  /// Empty unless this is an array.
  llvm::ArrayRef<JsonValue> elements() const;
  /// Empty unless this is an object; in the order of the file.
  llvm::ArrayRef<JsonMember> members() const;
  /// The member of that name, or null. Linear: for objects of a handful of fields.
  const JsonValue *find(llvm::StringRef key) const;
  /// How a message names what was found: `"abc"`, 7, null, an array of 3, ...
  std::string describe() const;

private:
  union {
    bool boolean;
    int64_t integer;
    double number;
    const char *text;
    const JsonValue *array;
    const JsonMember *object;
  };
  uint32_t count = 0; ///< bytes, elements or members
  Kind type = Kind::Null;
};

struct JsonMember {
  llvm::StringRef key;
  JsonValue value;
};

struct JsonLimits {
  uint64_t bytes = 64u << 20;
  uint64_t values = 4u << 20;
  unsigned depth = 64;
};

/// A parsed document. Its values live as long as it does.
class JsonDocument {
public:
  /// Parses `text`. Messages name `file`, and `field` in front of the place inside the document (for example
  /// "header").
  static llvm::Expected<JsonDocument> parse(llvm::StringRef text, llvm::StringRef file, llvm::StringRef field,
                                            const JsonLimits &limits);
  /// Reads and parses a regular file.
  static llvm::Expected<JsonDocument> read(llvm::StringRef path, const JsonLimits &limits);

  const JsonValue &root() const { return top; }
  llvm::StringRef file() const { return name; }

private:
  std::string name;
  std::unique_ptr<llvm::BumpPtrAllocator> arena;
  JsonValue top;
};

/// Holds the first thing found wrong with one file. Later findings are dropped: they tend to follow from the
/// first.
class InputCheck {
public:
  explicit InputCheck(llvm::StringRef file) : file(file.str()) {}
  void fail(llvm::StringRef field, const llvm::Twine &what, const llvm::Twine &hint = "");
  bool failed() const { return problem.has_value(); }
  /// The error, or success. Ask once, at the end.
  llvm::Error take();

private:
  struct Problem {
    std::string field, what, hint;
  };
  std::string file;
  std::optional<Problem> problem;
};

/// Values allowed for a number: from `low` (or only above it) to `high`.
struct Interval {
  double low, high;
  bool openLow = false;
  bool contains(double x) const { return (openLow ? x > low : x >= low) && x <= high; }
  std::string describe() const;
};

/// The least positive number that a field may hold: code uses it, its square and its root as f32.
constexpr double kLeastPositive = 1e-18;

/// An object's fields with types and ranges. Every getter reports into the InputCheck and then returns
/// something harmless (the lowest allowed value, an empty list), so a reader lists its fields and asks once
/// at its end. A field that is null counts as absent.
class JsonObject {
public:
  /// `value` may be of any kind: if it is not an object that is reported under `place`. Field messages say
  /// `prefix` + key.
  JsonObject(const JsonValue &value, llvm::StringRef place, llvm::StringRef prefix, InputCheck &check);

  bool has(llvm::StringRef key) const { return find(key) != nullptr; }
  /// True if the key is there, be it with null.
  bool mentions(llvm::StringRef key) const { return value.find(key) != nullptr; }
  const JsonValue *find(llvm::StringRef key) const;
  std::string at(llvm::StringRef key) const { return prefix + key.str(); }
  InputCheck &problems() const { return *check; }

  int64_t integer(llvm::StringRef key, int64_t low, int64_t high) const;
  int64_t integerOr(llvm::StringRef key, int64_t absent, int64_t low, int64_t high) const;
  double number(llvm::StringRef key, Interval range) const;
  double numberOr(llvm::StringRef key, double absent, Interval range) const;
  bool booleanOr(llvm::StringRef key, bool absent) const;
  llvm::StringRef string(llvm::StringRef key, llvm::StringRef expected = "a string") const;
  llvm::StringRef stringOr(llvm::StringRef key, llvm::StringRef absent) const;
  llvm::ArrayRef<JsonValue> array(llvm::StringRef key, llvm::StringRef expected = "an array") const;
  JsonObject object(llvm::StringRef key) const;

  /// "KEY: found FOUND, expected EXPECTED".
  void mismatch(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &hint = "") const;
  /// "KEY: missing, expected EXPECTED".
  void missing(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &hint = "") const;

private:
  JsonValue value;
  std::string prefix;
  InputCheck *check;
};

} // namespace gemmac
