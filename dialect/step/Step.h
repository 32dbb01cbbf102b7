// The step dialect's C++ face.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

// Generated code names parameters that it does not use.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "dialect/step/StepDialect.h.inc"
#include "dialect/step/StepEnums.h.inc"
#define GET_OP_CLASSES
#include "dialect/step/StepOps.h.inc"
#pragma GCC diagnostic pop

namespace gemmac::step {

/// Layouts whose elements are small integers with a scale: those that int8 activations can be multiplied
/// with.
inline bool hasCodes(Format format) {
  return format == Format::Q8P16 || format == Format::Q4P16 ||
         (format >= Format::Q5P16 && format <= Format::Q6KP16);
}
/// p16: panels, streamed by products.
inline bool isPanelFormat(Format format) {
  return hasCodes(format) || format == Format::F32P16 || format == Format::BF16P16 ||
         format == Format::F16P16;
}
/// rows_*: row-major tables to gather from.
inline bool isRowsFormat(Format format) { return format != Format::Vec && !isPanelFormat(format); }

} // namespace gemmac::step
