// See LowerToPtx.h.
#include "codegen/cuda/LowerToPtx.h"

#include "codegen/Backend.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/AtomicOrdering.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace gemmac {

void registerCudaDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, gpu::GPUDialect,
                  LLVM::LLVMDialect, NVVM::NVVMDialect, scf::SCFDialect>();
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

namespace {

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const GpuTarget &target, unsigned level) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  return makeTargetMachine("nvptx64-nvidia-cuda", target.name, "+ptx" + std::to_string(target.ptx), level);
}

bool isKernel(const llvm::Function &f) { return f.getCallingConv() == llvm::CallingConv::PTX_Kernel; }

/// Only kernels are visible; the names of other functions begin with that of their module, so that those of
/// several are told apart, also in what ptxas says of them. Any function may come to a barrier, until the
/// optimiser has shown that one doesn't: calls must not be moved under conditions that they are not under.
void setLinkage(llvm::Module &module) {
  for (llvm::Function &f : module) {
    if (!f.isIntrinsic())
      f.addFnAttr(llvm::Attribute::Convergent);
    if (f.isDeclaration() || isKernel(f))
      continue;
    f.setLinkage(llvm::GlobalValue::InternalLinkage);
    f.setName(module.getModuleIdentifier() + kFunctionOf + f.getName());
  }
}

/// LLVM 22 writes an atomicrmw as "atom.add", which is relaxed and for all threads of the device, whatever
/// the IR says: what it orders goes into fences beside it. (cmpxchg, loads and stores come out as they are.)
void fenceAtomics(llvm::Module &module) {
  llvm::SmallVector<llvm::AtomicRMWInst *> ordered;
  for (llvm::Function &f : module)
    for (llvm::Instruction &instruction : llvm::instructions(f))
      if (auto *rmw = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction))
        if (llvm::isStrongerThanMonotonic(rmw->getOrdering()))
          ordered.push_back(rmw);
  for (llvm::AtomicRMWInst *rmw : ordered) {
    const llvm::AtomicOrdering order = rmw->getOrdering();
    llvm::IRBuilder<> b(rmw);
    if (order == llvm::AtomicOrdering::SequentiallyConsistent)
      b.CreateFence(order, rmw->getSyncScopeID());
    else if (llvm::isReleaseOrStronger(order))
      b.CreateFence(llvm::AtomicOrdering::Release, rmw->getSyncScopeID());
    b.SetInsertPoint(rmw->getNextNode());
    if (llvm::isAcquireOrStronger(order))
      b.CreateFence(llvm::AtomicOrdering::Acquire, rmw->getSyncScopeID());
    rmw->setOrdering(llvm::AtomicOrdering::Monotonic);
  }
}

/// Keeps the first error that LLVM reports; without this it would end the process.
void keepError(const llvm::DiagnosticInfo *info, void *to) {
  auto &problem = *static_cast<std::string *>(to);
  if (info->getSeverity() != llvm::DS_Error || !problem.empty())
    return;
  llvm::raw_string_ostream os(problem);
  llvm::DiagnosticPrinterRawOStream printer(os);
  info->print(printer);
}

/// `layout`: the target's; alignments that the IR does not name depend on it.
llvm::Expected<std::unique_ptr<llvm::Module>>
translate(gpu::GPUModuleOp module, const llvm::DataLayout &layout, llvm::LLVMContext &context) {
  module->setAttr(LLVM::LLVMDialect::getDataLayoutAttrName(),
                  StringAttr::get(module.getContext(), layout.getStringRepresentation()));
  PassManager lowering(module.getContext(), gpu::GPUModuleOp::getOperationName());
  (void)applyPassManagerCLOptions(lowering); // fails where a tool has registered no --mlir-* options
  addGpuToNvvm(lowering);
  if (failed(lowering.run(module)))
    return codegenError("gpu.module @" + module.getName() + " does not lower to the NVVM dialect");
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, module.getName());
  if (!code)
    return codegenError("gpu.module @" + module.getName() + " does not translate to LLVM IR");
  setLinkage(*code);
  fenceAtomics(*code);
  return code;
}

} // namespace

llvm::Expected<std::string> compileToPtx(llvm::ArrayRef<gpu::GPUModuleOp> modules, const GpuTarget &target,
                                         unsigned level) {
  auto machine = makeMachine(target, level);
  if (!machine)
    return machine.takeError();
  std::string problem;
  llvm::LLVMContext context;
  context.setDiagnosticHandlerCallBack(keepError, &problem);
  llvm::Module all("gemmac", context);
  setForMachine(all, **machine); // the linker compares layouts
  llvm::Linker linker(all);
  for (gpu::GPUModuleOp module : modules) {
    auto code = translate(module, (*machine)->createDataLayout(), context);
    if (!code)
      return code.takeError();
    setForMachine(**code, **machine);
    for (const llvm::Function &f : **code)
      if (isKernel(f) && all.getFunction(f.getName()))
        return codegenError("kernel @" + f.getName() + " of gpu.module @" + module.getName() +
                            " is in another one, too");
    if (linker.linkInModule(std::move(*code)))
      return codegenError("gpu.module @" + module.getName() + " does not go with those before it");
  }
  optimize(all, **machine, level);
  auto text = emitCode(all, **machine, llvm::CodeGenFileType::AssemblyFile);
  if (!text)
    return text.takeError();
  if (!problem.empty())
    return codegenError(problem);
  return (*text)->getBuffer().str();
}

} // namespace gemmac
