// Registration of the step dialect; verifiers lie in Verify*.cpp.
#include "dialect/step/KernelTuning.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace gemmac::step;

// Generated code names parameters that it does not use.
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "dialect/step/StepDialect.cpp.inc"
#include "dialect/step/StepEnums.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/step/StepOps.cpp.inc"

void StepDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialect/step/StepOps.cpp.inc"
      >();
}

// step.machine and step.predicted_us are notes for readers; nothing is made of them.
LogicalResult StepDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  const StringRef name = attribute.getName();
  if (name == kKernelAttr)
    return verifyKernelAttr(op, attribute.getValue());
  const bool known = name == "step.machine" ? isa<ProgramOp>(op) && isa<DictionaryAttr>(attribute.getValue())
                                            : name == "step.predicted_us" && isa<PhaseOp>(op) &&
                                                  isa<FloatAttr>(attribute.getValue());
  if (known)
    return success();
  return op->emitOpError() << name << " = " << attribute.getValue()
                           << ": expected step.kernel on a product, step.predicted_us, a number, on a "
                              "step.phase, or step.machine, a dictionary, on a step.program";
}
