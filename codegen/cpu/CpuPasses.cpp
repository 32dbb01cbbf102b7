// Pass step-to-cpu: a module with a planned step.program -> the module of its CPU code.
#include "codegen/cpu/CpuPasses.h"

#include "codegen/cpu/LowerToLLVM.h"
#include "codegen/cpu/StepToCpu.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace gemmac {

namespace {

struct StepToCpuPass : PassWrapper<StepToCpuPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(StepToCpuPass)
  StepToCpuPass() = default;
  StepToCpuPass(const StepToCpuPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "step-to-cpu"; }
  StringRef getDescription() const final { return "replace a planned step.program by functions for one CPU"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, scf::SCFDialect>();
  }

  Option<std::string> march{*this, "march", llvm::cl::desc("name of the target (see gemmac --list-targets)"),
                            llvm::cl::init("native")};

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto target = lookupTarget(march);
    if (!target) {
      module.emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    auto programs = llvm::to_vector(module.getOps<step::ProgramOp>());
    if (programs.size() != 1) {
      module.emitError("expected one step.program, found ") << programs.size();
      return signalPassFailure();
    }
    OwningOpRef<ModuleOp> code = ModuleOp::create(module.getLoc());
    if (failed(emitCpu(programs.front(), *code, *target)))
      return signalPassFailure();
    module.getBody()->clear();
    module.getBody()->getOperations().splice(module.getBody()->end(), code->getBody()->getOperations());
  }
};

} // namespace

void registerCpuPasses() {
  PassRegistration<StepToCpuPass>();
  PassPipelineRegistration<>("cpu-to-llvm", "what step-to-cpu made -> LLVM dialect", addCpuToLLVM);
}

} // namespace gemmac
