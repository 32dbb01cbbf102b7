// What a handler of one op sees: the values of its operands, the weights and caches of the module. One file
// per op family holds the handlers; a table by op name finds them.
#pragma once

#include "dialect/interp/Interpreter.h"

#include "llvm/ADT/StringMap.h"

namespace gemmac {

class Evaluation;
using Handler = llvm::Error (*)(Evaluation &, mlir::Operation *);

/// Op name to handler.
class HandlerTable {
public:
  template <typename Op, llvm::Error (*evaluate)(Evaluation &, Op)> void add() {
    handlers[Op::getOperationName()] = [](Evaluation &e, mlir::Operation *op) {
      return evaluate(e, llvm::cast<Op>(op));
    };
  }
  Handler find(llvm::StringRef op) const { return handlers.lookup(op); }

private:
  llvm::StringMap<Handler> handlers;
};

void addElementwiseHandlers(HandlerTable &table);
void addNormHandlers(HandlerTable &table);
void addLinearHandlers(HandlerTable &table);
void addRopeHandlers(HandlerTable &table);
void addAttentionHandlers(HandlerTable &table);
void addMoeHandlers(HandlerTable &table);
void addRowsHandlers(HandlerTable &table);
void addFusionHandlers(HandlerTable &table);

/// One run of one function.
class Evaluation {
public:
  Evaluation(const HandlerTable &table, WeightValues &weights,
             llvm::StringMap<std::unique_ptr<KvCache>> &caches, const Interpreter::Observer &observer)
      : weightValues(weights), table(table), caches(caches), observer(observer) {}

  const Tensor &get(mlir::Value value) const { return values.find(value)->second; }
  void set(mlir::Value value, Tensor tensor) { values[value] = std::move(tensor); }
  void drop(mlir::Value value) { values.erase(value); }
  WeightValues &weights() { return weightValues; }
  /// The weight a verified symbol attribute names.
  gemma::WeightOp weight(mlir::FlatSymbolRefAttr symbol) { return weightValues.find(symbol.getValue()); }
  KvCache &cache(mlir::FlatSymbolRefAttr symbol, gemma::KvType type);

  /// Runs the ops of `block` but its terminator. Values are dropped after their last use.
  llvm::Error execute(mlir::Block &block);
  bool stopped() const { return stop; }

private:
  llvm::Error executeOp(mlir::Operation *op);

  WeightValues &weightValues;
  const HandlerTable &table;
  llvm::StringMap<std::unique_ptr<KvCache>> &caches;
  const Interpreter::Observer &observer;
  llvm::DenseMap<mlir::Value, Tensor> values;
  bool stop = false;
};

/// An error about an op: "LAYERS.3.QK: WHAT".
llvm::Error opError(mlir::Operation *op, const llvm::Twine &what);

/// sum a[i] * b[i], in double, by eight partial sums.
double dot(const double *a, const double *b, int64_t n);
double dot(const float *a, const float *b, int64_t n);
/// gelu_tanh, gemma4.md (2).
double geluTanh(double x);
/// In place over n values; minus infinity gets 0.
void softmaxRow(float *x, int64_t n);
/// RMSNorm of n values, gemma4.md (1); `weight` may be null.
void rmsNormRow(const float *x, const float *weight, double offset, double eps, int64_t n, float *out);
/// Turns the pair (j, j + headDim/2) of one head by `angle`.
void rotatePair(const float *x, float *out, int64_t j, int64_t headDim, double angle);
/// pos / factor * theta^(-2 j / headDim), gemma4.md (8)-(10).
double ropeAngle(double pos, double factor, double theta, int64_t j, int64_t headDim);
/// The k largest of p[n], descending, ties to the lower index; weights renormalised to sum 1, then times
/// scale[index] where scale is given. gemma4.md (21).
void topK(const float *p, int64_t n, int64_t k, const float *scale, float *weights, int32_t *indices);

} // namespace gemmac
