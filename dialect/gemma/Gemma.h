// The gemma dialect's C++ face.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace gemmac::gemma {
/// See Gemma_RowWise in GemmaDialect.td.
template <typename ConcreteType> class RowWise : public mlir::OpTrait::TraitBase<ConcreteType, RowWise> {};
} // namespace gemmac::gemma

// Generated code names parameters that it does not use.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "dialect/gemma/GemmaDialect.h.inc"
#include "dialect/gemma/GemmaEnums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/gemma/GemmaTypes.h.inc"
#define GET_OP_CLASSES
#include "dialect/gemma/GemmaOps.h.inc"
#pragma GCC diagnostic pop
