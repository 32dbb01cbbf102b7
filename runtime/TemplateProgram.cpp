// Tables, writer and checker of TemplateProgram.h. Built for the compiler and for the runtime.
#include "runtime/TemplateProgram.h"

#include <algorithm>

namespace gemmac {

const TemplateBuiltin kTemplateFilters[] = {
    {"abs", ""},
    {"capitalize", ""},
    {"default", "default_value,boolean"},
    {"dictsort", "case_sensitive,by,reverse"},
    {"first", ""},
    {"float", "default"},
    {"indent", "width,first,blank"},
    {"int", "default,base"},
    {"items", ""},
    {"join", "d,attribute"},
    {"last", ""},
    {"length", ""},
    {"list", ""},
    {"lower", ""},
    {"max", "case_sensitive,attribute"},
    {"min", "case_sensitive,attribute"},
    {"replace", "!old,!new,count"},
    {"reverse", ""},
    {"round", "precision,method"},
    {"safe", ""},
    {"sort", "reverse,case_sensitive,attribute"},
    {"string", ""},
    {"sum", "attribute,start"},
    {"title", ""},
    {"tojson", "ensure_ascii,indent,separators,sort_keys"},
    {"trim", "chars"},
    {"unique", "case_sensitive,attribute"},
    {"upper", ""},
    {nullptr, nullptr},
};
const TemplateBuiltin kTemplateTests[] = {
    {"boolean", ""},    {"callable", ""},     {"defined", ""},  {"divisibleby", "!num"},
    {"eq", "!other"},   {"even", ""},         {"false", ""},    {"float", ""},
    {"ge", "!other"},   {"gt", "!other"},     {"in", "!seq"},   {"integer", ""},
    {"iterable", ""},   {"le", "!other"},     {"lower", ""},    {"lt", "!other"},
    {"mapping", ""},    {"ne", "!other"},     {"none", ""},     {"number", ""},
    {"odd", ""},        {"sameas", "!other"}, {"sequence", ""}, {"string", ""},
    {"true", ""},       {"undefined", ""},    {"upper", ""},    {nullptr, nullptr},
    {nullptr, nullptr},
};
const TemplateBuiltin kTemplateFunctions[] = {
    {"range", "!start,stop,step"}, {"namespace", "**"}, {"dict", "**"},     {"raise_exception", "!message"},
    {"strftime_now", "!format"},   {"caller", "**"},    {nullptr, nullptr},
};
const TemplateBuiltin kTemplateMethods[] = {
    {"capitalize", ""},
    {"changed", "*"},
    {"copy", ""},
    {"count", "!sub"},
    {"cycle", "*"},
    {"endswith", "!suffix"},
    {"find", "!sub"},
    {"get", "!key,default"},
    {"index", "!value"},
    {"isdigit", ""},
    {"items", ""},
    {"join", "!iterable"},
    {"keys", ""},
    {"lower", ""},
    {"lstrip", "chars"},
    {"partition", "!sep"},
    {"removeprefix", "!prefix"},
    {"removesuffix", "!suffix"},
    {"replace", "!old,!new,count"},
    {"rfind", "!sub"},
    {"rpartition", "!sep"},
    {"rsplit", "sep,maxsplit"},
    {"rstrip", "chars"},
    {"split", "sep,maxsplit"},
    {"splitlines", "keepends"},
    {"startswith", "!prefix"},
    {"strip", "chars"},
    {"title", ""},
    {"upper", ""},
    {"values", ""},
    {nullptr, nullptr},
};

namespace {

constexpr char kMagic[8] = {'G', 'M', 'T', 'P', 'L', '1', 0, 0};

/// Operands a..d of an op: n node, N node or none, s string, l list of nodes, L list of nodes or nones, p
/// list of pairs (string or none, node), m list of pairs (string, node or none), i any number, - nothing (0).
/// `most`: aux must be smaller.
struct Shape {
  char operands[5];
  uint8_t most;
};

template <class Enum> constexpr uint8_t countOf() { return static_cast<uint8_t>(Enum::Count); }

constexpr Shape kShapes[] = {
    {"----", 1},                           // None
    {"----", 1},                           // True
    {"----", 1},                           // False
    {"ii--", 1},                           // Int: low and high half
    {"ii--", 1},                           // Float: low and high half of the bits
    {"s---", 1},                           // String
    {"s---", 1},                           // Name
    {"l---", 1},                           // List
    {"l---", 1},                           // Tuple
    {"l---", 1},                           // Dict: key, value, key, ..
    {"ns--", 1},                           // Attr: object, name
    {"nn--", 1},                           // Item: object, index
    {"nNNN", 1},                           // Slice: object, start, stop, step
    {"n---", 1},                           // Not
    {"n---", 1},                           // Neg
    {"n---", 1},                           // Pos
    {"nn--", countOf<TemplateBinary>()},   // Binary
    {"nn--", 1},                           // And
    {"nn--", 1},                           // Or
    {"l---", 1},                           // Concat
    {"nl--", 1},                           // Compare: first, steps
    {"n---", countOf<TemplateCompare>()},  // CompareStep: right side
    {"nnN-", 1},                           // Cond: test, then, else
    {"nL--", countOf<TemplateFilter>()},   // Filter: input, arguments
    {"nL--", countOf<TemplateTest>()},     // Test: input, arguments
    {"p---", countOf<TemplateFunction>()}, // Function: arguments
    {"sp--", 1},                           // MacroCall: name, arguments
    {"nL--", countOf<TemplateMethod>()},   // Method: object, arguments
    {"nL--", countOf<TemplateFilter>()},   // Map: input, arguments of the filter
    {"nnN-", 1},                           // MapAttr: input, attribute, default
    {"nLNi", countOf<TemplateTest>()},     // Select: input, arguments of the test, attribute; d = 1: reject
    {"----", 1},                           // Captured: the text of the block around
    {"s---", 1},                           // TargetName
    {"l---", 1},                           // TargetTuple
    {"ss--", 1},                           // TargetNamespace: variable, attribute
    {"s---", 1},                           // Text
    {"n---", 1},                           // Output
    {"l---", 1},                           // Block
    {"nnN-", 1},                           // If: test, then, else
    {"nnnL", 1},                           // For: target, iterable, body, {test, else}
    {"nn--", 1},                           // Set: target, value
    {"nnN-", 1},                           // SetBlock: target, body, filter over Captured
    {"smn-", 1},                           // Macro: name, parameters, body
    {"nmn-", 1},                           // CallBlock: call, parameters, body
    {"lln-", 1},                           // With: targets, values, body
    {"nn--", 1},                           // FilterBlock: filter over Captured, body
    {"----", 1},                           // Break
    {"----", 1},                           // Continue
    {"n---", 1},                           // Scope: body
};
static_assert(sizeof kShapes / sizeof kShapes[0] == countOf<TemplateOp>(), "one line for each op");

/// Checks one node at a time; depth_[i] is how deep the tree below node i goes.
class Checker {
public:
  Checker(const TemplateHeader &header, const char *base) : header_(header), program_(base) {
    depth_.reserve(header.nodes);
  }

  const char *run() {
    uint32_t previous = 0;
    for (uint32_t i = 0; i <= header_.strings; ++i) {
      const uint32_t at = program_.start(i);
      if (at < previous || at > header_.textBytes)
        return "template: string offsets do not ascend within the data";
      previous = at;
    }
    for (uint32_t i = 0; i < header_.nodes; ++i) {
      deepest_ = 0;
      if (!checkNode(program_.node(i), i))
        return "template: a node's operands are out of range";
      if (deepest_ >= kTemplateDepth * 4)
        return "template: nested too deeply";
      depth_.push_back(deepest_ + 1);
    }
    return nullptr;
  }

private:
  bool node(uint32_t i, uint32_t self) {
    if (i >= self)
      return false;
    deepest_ = std::max(deepest_, depth_[i]);
    return true;
  }
  bool list(uint32_t at, char kind, uint32_t self) {
    if (at >= header_.listWords || program_.size(at) > header_.listWords - at - 1)
      return false;
    const uint32_t n = program_.size(at);
    const bool pairs = kind == 'p' || kind == 'm';
    if (pairs && n % 2 != 0)
      return false;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t v = program_.item(at, i);
      const bool name = pairs && i % 2 == 0;
      const bool mayMiss = kind == 'L' || (kind == 'p' && name) || (kind == 'm' && !name);
      if (v == kTemplateNone ? !mayMiss : name ? v >= header_.strings : !node(v, self))
        return false;
    }
    return true;
  }
  bool operand(uint32_t v, char kind, uint32_t self) {
    switch (kind) {
    case 'n':
      return node(v, self);
    case 'N':
      return v == kTemplateNone || node(v, self);
    case 's':
      return v < header_.strings;
    case 'i':
      return true;
    case '-':
      return v == 0;
    default:
      return list(v, kind, self);
    }
  }
  /// The list of a filter's, test's or method's arguments has what its table asks for.
  bool argumentsFit(const TemplateNode &n) {
    const TemplateBuiltin *table = n.op == TemplateOp::Filter || n.op == TemplateOp::Map    ? kTemplateFilters
                                   : n.op == TemplateOp::Test || n.op == TemplateOp::Select ? kTemplateTests
                                   : n.op == TemplateOp::Method                             ? kTemplateMethods
                                                                                            : nullptr;
    if (!table)
      return true;
    if (n.b >= header_.listWords || program_.size(n.b) > header_.listWords - n.b - 1)
      return false;
    std::string_view left = table[n.aux].parameters ? table[n.aux].parameters : "";
    const uint32_t size = program_.size(n.b);
    const bool any = left == "*";
    uint32_t i = 0;
    for (; any ? i < size : !left.empty(); ++i) {
      const bool given = i < size && program_.item(n.b, i) != kTemplateNone;
      if (!given && (any || left[0] == '!'))
        return false;
      if (!any)
        left.remove_prefix(std::min(left.find(','), left.size() - 1) + 1);
    }
    return i >= size;
  }
  bool checkNode(const TemplateNode &n, uint32_t self) {
    if (n.op >= TemplateOp::Count)
      return false;
    const Shape &shape = kShapes[static_cast<size_t>(n.op)];
    return n.aux < shape.most && argumentsFit(n) && operand(n.a, shape.operands[0], self) &&
           operand(n.b, shape.operands[1], self) && operand(n.c, shape.operands[2], self) &&
           operand(n.d, shape.operands[3], self);
  }

  const TemplateHeader &header_;
  TemplateProgram program_;
  std::vector<uint32_t> depth_;
  uint32_t deepest_ = 0;
};

} // namespace

std::string writeTemplateProgram(const TemplateProgramInput &in) {
  TemplateHeader h = {};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.nodes = static_cast<uint32_t>(in.nodes.size());
  h.listWords = static_cast<uint32_t>(in.lists.size());
  h.strings = static_cast<uint32_t>(in.strings.size());
  std::string out(sizeof h, 0), text;
  std::vector<uint32_t> offsets{0};
  for (const std::string &s : in.strings) {
    text += s;
    offsets.push_back(static_cast<uint32_t>(text.size()));
  }
  h.textBytes = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char *>(in.nodes.data()), in.nodes.size() * sizeof(TemplateNode));
  out.append(reinterpret_cast<const char *>(in.lists.data()), in.lists.size() * sizeof(uint32_t));
  out.append(reinterpret_cast<const char *>(offsets.data()), offsets.size() * sizeof(uint32_t));
  out += text;
  h.bytes = out.size();
  std::memcpy(out.data(), &h, sizeof h);
  return out;
}

const char *checkTemplateProgram(const void *data, uint64_t bytes) {
  TemplateHeader h;
  if (bytes < sizeof h)
    return "template: shorter than its header";
  std::memcpy(&h, data, sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0)
    return "template: wrong magic";
  if (h.bytes != bytes)
    return "template: its size is not that of its section";
  // 32-bit counts times small sizes do not overflow 64 bits.
  const uint64_t need = sizeof h + uint64_t(h.nodes) * sizeof(TemplateNode) + uint64_t(h.listWords) * 4 +
                        (uint64_t(h.strings) + 1) * 4 + h.textBytes;
  if (need != bytes || h.nodes == 0)
    return "template: its tables do not fill its size";
  return Checker(h, static_cast<const char *>(data)).run();
}

} // namespace gemmac
