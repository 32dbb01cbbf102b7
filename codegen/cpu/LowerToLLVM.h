// A CPU module (StepToCpu.h) -> LLVM dialect -> LLVM IR -> object, assembly or text, in process. Invariant:
// the result depends on module, target and level only: the same input gives the same bytes.
#pragma once

#include "codegen/Target.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace mlir {
class OpPassManager;
}

namespace gemmac {

/// Dialects and interfaces that emitCpu and the functions below need in the context.
void registerCpuDialects(mlir::DialectRegistry &registry);

/// Makes all CPU architectures known to LLVM. The functions below do so themselves.
void initializeCpuBackends();

/// scf -> cf -> LLVM dialect.
void addCpuToLLVM(mlir::OpPassManager &passes);

/// Each lowers `module` (a CPU module, used up by it), optimises at level 0..3 and returns the result.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToObject(mlir::ModuleOp module,
                                                                    const Target &target, unsigned level);
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToAssembly(mlir::ModuleOp module,
                                                                      const Target &target, unsigned level);
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToLLVMText(mlir::ModuleOp module,
                                                                      const Target &target, unsigned level);

} // namespace gemmac
