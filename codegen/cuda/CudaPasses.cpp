// Pass lower-to-threads: the gpu.modules of a module -> functions for the CPU.
#include "codegen/cuda/CudaPasses.h"

#include "codegen/cuda/LowerToThreads.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace gemmac {

namespace {

struct LowerToThreadsPass : PassWrapper<LowerToThreadsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToThreadsPass)
  LowerToThreadsPass() = default;
  LowerToThreadsPass(const LowerToThreadsPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "lower-to-threads"; }
  StringRef getDescription() const final { return "replace gpu.modules by functions for the CPU's threads"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect>();
  }

  Option<int64_t> shared{*this, "shared-bytes", llvm::cl::desc("shared memory of a block"),
                         llvm::cl::init(0)};

  void runOnOperation() override {
    if (failed(lowerToThreads(getOperation(), shared)))
      signalPassFailure();
  }
};

} // namespace

void insertGpuDialects(DialectRegistry &registry) { registry.insert<gpu::GPUDialect, NVVM::NVVMDialect>(); }

void registerCudaPasses() { PassRegistration<LowerToThreadsPass>(); }

} // namespace gemmac
