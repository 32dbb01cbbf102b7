// All passes of gemmac. Their create functions, options and registration are generated from Passes.td.
#pragma once

#include "dialect/gemma/Gemma.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <string>

namespace gemmac {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

/// Makes every pass and the pipeline `gemma-pipeline` known to gemma-opt and --mlir options. Call it once.
void registerPasses();

} // namespace gemmac
