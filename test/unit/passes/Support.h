// Models for the tests of passes, made by test/passes/Inputs/gen_model.py, and pass pipelines by their text.
#pragma once

#include "dialect/gemma/Gemma.h"
#include "frontend/TensorSource.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gemmac {

/// A context with the dialects and passes that the tests use.
std::unique_ptr<mlir::MLIRContext> makeContext();

/// Paths of all generated models, sorted.
std::vector<std::string> modelFiles();

/// For gtest: the name of a model file, as an identifier.
std::string modelName(const testing::TestParamInfo<std::string> &info);

/// Parses and verifies; null (and a message on the error stream) if that fails.
mlir::OwningOpRef<mlir::ModuleOp> parse(mlir::MLIRContext &context, const std::string &file);

/// Runs `pipeline`, for example "gemma-entries,func.func(gemma-fuse-qkv)", on the module, with the verifier
/// on.
bool runPasses(mlir::ModuleOp module, llvm::StringRef pipeline);

/// Runs the entries of a module: a prompt in pieces, decoding, then the logits of several rows. The logits of
/// all calls, one behind the other; empty, with a failure reported, if a call failed. `source` as in
/// Interpreter.
std::vector<float> playScenario(mlir::ModuleOp module, int32_t sequences, const TensorSource *source);

} // namespace gemmac
