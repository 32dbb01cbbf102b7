// JSON text -> values of a template, in the order of the text, without a tree in between. Of equal keys the
// last counts, as in Python.
#include "runtime/TemplateInput.h"

#include "runtime/Failure.h"

#include <nlohmann/json.hpp>

namespace gemmac::rt::jinja {

namespace {

class Reader : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit Reader(Machine &machine) : machine_(machine) {}

  bool null() override { return add(none()); }
  bool boolean(bool b) override { return add(jinja::boolean(b)); }
  bool number_integer(number_integer_t i) override { return add(integer(i)); }
  bool number_unsigned(number_unsigned_t u) override {
    return u <= static_cast<uint64_t>(INT64_MAX) ? add(integer(static_cast<int64_t>(u)))
                                                 : addBig(std::to_string(u));
  }
  bool number_float(number_float_t f, const string_t &text) override {
    return text.find_first_of(".eE") == text.npos ? addBig(text)
                                                  : add(number(f)); // a whole number beyond 64 bits
  }
  bool string(string_t &s) override { return add(machine_.text(std::move(s))); }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return open(true); }
  bool start_array(size_t) override { return open(false); }
  bool key(string_t &s) override {
    levels_.back().keys.push_back(machine_.text(std::move(s)));
    return true;
  }
  bool end_object() override {
    std::vector<std::pair<Value, Value>> items;
    Level &level = levels_.back();
    for (size_t i = 0; i < level.values.size(); ++i)
      items.emplace_back(std::move(level.keys[i]), std::move(level.values[i]));
    levels_.pop_back();
    return add(machine_.dict(std::move(items)));
  }
  bool end_array() override {
    std::vector<Value> items = std::move(levels_.back().values);
    levels_.pop_back();
    return add(machine_.list(std::move(items)));
  }
  bool parse_error(size_t position, const std::string &, const nlohmann::json::exception &) override {
    wrong = cat("not JSON, or not UTF-8, at byte ", position);
    return false;
  }

  Value result;
  std::string wrong;

private:
  struct Level {
    bool object;
    std::vector<Value> keys, values;
  };
  bool open(bool object) {
    constexpr size_t kDeepest = 100;
    levels_.push_back({object, {}, {}});
    if (levels_.size() > kDeepest)
      wrong = cat("nested deeper than ", kDeepest, " levels");
    return wrong.empty();
  }
  bool add(Value v) {
    machine_.step();
    if (levels_.empty())
      result = std::move(v);
    else
      levels_.back().values.push_back(std::move(v));
    return true;
  }
  bool addBig(std::string digits) {
    Value v = machine_.text(std::move(digits));
    v.kind = Kind::BigInt;
    return add(std::move(v));
  }

  Machine &machine_;
  std::vector<Level> levels_;
};

} // namespace

Value readJson(Machine &machine, std::string_view text, const std::string &where) {
  Reader reader(machine);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader))
    throw Failure(kBadInput, cat(where, ": ", reader.wrong.empty() ? "not JSON" : reader.wrong));
  return reader.result;
}

} // namespace gemmac::rt::jinja
