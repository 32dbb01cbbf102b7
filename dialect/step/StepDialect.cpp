// Registration of the step dialect; verifiers lie in Verify*.cpp.
#include "dialect/step/Step.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

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
