#include "dialect/interp/Interpreter.h"

#include "dialect/interp/Evaluation.h"
#include "frontend/Diagnostic.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <optional>

using namespace gemmac;

llvm::StringRef gemmac::placeOf(mlir::Operation *op) {
  if (auto name = op->getLoc()->findInstanceOf<mlir::NameLoc>())
    return name.getName().getValue();
  return {};
}

llvm::Error gemmac::opError(mlir::Operation *op, const llvm::Twine &what) {
  llvm::StringRef place = placeOf(op);
  return inputError("interpreter", place.empty() ? op->getName().getStringRef() : place, what);
}

struct Interpreter::State {
  State(mlir::ModuleOp module, const TensorSource *source) : module(module), weights(module, source) {
    addElementwiseHandlers(table);
    addNormHandlers(table);
    addLinearHandlers(table);
    addRopeHandlers(table);
    addAttentionHandlers(table);
    addMoeHandlers(table);
    addRowsHandlers(table);
    addFusionHandlers(table);
  }

  mlir::ModuleOp module;
  WeightValues weights;
  HandlerTable table;
  llvm::StringMap<std::unique_ptr<KvCache>> caches;
  Observer observer;
};

Interpreter::Interpreter(mlir::ModuleOp module, const TensorSource *source)
    : state(std::make_unique<State>(module, source)) {}

Interpreter::~Interpreter() = default;

void Interpreter::setObserver(Observer observer) { state->observer = std::move(observer); }

void Interpreter::clearCaches() { state->caches.clear(); }

KvCache &Evaluation::cache(mlir::FlatSymbolRefAttr symbol, gemma::KvType type) {
  std::unique_ptr<KvCache> &cache = caches[symbol.getValue()];
  if (!cache)
    cache = std::make_unique<KvCache>(type.getHeads(), type.getHeadDim());
  return *cache;
}

llvm::Error Evaluation::executeOp(mlir::Operation *op) {
  Handler handler = table.find(op->getName().getStringRef());
  if (!handler)
    return opError(op, "the interpreter has no meaning for " + op->getName().getStringRef());
  if (llvm::Error error = handler(*this, op))
    return error;
  if (observer && !stop) {
    std::vector<Tensor> results;
    for (mlir::Value result : op->getResults())
      results.push_back(get(result));
    stop = !observer(op, results);
  }
  return llvm::Error::success();
}

llvm::Error Evaluation::execute(mlir::Block &block) {
  llvm::DenseMap<mlir::Value, mlir::Operation *> lastUse;
  for (mlir::Operation &op : block)
    op.walk([&](mlir::Operation *inner) {
      for (mlir::Value operand : inner->getOperands())
        if (operand.getParentBlock() == &block)
          lastUse[operand] = &op;
    });
  for (mlir::Operation &op : block.without_terminator()) {
    if (llvm::Error error = executeOp(&op))
      return error;
    if (stop)
      return llvm::Error::success();
    llvm::SmallVector<mlir::Value> dead;
    for (auto [value, user] : lastUse)
      if (user == &op)
        dead.push_back(value);
    for (mlir::Value result : op.getResults())
      if (result.use_empty())
        dead.push_back(result);
    for (mlir::Value value : dead) {
      values.erase(value);
      lastUse.erase(value);
    }
  }
  return llvm::Error::success();
}

/// Null where `tensor` may be an argument of that type, else what is wrong.
static std::optional<std::string> mismatch(const Tensor &tensor, mlir::Type type) {
  auto ranked = llvm::dyn_cast<mlir::RankedTensorType>(type);
  if (!ranked)
    return "is not a tensor";
  bool fits = static_cast<size_t>(ranked.getRank()) == tensor.shape.size() &&
              (ranked.getElementType().isF32() ? tensor.i32.empty() : tensor.f32.empty());
  for (size_t i = 0; fits && i < tensor.shape.size(); ++i)
    fits = ranked.isDynamicDim(static_cast<unsigned>(i)) ||
           ranked.getDimSize(static_cast<unsigned>(i)) == tensor.shape[i];
  if (fits)
    return std::nullopt;
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "found shape [";
  llvm::interleaveComma(tensor.shape, os);
  os << "], expected " << type;
  return text;
}

llvm::Expected<std::vector<Tensor>> Interpreter::call(llvm::StringRef name, std::vector<Tensor> arguments) {
  auto function = state->module.lookupSymbol<mlir::func::FuncOp>(name);
  if (!function || function.isExternal())
    return usageError("no function @" + name + " in the module");
  if (function.getNumArguments() != arguments.size())
    return usageError("@" + name + " takes " + llvm::Twine(function.getNumArguments()) +
                      " arguments, found " + llvm::Twine(arguments.size()));
  Evaluation evaluation(state->table, state->weights, state->caches, state->observer);
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    if (auto problem = mismatch(argument, function.getArgument(static_cast<unsigned>(i)).getType()))
      return usageError("@" + name + ": argument " + llvm::Twine(i) + ": " + *problem);
    evaluation.set(function.getArgument(static_cast<unsigned>(i)), std::move(argument));
  }
  mlir::Block &body = function.getBody().front();
  if (llvm::Error error = evaluation.execute(body))
    return error;
  std::vector<Tensor> results;
  if (!evaluation.stopped())
    for (mlir::Value value : body.getTerminator()->getOperands())
      results.push_back(evaluation.get(value));
  return results;
}

llvm::Expected<std::vector<Tensor>> Interpreter::run(llvm::StringRef function, llvm::ArrayRef<int32_t> tokens,
                                                     llvm::ArrayRef<int32_t> pos,
                                                     llvm::ArrayRef<int32_t> seq) {
  constexpr int32_t kMostPositions = 1 << 24;
  if (tokens.empty() || pos.size() != tokens.size() || seq.size() != tokens.size())
    return usageError("expected the same positive number of tokens, positions and sequences");
  for (int32_t p : pos)
    if (p < 0 || p >= kMostPositions)
      return usageError("position " + llvm::Twine(p) + " is out of range");
  std::vector<Tensor> arguments;
  for (llvm::ArrayRef<int32_t> values : {tokens, pos, seq})
    arguments.push_back(Tensor::ofInts({static_cast<int64_t>(values.size())}, values.vec()));
  return call(function, std::move(arguments));
}
