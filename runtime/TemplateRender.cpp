// Statements and scopes of templates. See TemplateRender.h.
#include "runtime/TemplateRender.h"

#include "runtime/Failure.h"

#include <algorithm>
#include <unordered_map>

namespace gemmac::rt::jinja {

using Op = TemplateOp;

/// Counts how deep nodes run inside of each other; an exception ends the rendering, so nothing counts back
/// then.
class Renderer::Depth {
public:
  explicit Depth(Renderer &r) : r_(r) {
    if (++r_.depth_ > r_.machine_.limits.depth)
      r_.machine_.fail("it nests too deeply");
  }
  ~Depth() { --r_.depth_; }

private:
  Renderer &r_;
};

/// Output goes elsewhere while one lives, in a scope of its own.
class Renderer::Capture {
public:
  Capture(Renderer &r, Scope *parent) : r_(r), outerScope_(r.scope_) {
    std::swap(r_.out_, outer_);
    scope.parent = parent;
    r_.scope_ = &scope;
  }
  ~Capture() {
    r_.scope_ = outerScope_;
    if (!taken_)
      std::swap(r_.out_, outer_);
  }
  std::string take() {
    taken_ = true;
    std::swap(r_.out_, outer_);
    return std::move(outer_);
  }
  Scope scope;

private:
  Renderer &r_;
  Scope *outerScope_;
  std::string outer_;
  bool taken_ = false;
};

Renderer::Renderer(Machine &machine, const std::vector<std::pair<std::string, Value>> &variables,
                   std::function<std::string(const std::string &)> now)
    : machine_(machine), now_(std::move(now)) {
  std::unordered_map<std::string_view, uint32_t> names;
  for (uint32_t i = 0; i < machine.program.strings(); ++i)
    names.emplace(machine.program.string(i), i);
  const auto find = [&](std::string_view name) {
    const auto it = names.find(name);
    return it == names.end() ? kTemplateNone : it->second;
  };
  for (const auto &[name, value] : variables)
    if (const uint32_t id = find(name); id != kTemplateNone)
      set(context_, id, value);
  loopName_ = find("loop");
  callerName_ = find("caller");
  root_.parent = &context_;
}

std::string Renderer::run() {
  exec(machine_.program.root());
  return std::move(out_);
}

void Renderer::write(std::string_view text) {
  if (text.size() > machine_.limits.text - std::min<uint64_t>(out_.size(), machine_.limits.text))
    machine_.fail(cat("the text grows beyond ", machine_.limits.text, " bytes; shorten the conversation"));
  out_ += text;
}

void Renderer::set(Scope &scope, uint32_t name, Value value) {
  for (auto &[known, old] : scope.variables)
    if (known == name) {
      old = std::move(value);
      return;
    }
  scope.variables.emplace_back(name, std::move(value));
}

const Value *Renderer::lookup(uint32_t name) const {
  for (const Scope *s = scope_; s; s = s->parent)
    for (const auto &[known, value] : s->variables)
      if (known == name)
        return &value;
  return nullptr;
}

void Renderer::assignTuple(const TemplateNode &target, const Value &value) {
  const TemplateProgram &p = machine_.program;
  const std::vector<Value> parts = elements(machine_, value);
  if (parts.size() != p.size(target.a))
    machine_.fail(cat("cannot unpack ", parts.size(), " values into ", p.size(target.a), " variables"));
  for (uint32_t i = 0; i < parts.size(); ++i)
    assign(node(p.item(target.a, i)), parts[i]);
}

void Renderer::assign(const TemplateNode &target, const Value &value) {
  const Depth depth(*this);
  switch (target.op) {
  case Op::TargetName:
    return set(*scope_, target.a, value);
  case Op::TargetTuple:
    if (value.is(Kind::Undefined))
      machine_.fail(std::string(value.text()));
    return assignTuple(target, value);
  case Op::TargetNamespace: {
    const Value *space = lookup(target.a);
    if (!space || !space->is(Kind::Namespace))
      machine_.fail(
          cat("'", machine_.program.string(target.a), "' is no namespace, its attributes cannot be set"));
    const std::string_view name = machine_.program.string(target.b);
    auto &fields = space->space->fields;
    const auto it =
        std::find_if(fields.begin(), fields.end(), [&](const auto &field) { return field.first == name; });
    if (it != fields.end())
      it->second = value;
    else
      fields.emplace_back(name, value);
    return;
  }
  default:
    machine_.fail("a damaged program: assignment to what is no target");
  }
}

std::string Renderer::captured(uint32_t body) {
  Capture capture(*this, scope_);
  exec(body);
  return capture.take();
}

Renderer::Flow Renderer::execBlock(uint32_t list) {
  const TemplateProgram &p = machine_.program;
  for (uint32_t i = 0; i < p.size(list); ++i)
    if (const Flow flow = exec(p.item(list, i)); flow != Flow::Next)
      return flow;
  return Flow::Next;
}

Renderer::Flow Renderer::exec(uint32_t index) {
  const Depth depth(*this);
  machine_.step();
  const TemplateNode &n = node(index);
  machine_.here = &n;
  return execStatement(n);
}

Renderer::Flow Renderer::execStatement(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  switch (n.op) {
  case Op::Text:
    write(p.string(n.a));
    return Flow::Next;
  case Op::Output: {
    const Value v = eval(n.a);
    write(v.is(Kind::String) ? std::string(v.text()) : str(machine_, v));
    return Flow::Next;
  }
  case Op::Block:
    return execBlock(n.a);
  case Op::If:
    return truth(eval(n.a)) ? exec(n.b) : n.c != kTemplateNone ? exec(n.c) : Flow::Next;
  case Op::For:
    return execFor(n);
  case Op::Set:
    assign(node(n.a), eval(n.b));
    return Flow::Next;
  case Op::SetBlock:
    execSetBlock(n);
    return Flow::Next;
  case Op::Macro: {
    Value v;
    v.kind = Kind::Macro;
    v.id = static_cast<uint32_t>(&n - &node(0));
    set(*scope_, n.a, v);
    return Flow::Next;
  }
  case Op::CallBlock:
    execCallBlock(n);
    return Flow::Next;
  case Op::With:
    return execWith(n);
  case Op::FilterBlock:
    captured_.push_back(machine_.text(captured(n.b)));
    write(str(machine_, eval(n.a)));
    captured_.pop_back();
    return Flow::Next;
  case Op::Scope:
    write(captured(n.a));
    return Flow::Next;
  case Op::Break:
    return Flow::Break;
  case Op::Continue:
    return Flow::Continue;
  default:
    machine_.fail("a damaged program: an expression stands where a statement belongs");
  }
}

/// Items that pass the loop's own `if`, which sees the target and nothing else new.
std::vector<Value> Renderer::selected(const TemplateNode &n, uint32_t test, std::vector<Value> items) {
  if (test == kTemplateNone)
    return items;
  std::vector<Value> kept;
  for (Value &item : items) {
    Scope scope{scope_, {}};
    scope_ = &scope;
    assign(node(n.a), item);
    const bool keep = truth(eval(test));
    scope_ = scope.parent;
    if (keep)
      kept.push_back(std::move(item));
  }
  return kept;
}

Renderer::Flow Renderer::execFor(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  const uint32_t test = p.size(n.d) > 0 ? p.item(n.d, 0) : kTemplateNone;
  const uint32_t otherwise = p.size(n.d) > 1 ? p.item(n.d, 1) : kTemplateNone;
  std::vector<Value> items = selected(n, test, elements(machine_, eval(n.b)));
  Scope scope{scope_, {}};
  scope_ = &scope;
  Flow flow = Flow::Next;
  if (items.empty() && otherwise != kTemplateNone)
    flow = exec(otherwise);
  else
    execLoop(n, scope, std::move(items));
  scope_ = scope.parent;
  return flow;
}

Renderer::Flow Renderer::execLoop(const TemplateNode &n, Scope &scope, std::vector<Value> items) {
  const auto loop = std::make_shared<Loop>();
  loop->items = std::move(items);
  Value self;
  self.kind = Kind::Loop;
  self.loop = loop.get();
  self.owner = loop;
  for (size_t i = 0; i < loop->items.size(); ++i) {
    loop->index = i;
    scope.variables.clear(); // every round starts anew
    assign(node(n.a), loop->items[i]);
    if (loopName_ != kTemplateNone)
      set(scope, loopName_, self);
    if (exec(n.c) == Flow::Break)
      break;
  }
  loop->changed = Value(); // it may hold what holds the loop
  return Flow::Next;
}

Renderer::Flow Renderer::execWith(const TemplateNode &n) {
  const TemplateProgram &p = machine_.program;
  if (p.size(n.a) != p.size(n.b))
    machine_.fail("a damaged program: 'with' has more targets than values");
  std::vector<Value> values;
  for (uint32_t i = 0; i < p.size(n.b); ++i)
    values.push_back(eval(p.item(n.b, i)));
  Scope scope{scope_, {}};
  scope_ = &scope;
  for (uint32_t i = 0; i < values.size(); ++i)
    assign(node(p.item(n.a, i)), values[i]);
  const Flow flow = exec(n.c);
  scope_ = scope.parent;
  return flow;
}

void Renderer::execSetBlock(const TemplateNode &n) {
  Value value = machine_.text(captured(n.b));
  if (n.c != kTemplateNone) {
    captured_.push_back(std::move(value));
    value = eval(n.c);
    captured_.pop_back();
  }
  assign(node(n.a), value);
}

void Renderer::execCallBlock(const TemplateNode &n) {
  if (node(n.a).op != Op::MacroCall)
    machine_.fail("a damaged program: 'call' without a macro");
  closures_.push_back({&n, scope_});
  Closure &closure = closures_.back();
  const Value v = evalMacroCall(node(n.a), &closure);
  closure.alive = false;
  write(v.text());
}

/// Values for parameters, by position, then by name, then by default.
void Renderer::bindParameters(uint32_t parameters, const Pairs &args, std::string_view name, Scope &scope) {
  const TemplateProgram &p = machine_.program;
  const uint32_t count = p.size(parameters) / 2;
  std::vector<const Value *> given(count);
  uint32_t position = 0;
  for (const auto &[key, value] : args) {
    uint32_t slot = position;
    if (key == kTemplateNone) {
      ++position;
    } else {
      for (slot = 0; slot < count && p.item(parameters, 2 * slot) != key; ++slot)
        ;
      if (slot == count)
        machine_.fail(cat("macro '", name, "' has no parameter '", p.string(key), "'"));
    }
    if (slot >= count)
      machine_.fail(cat("macro '", name, "' takes at most ", count, " arguments"));
    if (given[slot])
      machine_.fail(cat("macro '", name, "' is given '", p.string(p.item(parameters, 2 * slot)), "' twice"));
    given[slot] = &value;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t parameter = p.item(parameters, 2 * i), otherwise = p.item(parameters, 2 * i + 1);
    set(scope, parameter,
        given[i] ? *given[i]
        : otherwise != kTemplateNone
            ? eval(otherwise)
            : machine_.undefined(cat("parameter '", p.string(parameter), "' was not provided")));
  }
}

Value Renderer::callMacro(const TemplateNode &macro, const Pairs &args, Closure *caller) {
  Capture capture(*this, &root_);
  if (caller && callerName_ != kTemplateNone) {
    Value v;
    v.kind = Kind::Caller;
    v.closure = caller;
    set(capture.scope, callerName_, v);
  }
  bindParameters(macro.b, args, machine_.program.string(macro.a), capture.scope);
  exec(macro.c);
  return machine_.text(capture.take());
}

Value Renderer::callCaller(const Pairs &args) {
  const Value *caller = callerName_ == kTemplateNone ? nullptr : lookup(callerName_);
  if (!caller || !caller->is(Kind::Caller) || !caller->closure->alive)
    machine_.fail("no caller defined: the macro is not used by a call block");
  const Closure &closure = *caller->closure;
  Capture capture(*this, closure.scope);
  bindParameters(closure.block->b, args, "caller", capture.scope);
  exec(closure.block->c);
  return machine_.text(capture.take());
}

Value Renderer::evalMacroCall(const TemplateNode &n, Closure *caller) {
  const Pairs args = pairs(n.b);
  const Value *macro = lookup(n.a);
  machine_.here = &n;
  if (!macro || !macro->is(Kind::Macro) || node(macro->id).op != Op::Macro)
    machine_.fail(cat("'", machine_.program.string(n.a), "' is not a macro that is defined here"));
  return callMacro(node(macro->id), args, caller);
}

} // namespace gemmac::rt::jinja
