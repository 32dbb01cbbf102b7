// gemma-opt: reads textual IR of any level of the compiler, verifies it, runs passes on it, prints it. For
// developers and tests: it takes trusted input only (MLIR's text parser is not meant for anything else).
#ifdef GEMMAC_HAS_CPU
#include "codegen/cpu/CpuPasses.h"
#endif
#ifdef GEMMAC_HAS_CUDA
#include "codegen/cuda/CudaPasses.h"
#endif
#include "dialect/gemma/Gemma.h"
#include "dialect/step/Step.h"
#ifdef GEMMAC_HAS_PASSES
#include "passes/Passes.h"
#endif

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::registerTransformsPasses();
#ifdef GEMMAC_HAS_PASSES
  gemmac::registerPasses();
#endif
#ifdef GEMMAC_HAS_CPU
  gemmac::registerCpuPasses();
#endif
  mlir::DialectRegistry registry;
  registry.insert<gemmac::gemma::GemmaDialect, gemmac::step::StepDialect, mlir::arith::ArithDialect,
                  mlir::cf::ControlFlowDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect,
                  mlir::math::MathDialect, mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect>();
#ifdef GEMMAC_HAS_CUDA
  gemmac::registerCudaPasses();
  gemmac::insertGpuDialects(registry);
#endif
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "gemma-opt: passes and verifiers of gemmac\n", registry));
}
