// See LowerToLLVM.h.
#include "codegen/cpu/LowerToLLVM.h"

#include "codegen/Backend.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace gemmac {

void registerCpuDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect, LLVM::LLVMDialect,
                  scf::SCFDialect>();
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

void addCpuToLLVM(OpPassManager &passes) {
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
}

void initializeCpuBackends() {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
}

namespace {

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const Target &target, unsigned level) {
  initializeCpuBackends();
  return makeTargetMachine(tripleOf(target.arch), target.cpu, target.extras, level);
}

/// Attributes that only CPUs have.
void setTuning(llvm::Module &module, const Target &target) {
  for (llvm::Function &f : module) {
    if (f.isDeclaration())
      continue;
    f.addFnAttr("tune-cpu", target.tune);
    if (target.avx512)
      f.addFnAttr("prefer-vector-width", "512");
  }
}

enum class Output { Object, Assembly, Text };

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compile(ModuleOp module, const Target &target,
                                                            unsigned level, Output output) {
  PassManager lowering(module.getContext());
  (void)applyPassManagerCLOptions(lowering); // fails where a tool has registered no --mlir-* options
  addCpuToLLVM(lowering);
  if (failed(lowering.run(module)))
    return codegenError("the module does not lower to the LLVM dialect");
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "gemmac");
  if (!code)
    return codegenError("the module does not translate to LLVM IR");
  if (target.amx) // without optimisation LLVM has no code for tiles that loops carry
    level = std::max(level, 1u);
  auto machine = makeMachine(target, level);
  if (!machine)
    return machine.takeError();
  code->setPICLevel(llvm::PICLevel::BigPIC);
  setForMachine(*code, **machine);
  setTuning(*code, target);
  optimize(*code, **machine, level);
  if (output != Output::Text)
    return emitCode(*code, **machine,
                    output == Output::Object ? llvm::CodeGenFileType::ObjectFile
                                             : llvm::CodeGenFileType::AssemblyFile);
  std::string text;
  llvm::raw_string_ostream(text) << *code;
  return llvm::MemoryBuffer::getMemBufferCopy(text, "gemmac");
}

} // namespace

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToObject(ModuleOp module, const Target &target,
                                                                    unsigned level) {
  return compile(module, target, level, Output::Object);
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToAssembly(ModuleOp module, const Target &target,
                                                                      unsigned level) {
  return compile(module, target, level, Output::Assembly);
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compileToLLVMText(ModuleOp module, const Target &target,
                                                                      unsigned level) {
  return compile(module, target, level, Output::Text);
}

} // namespace gemmac
