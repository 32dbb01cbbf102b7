// Models for the tests of passes, made by test/passes/Inputs/gen_model.py, and pass pipelines by their text.
#pragma once

#include "dialect/gemma/Gemma.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace gemmac {

/// A context with the dialects and passes that the tests use.
std::unique_ptr<mlir::MLIRContext> makeContext();

/// Paths of all generated models, sorted.
std::vector<std::string> modelFiles();

/// Parses and verifies; null (and a message on the error stream) if that fails.
mlir::OwningOpRef<mlir::ModuleOp> parse(mlir::MLIRContext &context, const std::string &file);

/// Runs `pipeline`, for example "gemma-entries,func.func(gemma-fuse-qkv)", on the module, with the verifier
/// on.
bool runPasses(mlir::ModuleOp module, llvm::StringRef pipeline);

} // namespace gemmac
