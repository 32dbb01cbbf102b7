// Registration of the gemma dialect; the ops' own code lies beside, one file per family.
#include "dialect/gemma/Gemma.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace gemmac::gemma;

// Generated code names parameters that it does not use.
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "dialect/gemma/GemmaDialect.cpp.inc"
#include "dialect/gemma/GemmaEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/gemma/GemmaTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/gemma/GemmaOps.cpp.inc"

void GemmaDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/gemma/GemmaTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/gemma/GemmaOps.cpp.inc"
      >();
}
