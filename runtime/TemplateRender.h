// Runs a template's program: a walk over its nodes with Python's values and jinja2's scopes. One Renderer
// renders once.
#pragma once

#include "runtime/TemplateValue.h"

#include <functional>
#include <optional>

namespace gemmac::rt::jinja {

/// The body of a call block, and where its names are looked up. Dead once the call has ended.
struct Scope;
struct Closure {
  const TemplateNode *block;
  Scope *scope;
  bool alive = true;
};

struct Scope {
  Scope *parent = nullptr;
  std::vector<std::pair<uint32_t, Value>> variables; ///< by the name's string in the program
};

class Renderer {
public:
  /// `variables`: what the template is given. `now` formats the time for strftime_now.
  Renderer(Machine &machine, const std::vector<std::pair<std::string, Value>> &variables,
           std::function<std::string(const std::string &format)> now);

  std::string run();

private:
  enum class Flow : uint8_t { Next, Break, Continue };
  class Depth;
  class Capture;
  using Pairs = std::vector<std::pair<uint32_t, Value>>; ///< name (or none) and value

  // Statements.
  Flow exec(uint32_t index);
  Flow execStatement(const TemplateNode &n);
  Flow execBlock(uint32_t list);
  Flow execFor(const TemplateNode &n);
  Flow execLoop(const TemplateNode &n, Scope &scope, std::vector<Value> items);
  std::vector<Value> selected(const TemplateNode &n, uint32_t test, std::vector<Value> items);
  Flow execWith(const TemplateNode &n);
  void execSetBlock(const TemplateNode &n);
  void execCallBlock(const TemplateNode &n);
  std::string captured(uint32_t body);
  void write(std::string_view text);

  // Scopes.
  void assign(const TemplateNode &target, const Value &value);
  void assignTuple(const TemplateNode &target, const Value &value);
  void set(Scope &scope, uint32_t name, Value value);
  const Value *lookup(uint32_t name) const;

  // Expressions.
  Value eval(uint32_t index);
  Value evalNode(const TemplateNode &n);
  Value evalConstant(const TemplateNode &n);
  Value evalName(const TemplateNode &n);
  Value evalSequence(const TemplateNode &n);
  Value evalDict(const TemplateNode &n);
  Value evalSlice(const TemplateNode &n);
  Value evalConcat(const TemplateNode &n);
  Value evalCompare(const TemplateNode &n);
  Value evalBuiltin(const TemplateNode &n);
  Value evalMap(const TemplateNode &n);
  Value evalSelect(const TemplateNode &n);
  Value evalFunction(const TemplateNode &n);
  Value evalRange(const Pairs &args);
  Value evalNamespace(const Pairs &args, bool asDict);
  Value evalMacroCall(const TemplateNode &n, Closure *caller);
  Value callMacro(const TemplateNode &macro, const Pairs &args, Closure *caller);
  Value callCaller(const Pairs &args);
  void bindParameters(uint32_t parameters, const Pairs &args, std::string_view name, Scope &scope);
  Arguments arguments(uint32_t list);
  Pairs pairs(uint32_t list);
  const TemplateNode &node(uint32_t i) const { return machine_.program.node(i); }

  Machine &machine_;
  std::function<std::string(const std::string &)> now_;
  Scope context_, root_;
  Scope *scope_ = &root_;
  std::string out_;
  std::vector<Value> captured_; ///< texts of the blocks whose filters run
  std::deque<Closure> closures_;
  uint32_t loopName_ = kTemplateNone, callerName_ = kTemplateNone;
  unsigned depth_ = 0;
};

} // namespace gemmac::rt::jinja
