// Typed fields of JSON objects: one message for the first thing that is not as expected, in one form
// everywhere.
#include "frontend/Json.h"

using namespace gemmac;

//-----------------------------------------------------------------------------------===//

void InputCheck::fail(llvm::StringRef field, const llvm::Twine &what, const llvm::Twine &hint) {
  if (!problem)
    problem = Problem{field.str(), what.str(), hint.str()};
}

llvm::Error InputCheck::take() {
  if (!problem)
    return llvm::Error::success();
  return inputError(file, problem->field, problem->what, problem->hint);
}

static std::string plainNumber(double x) { return JsonValue::makeNumber(x).describe(); }

std::string Interval::describe() const {
  std::string lowText = plainNumber(low), highText = plainNumber(high);
  return openLow ? "a number above " + lowText + " and at most " + highText
                 : "a number from " + lowText + " to " + highText;
}

JsonObject::JsonObject(const JsonValue &value, llvm::StringRef place, llvm::StringRef prefix,
                       InputCheck &check)
    : value(value), prefix(prefix.str()), check(&check) {
  if (value.kind() != JsonValue::Kind::Object)
    check.fail(place, "found " + value.describe() + ", expected an object");
}

const JsonValue *JsonObject::find(llvm::StringRef key) const {
  const JsonValue *found = value.find(key);
  return found && !found->isNull() ? found : nullptr;
}

void JsonObject::mismatch(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &hint) const {
  const JsonValue *found = value.find(key);
  check->fail(at(key), "found " + (found ? found->describe() : "nothing") + ", expected " + expected, hint);
}

void JsonObject::missing(llvm::StringRef key, const llvm::Twine &expected, const llvm::Twine &hint) const {
  check->fail(at(key), (value.find(key) ? "found null, expected " : "missing, expected ") + expected, hint);
}

static std::string integerRange(int64_t low, int64_t high) {
  return "an integer from " + std::to_string(low) + " to " + std::to_string(high);
}

int64_t JsonObject::integer(llvm::StringRef key, int64_t low, int64_t high) const {
  if (!has(key)) {
    missing(key, integerRange(low, high));
    return low;
  }
  return integerOr(key, low, low, high);
}

int64_t JsonObject::integerOr(llvm::StringRef key, int64_t absent, int64_t low, int64_t high) const {
  const JsonValue *found = find(key);
  if (!found)
    return absent;
  std::optional<int64_t> number = found->asInteger();
  if (number && *number >= low && *number <= high)
    return *number;
  mismatch(key, integerRange(low, high));
  return low;
}

double JsonObject::number(llvm::StringRef key, Interval range) const {
  if (!has(key)) {
    missing(key, range.describe());
    return range.high;
  }
  return numberOr(key, range.high, range);
}

double JsonObject::numberOr(llvm::StringRef key, double absent, Interval range) const {
  const JsonValue *found = find(key);
  if (!found)
    return absent;
  std::optional<double> number = found->asNumber();
  if (number && range.contains(*number))
    return *number;
  mismatch(key, range.describe());
  return range.high;
}

bool JsonObject::booleanOr(llvm::StringRef key, bool absent) const {
  const JsonValue *found = find(key);
  if (!found)
    return absent;
  if (std::optional<bool> flag = found->asBool())
    return *flag;
  mismatch(key, "true or false");
  return absent;
}

llvm::StringRef JsonObject::string(llvm::StringRef key, llvm::StringRef expected) const {
  const JsonValue *found = find(key);
  if (!found) {
    missing(key, expected);
    return "";
  }
  if (std::optional<llvm::StringRef> text = found->asString())
    return *text;
  mismatch(key, expected);
  return "";
}

llvm::StringRef JsonObject::stringOr(llvm::StringRef key, llvm::StringRef absent) const {
  return has(key) ? string(key) : absent;
}

llvm::ArrayRef<JsonValue> JsonObject::array(llvm::StringRef key, llvm::StringRef expected) const {
  const JsonValue *found = find(key);
  if (!found)
    missing(key, expected);
  else if (found->kind() != JsonValue::Kind::Array)
    mismatch(key, expected);
  else
    return found->elements();
  return {};
}

JsonObject JsonObject::object(llvm::StringRef key) const {
  const JsonValue *found = value.find(key);
  if (!found)
    missing(key, "an object");
  return JsonObject(found ? *found : JsonValue(), at(key), at(key) + ".", *check);
}
