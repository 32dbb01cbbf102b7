// Shared wording of the gemma dialect's diagnostics; see Verify.h.
#include "dialect/gemma/Verify.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace gemmac::gemma {

std::string dimText(int64_t dim) { return ShapedType::isDynamic(dim) ? "?" : std::to_string(dim); }

std::string shapeText(ArrayRef<int64_t> shape) {
  return shape.empty() ? "scalar" : llvm::join(llvm::map_range(shape, dimText), "x");
}

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

int64_t columnsOf(Value value) { return shapeOf(value).empty() ? 1 : shapeOf(value).back(); }
int64_t rowsOf(Value value) { return shapeOf(value).empty() ? 1 : shapeOf(value).front(); }

WeightOp lookupWeight(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr ref, StringRef role) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, ref);
  if (auto weight = dyn_cast_or_null<WeightOp>(found))
    return weight;
  InFlightDiagnostic diagnostic = op->emitOpError() << role << " " << ref << " is ";
  if (!found) {
    diagnostic << "not defined, expected the name of a gemma.weight";
  } else {
    diagnostic << "a '" << found->getName() << "', expected a gemma.weight";
    diagnostic.attachNote(found->getLoc()) << "defined here";
  }
  return nullptr;
}

LogicalResult verifyWeightShape(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr ref,
                                StringRef role, ArrayRef<int64_t> shape) {
  WeightOp weight = lookupWeight(op, symbols, ref, role);
  if (!weight)
    return failure();
  if (weight.getShape() == shape)
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << role << " " << ref << " has shape " << shapeText(weight.getShape())
                                  << ", expected " << shapeText(shape);
  diagnostic.attachNote(weight.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult verifySameRows(Operation *op, StringRef what, int64_t rows, StringRef other,
                             int64_t otherRows) {
  if (rows == otherRows)
    return success();
  return op->emitOpError() << what << " has " << dimText(rows) << " rows, expected " << dimText(otherRows)
                           << " as " << other;
}

LogicalResult verifyColumns(Operation *op, StringRef what, int64_t columns, StringRef meaning,
                            int64_t expected) {
  if (columns == expected)
    return success();
  return op->emitOpError() << what << " has " << dimText(columns) << " columns, expected "
                           << dimText(expected) << " = " << meaning;
}

} // namespace gemmac::gemma
