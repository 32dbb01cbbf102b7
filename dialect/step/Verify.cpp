// Shared wording of the step dialect's diagnostics; see Verify.h.
#include "dialect/step/Verify.h"

#include "dialect/step/Layout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gemmac::step {

int64_t columnsOf(Value buffer) { return cast<MemRefType>(buffer.getType()).getDimSize(1); }
int64_t rowsOf(Value buffer) { return cast<MemRefType>(buffer.getType()).getDimSize(0); }

std::string bufferName(Value buffer) {
  BufferOp op = bufferOf(buffer);
  return op ? '"' + op.getName().str() + '"' : "?";
}

std::optional<int64_t> packedColumns(Act act, int64_t k, int64_t groups) {
  int64_t columns;
  if (k < 0 || k > (int64_t(1) << 56)) // leaves room for the padding
    return std::nullopt;
  if (llvm::MulOverflow(actColumns(act, k), groups, columns))
    return std::nullopt;
  return columns;
}

/// "not defined" or "a 'step.cache'", with a note at the definition.
static void explain(InFlightDiagnostic diagnostic, Operation *found, StringRef expected) {
  if (!found) {
    diagnostic << "not defined, expected the name of a " << expected;
    return;
  }
  diagnostic << "a '" << found->getName() << "', expected a " << expected;
  diagnostic.attachNote(found->getLoc()) << "defined here";
}

WeightOp lookupWeight(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr ref, StringRef role) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, ref);
  if (auto weight = dyn_cast_or_null<WeightOp>(found))
    return weight;
  explain(std::move(op->emitOpError() << role << " " << ref << " is "), found, "step.weight");
  return nullptr;
}

CacheOp lookupCache(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr ref) {
  Operation *found = symbols.lookupNearestSymbolFrom(op, ref);
  if (auto cache = dyn_cast_or_null<CacheOp>(found))
    return cache;
  explain(std::move(op->emitOpError() << "cache " << ref << " is "), found, "step.cache");
  return nullptr;
}

LogicalResult verifyVec(Operation *op, SymbolTableCollection &symbols, FlatSymbolRefAttr ref, StringRef role,
                        ArrayRef<int64_t> lengths) {
  WeightOp weight = lookupWeight(op, symbols, ref, role);
  if (!weight)
    return failure();
  if (weight.getFormat() == Format::Vec && llvm::is_contained(lengths, int64_t(weight.getN())))
    return success();
  InFlightDiagnostic diagnostic = op->emitOpError()
                                  << role << " " << ref << " is " << stringifyFormat(weight.getFormat())
                                  << " of " << int64_t(weight.getN()) << ", expected vec of ";
  llvm::interleave(lengths, [&](int64_t length) { diagnostic << length; }, [&] { diagnostic << " or "; });
  diagnostic.attachNote(weight.getLoc()) << "weight defined here";
  return failure();
}

LogicalResult verifyColumns(Operation *op, StringRef what, Value buffer, StringRef meaning,
                            int64_t expected) {
  if (columnsOf(buffer) == expected)
    return success();
  return op->emitOpError() << what << " has " << columnsOf(buffer) << " columns, expected " << expected
                           << " = " << meaning;
}

LogicalResult verifyOffset(Operation *op, StringRef what, IntegerAttr offset) {
  if (!offset || (offset.getInt() >= 0 && offset.getInt() % 64 == 0))
    return success();
  return op->emitOpError() << what << " is " << offset.getInt() << ", expected a non-negative multiple of 64";
}

} // namespace gemmac::step
