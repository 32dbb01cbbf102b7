// gpu.modules (StepToCuda.h) -> NVVM dialect -> LLVM IR -> PTX, in process. Invariants: the text depends on
// modules, target and level only; arithmetic is IEEE's, rounded as the IR says (no contraction, division and
// square root exact to the last bit, subnormals kept), so that the same IR gives the same bits on a CPU.
#pragma once

#include "codegen/cuda/GpuTarget.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/DialectRegistry.h"

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace mlir {
class OpPassManager;
}

namespace gemmac {

/// Dialects and translations that gpu.modules and the functions below need in the context.
void registerCudaDialects(mlir::DialectRegistry &registry);

/// On a gpu.module: scf -> cf, then gpu, func, cf and arith -> NVVM and LLVM dialect.
void addGpuToNvvm(mlir::OpPassManager &passes);

/// Between the name of a gpu.module, which is that of its kernel, and of a function in it, in PTX.
constexpr char kFunctionOf = '$';

/// Lowers `modules`, which are used up by it, optimises at level 0..3 and returns one text with all their
/// kernels, each an .entry; @gm_shared and other declarations are common to them. Fails, with exit code 3 and
/// a diagnostic, on operations that have no code, and where two kernels have one name.
llvm::Expected<std::string> compileToPtx(llvm::ArrayRef<mlir::gpu::GPUModuleOp> modules,
                                         const GpuTarget &target, unsigned level);

} // namespace gemmac
