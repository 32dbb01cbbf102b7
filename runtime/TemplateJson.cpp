// Values of a template -> JSON text, as Python's json.dumps writes it.
#include "runtime/Failure.h"
#include "runtime/TemplateText.h"
#include "runtime/TemplateValue.h"

namespace gemmac::rt::jinja {

static std::string jsonKey(Machine &m, const Value &key, const JsonStyle &style) {
  switch (key.kind) {
  case Kind::String:
    return jsonText(key.text(), style.ascii);
  case Kind::None:
    return "\"null\"";
  case Kind::Bool:
    return key.flag ? "\"true\"" : "\"false\"";
  case Kind::Int:
  case Kind::BigInt:
  case Kind::Float:
    return cat("\"", str(m, key), "\"");
  default:
    m.fail(cat("a ", typeName(key), " cannot be a key in JSON"));
  }
}

static void appendJson(Machine &m, const Value &v, const JsonStyle &style, std::string pad, std::string &out);

static void appendJsonDict(Machine &m, const Dict &d, const JsonStyle &style, const std::string &pad,
                           std::string &out) {
  std::vector<Value> keys;
  for (const auto &pair : d.items)
    if (style.sortKeys)
      keys.push_back(pair.first);
  const std::vector<size_t> at = sorted(m, keys, false);
  const std::string inner = pad + style.indent;
  for (size_t i = 0; i < d.items.size(); ++i) {
    const auto &[key, value] = d.items[style.sortKeys ? at[i] : i];
    out += cat(i ? style.comma : "", style.lines ? inner : "", jsonKey(m, key, style), style.colon);
    appendJson(m, value, style, inner, out);
  }
}

static void appendJson(Machine &m, const Value &v, const JsonStyle &style, std::string pad,
                       std::string &out) {
  m.step();
  switch (v.kind) {
  case Kind::None:
    out += "null";
    return;
  case Kind::Bool:
    out += v.flag ? "true" : "false";
    return;
  case Kind::Int:
  case Kind::BigInt:
    out += str(m, v);
    return;
  case Kind::Float: {
    const std::string text = floatText(v.number);
    out += text == "nan" ? "NaN" : text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : text;
    return;
  }
  case Kind::String:
    out += jsonText(v.text(), style.ascii);
    return;
  case Kind::List: {
    if (v.list->shape > Shape::Tuple)
      m.fail(cat("a ", typeName(v), " has no JSON form; use the filter 'list'"));
    const std::string inner = pad + style.indent;
    out += '[';
    for (size_t i = 0; i < v.list->items.size(); ++i) {
      out += cat(i ? style.comma : "", style.lines ? inner : "");
      appendJson(m, v.list->items[i], style, inner, out);
    }
    out += (style.lines && !v.list->items.empty() ? pad : "") + "]";
    break;
  }
  case Kind::Dict:
    out += '{';
    appendJsonDict(m, *v.dict, style, pad, out);
    out += (style.lines && !v.dict->items.empty() ? pad : "") + "}";
    break;
  default:
    m.fail(v.is(Kind::Undefined) ? std::string(v.text()) : cat("a ", typeName(v), " has no JSON form"));
  }
  if (out.size() > m.limits.text)
    m.fail(cat("a text grows beyond ", m.limits.text, " bytes; shorten the conversation"));
}

std::string toJson(Machine &m, const Value &v, const JsonStyle &style) {
  std::string out;
  appendJson(m, v, style, style.lines ? "\n" : "", out);
  return out;
}

} // namespace gemmac::rt::jinja
