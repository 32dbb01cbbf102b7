// All ops of the step dialect.
#ifndef GEMMAC_DIALECT_STEP_OPS
#define GEMMAC_DIALECT_STEP_OPS
include "dialect/step/StepDialect.td"
include "dialect/step/StepStructure.td"
include "dialect/step/StepTileOps.td"
#endif
