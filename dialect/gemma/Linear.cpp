// Verifiers of gemma.embed and gemma.linear.
#include "dialect/gemma/Verify.h"

using namespace mlir;
using namespace gemmac::gemma;

LogicalResult EmbedOp::verify() {
  return verifySameRows(*this, "result", rowsOf(getResult()), "tokens", rowsOf(getTokens()));
}

LogicalResult EmbedOp::verifySymbolUses(SymbolTableCollection &symbols) {
  WeightOp table = lookupWeight(*this, symbols, getTableAttr(), "table");
  if (!table)
    return failure();
  int64_t columns = columnsOf(getResult());
  if (table.getShape().size() == 2 && table.getShape()[1] == columns)
    return success();
  InFlightDiagnostic diagnostic = emitOpError() << "table " << getTableAttr() << " has shape "
                                                << shapeText(table.getShape()) << ", expected Vx"
                                                << dimText(columns) << " for the columns of the result";
  diagnostic.attachNote(table.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult LinearOp::verify() {
  return verifySameRows(*this, "result", rowsOf(getResult()), "x", rowsOf(getX()));
}

LogicalResult LinearOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyWeightShape(*this, symbols, getWeightAttr(), "weight",
                           {columnsOf(getResult()), columnsOf(getX())});
}
