// A chat template as it lies in an executable: the parsed Jinja program, little-endian, position independent,
// used in place. Written by frontend/ChatTemplate, run by runtime/ChatTemplate. A node's operands lie before
// it, so a program has no cycles and can be checked in one pass; a program that passed checkTemplateProgram()
// is safe to run, though it may still stop with an error.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace gemmac {

/// What a node does. Operands a..d are described by the table in TemplateProgram.cpp.
enum class TemplateOp : uint8_t {
  // Expressions.
  None,
  True,
  False,
  Int,
  Float,
  String,
  Name,
  List,
  Tuple,
  Dict,
  Attr,
  Item,
  Slice,
  Not,
  Neg,
  Pos,
  Binary,
  And,
  Or,
  Concat,
  Compare,
  CompareStep,
  Cond,
  Filter,
  Test,
  Function,
  MacroCall,
  Method,
  Map,
  MapAttr,
  Select,
  Captured,
  // Targets of assignments.
  TargetName,
  TargetTuple,
  TargetNamespace,
  // Statements.
  Text,
  Output,
  Block,
  If,
  For,
  Set,
  SetBlock,
  Macro,
  CallBlock,
  With,
  FilterBlock,
  Break,
  Continue,
  Scope,
  Count
};

enum class TemplateBinary : uint8_t { Add, Sub, Mul, Div, FloorDiv, Mod, Pow, Count };
enum class TemplateCompare : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, In, NotIn, Count };

enum class TemplateFilter : uint8_t {
  Abs,
  Capitalize,
  Default,
  Dictsort,
  First,
  Float,
  Indent,
  Int,
  Items,
  Join,
  Last,
  Length,
  List,
  Lower,
  Max,
  Min,
  Replace,
  Reverse,
  Round,
  Safe,
  Sort,
  String,
  Sum,
  Title,
  Tojson,
  Trim,
  Unique,
  Upper,
  Count
};
enum class TemplateTest : uint8_t {
  Boolean,
  Callable,
  Defined,
  DivisibleBy,
  Eq,
  Even,
  False,
  Float,
  Ge,
  Gt,
  In,
  Integer,
  Iterable,
  Le,
  Lower,
  Lt,
  Mapping,
  Ne,
  None,
  Number,
  Odd,
  SameAs,
  Sequence,
  String,
  True,
  Undefined,
  Upper,
  Truth,
  Count
};
enum class TemplateFunction : uint8_t { Range, Namespace, Dict, RaiseException, StrftimeNow, Caller, Count };
enum class TemplateMethod : uint8_t {
  Capitalize,
  Changed,
  Copy,
  CountOf,
  Cycle,
  EndsWith,
  Find,
  Get,
  Index,
  IsDigit,
  Items,
  Join,
  Keys,
  Lower,
  Lstrip,
  Partition,
  RemovePrefix,
  RemoveSuffix,
  Replace,
  Rfind,
  Rpartition,
  Rsplit,
  Rstrip,
  Split,
  SplitLines,
  StartsWith,
  Strip,
  Title,
  Upper,
  Values,
  Count
};

/// The name of a built-in and its parameters: comma separated, `!` marks a required one, `*` any number.
struct TemplateBuiltin {
  const char *name, *parameters;
};
/// By enum value. Null name beyond the last.
extern const TemplateBuiltin kTemplateFilters[], kTemplateTests[], kTemplateFunctions[], kTemplateMethods[];

constexpr uint32_t kTemplateNone = 0xFFFFFFFF; ///< an operand that is not there
constexpr unsigned kTemplateDepth = 200;       ///< deepest nesting of nodes
constexpr uint64_t kTemplateBytes = 1 << 20;   ///< longest template text

struct TemplateNode {
  TemplateOp op;
  uint8_t aux;     ///< which operator, filter, test, function or method
  uint16_t column; ///< from 1, of the source
  uint32_t line;   ///< from 1
  uint32_t a, b, c, d;
};
static_assert(sizeof(TemplateNode) == 24, "as it lies in the file");

struct TemplateHeader {
  char magic[8];      ///< "GMTPL1\0\0"
  uint64_t bytes;     ///< of the whole program
  uint32_t nodes;     ///< TemplateNode[nodes] follow the header; the last is the root
  uint32_t listWords; ///< then u32[listWords]: lists, each its length and its items
  uint32_t strings;   ///< then u32[strings + 1]: where each string starts
  uint32_t textBytes; ///< then the strings' bytes, UTF-8
};
static_assert(sizeof(TemplateHeader) == 32, "as it lies in the file");

/// What the compiler fills. Operands of `nodes` index nodes, strings, or words of `lists`.
struct TemplateProgramInput {
  std::vector<TemplateNode> nodes;
  std::vector<uint32_t> lists;
  std::vector<std::string> strings;
};

/// Serialises `in`. Deterministic.
std::string writeTemplateProgram(const TemplateProgramInput &in);
/// Null if `data` (8-byte aligned) is a whole, consistent program, else what is wrong with it.
const char *checkTemplateProgram(const void *data, uint64_t bytes);

/// Reads a program that was checked.
class TemplateProgram {
public:
  TemplateProgram() = default;
  explicit TemplateProgram(const void *data) : base_(static_cast<const char *>(data)) {
    std::memcpy(&header_, data, sizeof header_);
    nodes_ = reinterpret_cast<const TemplateNode *>(base_ + sizeof header_);
    lists_ = reinterpret_cast<const uint32_t *>(nodes_ + header_.nodes);
    offsets_ = lists_ + header_.listWords;
    text_ = reinterpret_cast<const char *>(offsets_ + header_.strings + 1);
  }
  uint32_t root() const { return header_.nodes - 1; }
  const TemplateNode &node(uint32_t i) const { return nodes_[i]; }
  uint32_t strings() const { return header_.strings; }
  uint32_t start(uint32_t i) const { return offsets_[i]; }
  std::string_view string(uint32_t i) const { return {text_ + offsets_[i], offsets_[i + 1] - offsets_[i]}; }
  /// Items of the list at word `at`.
  const uint32_t *begin(uint32_t at) const { return lists_ + at + 1; }
  uint32_t size(uint32_t at) const { return lists_[at]; }
  uint32_t item(uint32_t at, uint32_t i) const { return lists_[at + 1 + i]; }

private:
  const char *base_ = nullptr;
  TemplateHeader header_ = {};
  const TemplateNode *nodes_ = nullptr;
  const uint32_t *lists_ = nullptr, *offsets_ = nullptr;
  const char *text_ = nullptr;
};

} // namespace gemmac
