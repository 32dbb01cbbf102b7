// See LowerToLLVM.h.
#include "codegen/cpu/LowerToLLVM.h"

#include "frontend/Diagnostic.h"

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
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

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

namespace {

llvm::Error internalError(const llvm::Twine &what) { return machineError("code generation failed: " + what); }

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const Target &target, unsigned level) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  std::string problem;
  llvm::Triple triple(tripleOf(target.arch));
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, problem);
  if (!found)
    return internalError(llvm::Twine("this LLVM has no target ") + archName(target.arch) + ": " + problem);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard; // a multiply and an add stay two roundings
  auto codegenLevel =
      llvm::CodeGenOpt::getLevel(static_cast<int>(level)).value_or(llvm::CodeGenOptLevel::Default);
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target.cpu, target.extras, options, llvm::Reloc::PIC_, std::nullopt, codegenLevel));
}

/// Attributes that MLIR has no words for.
void setAttributes(llvm::Module &module, const Target &target) {
  for (llvm::Function &f : module) {
    f.addFnAttr(llvm::Attribute::NoUnwind);
    if (f.isDeclaration())
      continue;
    f.addFnAttr("target-cpu", target.cpu);
    f.addFnAttr("tune-cpu", target.tune);
    if (!target.extras.empty())
      f.addFnAttr("target-features", target.extras);
    if (target.avx512)
      f.addFnAttr("prefer-vector-width", "512");
    // Phases and kernels stay functions of their own: they are called from many places, and show up in a
    // profile.
    if (f.hasLocalLinkage())
      f.addFnAttr(llvm::Attribute::NoInline);
  }
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned level) {
  // Everything worth a vector already is one; unrolling is the emitters' choice.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
                                            llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::OptimizationLevel chosen = levels[std::min(level, 3u)];
  llvm::ModulePassManager passes = chosen == llvm::OptimizationLevel::O0
                                       ? builder.buildO0DefaultPipeline(chosen)
                                       : builder.buildPerModuleDefaultPipeline(chosen);
  passes.run(module, modules);
}

enum class Output { Object, Assembly, Text };

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compile(ModuleOp module, const Target &target,
                                                            unsigned level, Output output) {
  PassManager lowering(module.getContext());
  (void)applyPassManagerCLOptions(lowering); // fails where a tool has registered no --mlir-* options
  addCpuToLLVM(lowering);
  if (failed(lowering.run(module)))
    return internalError("the module does not lower to the LLVM dialect");
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "gemmac");
  if (!code)
    return internalError("the module does not translate to LLVM IR");
  if (target.amx) // without optimisation LLVM has no code for tiles that loops carry
    level = std::max(level, 1u);
  auto machine = makeMachine(target, level);
  if (!machine)
    return machine.takeError();
  code->setTargetTriple(llvm::Triple(tripleOf(target.arch)));
  code->setDataLayout((*machine)->createDataLayout());
  code->setPICLevel(llvm::PICLevel::BigPIC);
  setAttributes(*code, target);
  optimize(*code, **machine, level);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  if (output == Output::Text) {
    os << *code;
  } else {
    llvm::legacy::PassManager emission;
    auto type =
        output == Output::Object ? llvm::CodeGenFileType::ObjectFile : llvm::CodeGenFileType::AssemblyFile;
    if ((*machine)->addPassesToEmitFile(emission, os, nullptr, type))
      return internalError(llvm::Twine("this LLVM cannot write objects for ") + archName(target.arch));
    emission.run(*code);
  }
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), "gemmac",
                                                         /*RequiresNullTerminator=*/false);
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
