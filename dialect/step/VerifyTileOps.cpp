// Verifiers of the tile ops that work row by row: elementwise ops, norms, gathers, mixture-of-experts glue.
#include "dialect/Numbers.h"
#include "dialect/step/Verify.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace gemmac::step;

/// All of an elementwise op's buffers have dst's columns.
static LogicalResult verifySameColumns(Operation *op) {
  for (Value source : op->getOperands().drop_front())
    if (columnsOf(source) != columnsOf(op->getOperand(0)))
      return op->emitOpError() << "dst has " << columnsOf(op->getOperand(0)) << " columns and a source "
                               << columnsOf(source) << ", expected the same";
  return success();
}

LogicalResult AddOp::verify() { return verifySameColumns(*this); }
LogicalResult MulOp::verify() { return verifySameColumns(*this); }
LogicalResult GeluOp::verify() { return verifySameColumns(*this); }
LogicalResult CopyOp::verify() { return verifySameColumns(*this); }
LogicalResult ScaleOp::verify() { return verifySameColumns(*this); }
LogicalResult SoftmaxOp::verify() { return verifySameColumns(*this); }

LogicalResult ScaleByOp::verify() { return verifySameColumns(*this); }
LogicalResult ScaleByOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyVec(*this, symbols, getWeightAttr(), "weight", {1, columnsOf(getSrc())});
}

LogicalResult SoftcapOp::verify() {
  double cap = getCap().convertToDouble();
  if (!gemmac::isPositiveF32(cap))
    return emitOpError() << "cap is " << cap << ", expected a positive, normal f32";
  return verifySameColumns(*this);
}

LogicalResult NormOp::verify() {
  if (failed(verifySameColumns(*this)))
    return failure();
  int64_t group = getGroup();
  if (group <= 0 || columnsOf(getSrc()) % group != 0)
    return emitOpError() << "group is " << group << ", expected a positive divisor of the "
                         << columnsOf(getSrc()) << " columns of src";
  double eps = getEps().convertToDouble();
  if (eps != 0 && !gemmac::isPositiveF32(eps))
    return emitOpError() << "eps is " << eps << ", expected 0 or a positive, normal f32";
  return success();
}
LogicalResult NormOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return getWeightAttr() ? verifyVec(*this, symbols, getWeightAttr(), "weight", int64_t(getGroup()))
                         : success();
}

LogicalResult PublishOp::verify() {
  if (failed(verifySameColumns(*this)))
    return failure();
  if (!placeOf(*this).prologue)
    return emitOpError() << "stands in a phase's body, expected in its prologue";
  if (isPrivate(getSrc()) && !isPrivate(getDst()))
    return success();
  return emitOpError() << "copies " << (isPrivate(getSrc()) ? "private" : "shared") << " to "
                       << (isPrivate(getDst()) ? "private" : "shared") << ", expected private to shared";
}

LogicalResult TakeRowOp::verify() {
  if (failed(verifySameColumns(*this)))
    return failure();
  Rows rows = placeOf(*this).phase.getRows();
  if (rows == Rows::Last)
    return success();
  return emitOpError() << "stands in a phase of rows(" << stringifyRows(rows) << "), expected rows(last)";
}

LogicalResult EmbedOp::verify() { return success(); }
LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp table = lookupWeight(*this, symbols, getTableAttr(), "table");
  if (!table)
    return failure();
  Format format = table.getFormat();
  int64_t k = table.getK(), experts = table.getExperts();
  if ((isPanelFormat(format) || isRowsFormat(format)) && experts == 0 && k == columnsOf(getDst()))
    return success();
  InFlightDiagnostic diagnostic =
      emitOpError() << "table " << getTableAttr() << " is " << stringifyFormat(format) << " with k = " << k
                    << " and " << experts
                    << " experts, expected p16 or rows_* with k = " << columnsOf(getDst()) << " and none";
  diagnostic.attachNote(table.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult TopKOp::verify() {
  int64_t k = getK();
  if (k <= 0 || k > columnsOf(getSrc()))
    return emitOpError() << "k is " << k << ", expected 1 to " << columnsOf(getSrc())
                         << " = the columns of src";
  return success(succeeded(verifyColumns(*this, "weights", getWeights(), "k", k)) &&
                 succeeded(verifyColumns(*this, "indices", getIndices(), "k", k)));
}
LogicalResult TopKOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return getScaleAttr() ? verifyVec(*this, symbols, getScaleAttr(), "scale", columnsOf(getSrc())) : success();
}

LogicalResult SelectTopOp::verify() {
  const Place place = placeOf(*this);
  PhaseOp phase = place.phase;
  if (place.prologue || (*this)->getParentOp() != phase)
    return emitOpError() << "stands in a " << (place.prologue ? "prologue" : "case")
                         << ", expected in the body of a phase";
  auto entry = cast<EntryOp>(phase->getParentOp());
  const int64_t live = phase.getRows() == Rows::All ? entry.getRows() : entry.getBatch();
  if (phase.getByRow() || live != 1)
    return emitOpError() << "stands in a " << (phase.getByRow() ? "by_row " : "") << "phase of " << live
                         << " live rows, expected one of 1 that is not by_row";
  for (auto [name, value] : {std::pair<StringRef, Value>("values", getValues()), {"ids", getIds()}})
    if (!value.getDefiningOp<BufferOp>() || isPrivate(value))
      return emitOpError() << name << " is no whole shared buffer, expected one";
  const int64_t columns = getColumns(), k = columnsOf(getValues()), width = columnsOf(getSrc());
  const int64_t tasks = phase.getCols();
  if (failed(verifyColumns(*this, "ids", getIds(), "columns of values", k)))
    return failure();
  if (k > columns)
    return emitOpError() << "selects " << k << " of " << columns << " columns, expected at most all";
  int64_t held;
  if (llvm::MulOverflow(tasks, width, held) || held > INT32_MAX ||
      width < columns / tasks + (columns % tasks != 0) ||
      (tasks > 1 && width >= columns / (tasks - 1) + (columns % (tasks - 1) != 0)))
    return emitOpError() << "columns is " << columns << " and each of " << tasks << " tasks has " << width
                         << ", expected all tasks to hold them and the last one to be needed";
  return success();
}

LogicalResult CombineOp::verify() {
  int64_t slots = columnsOf(getWeights()), columns = columnsOf(getDst()), expected;
  if (llvm::MulOverflow(slots, columns, expected))
    return emitOpError() << "weights has " << slots << " columns and dst " << columns
                         << ", expected a product of fewer than 2^63";
  return verifyColumns(*this, "src", getSrc(), "columns of weights * columns of dst", expected);
}

/// head_dim is even and positive, and angles at most half of it.
static LogicalResult verifyAngles(Operation *op, int64_t headDim, int64_t angles) {
  if (headDim <= 0 || headDim % 2 != 0)
    return op->emitOpError() << "head_dim is " << headDim << ", expected an even, positive number";
  if (angles <= 0 || angles > headDim / 2)
    return op->emitOpError() << "angles is " << angles << ", expected 1 to " << headDim / 2
                             << " = head_dim / 2";
  return success();
}

LogicalResult RopeTableOp::verify() {
  int64_t angles = getAngles();
  if (failed(verifyAngles(*this, getHeadDim(), angles)) ||
      failed(verifyColumns(*this, "dst", getDst(), "2 * angles", 2 * angles)))
    return failure();
  double theta = getTheta().convertToDouble(), factor = getFactor().convertToDouble();
  if (gemmac::isPositiveF32(theta) && gemmac::isPositiveF32(factor))
    return success();
  return emitOpError() << "theta is " << theta << " and factor " << factor
                       << ", expected positive, normal f32";
}

LogicalResult RopeOp::verify() {
  int64_t headDim = getHeadDim(), angles = getAngles();
  if (failed(verifyAngles(*this, headDim, angles)) ||
      failed(verifyColumns(*this, "dst", getDst(), "columns of src", columnsOf(getSrc()))))
    return failure();
  if (columnsOf(getSrc()) % headDim != 0)
    return emitOpError() << "head_dim is " << headDim << ", expected a divisor of the " << columnsOf(getSrc())
                         << " columns of src";
  return verifyColumns(*this, "table", getTable(), "2 * angles", 2 * angles);
}
