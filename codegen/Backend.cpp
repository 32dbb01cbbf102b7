// See Backend.h.
#include "codegen/Backend.h"

#include "frontend/Diagnostic.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetOptions.h"

#include <algorithm>

using namespace llvm;

namespace gemmac {

Error codegenError(const Twine &what) { return machineError("code generation failed: " + what); }

Expected<std::unique_ptr<TargetMachine>> makeTargetMachine(StringRef name, StringRef cpu, StringRef features,
                                                           unsigned level) {
  std::string problem;
  Triple triple(name);
  const Target *found = TargetRegistry::lookupTarget(triple, problem);
  if (!found)
    return codegenError("this LLVM has no target " + triple.getArchName() + ": " + problem);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard;
  auto codegenLevel = CodeGenOpt::getLevel(static_cast<int>(level)).value_or(CodeGenOptLevel::Default);
  return std::unique_ptr<TargetMachine>(
      found->createTargetMachine(triple, cpu, features, options, Reloc::PIC_, std::nullopt, codegenLevel));
}

void setForMachine(Module &module, const TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  for (Function &f : module) {
    f.addFnAttr(Attribute::NoUnwind);
    if (f.isDeclaration())
      continue;
    f.addFnAttr("target-cpu", machine.getTargetCPU());
    if (!machine.getTargetFeatureString().empty())
      f.addFnAttr("target-features", machine.getTargetFeatureString());
    // Phases and kernels stay functions of their own: they are called from many places, and show up in a
    // profile.
    if (f.hasLocalLinkage())
      f.addFnAttr(Attribute::NoInline);
  }
}

void optimize(Module &module, TargetMachine &machine, unsigned level) {
  // Everything worth a vector already is one; unrolling is the emitters' choice.
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopInterleaving = false;
  tuning.LoopUnrolling = false;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  const OptimizationLevel levels[] = {OptimizationLevel::O0, OptimizationLevel::O1, OptimizationLevel::O2,
                                      OptimizationLevel::O3};
  OptimizationLevel chosen = levels[std::min(level, 3u)];
  ModulePassManager passes = chosen == OptimizationLevel::O0 ? builder.buildO0DefaultPipeline(chosen)
                                                             : builder.buildPerModuleDefaultPipeline(chosen);
  passes.run(module, modules);
}

Expected<std::unique_ptr<MemoryBuffer>> emitCode(Module &module, TargetMachine &machine,
                                                 CodeGenFileType type) {
  SmallVector<char, 0> bytes;
  raw_svector_ostream os(bytes);
  legacy::PassManager emission;
  if (machine.addPassesToEmitFile(emission, os, nullptr, type))
    return codegenError("this LLVM cannot write code for " + machine.getTargetTriple().getArchName());
  emission.run(module);
  return std::make_unique<SmallVectorMemoryBuffer>(std::move(bytes), "gemmac",
                                                   /*RequiresNullTerminator=*/false);
}

} // namespace gemmac
