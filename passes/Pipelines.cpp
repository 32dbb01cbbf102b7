// The gemma pipeline and the registration of all passes. canonicalize and cse run before the fusions only:
// afterwards a phase is what its fusion holds, and nothing may wander between them.
#include "passes/Pipelines.h"

#include "passes/Passes.h"
#ifdef GEMMAC_STEP_PASSES
#include "passes/lower/StepPasses.h"
#endif

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace gemmac;

namespace gemmac {
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace gemmac

static void addFusions(mlir::OpPassManager &functions, const FuseSelection &fuse) {
  if (fuse.has(Fuse::Qkv))
    functions.addPass(createGemmaFuseQkv());
  if (fuse.has(Fuse::QknormRopeKv))
    functions.addPass(createGemmaFuseQknormRopeKv());
  if (fuse.has(Fuse::Attention))
    functions.addPass(createGemmaFuseAttention());
  if (fuse.has(Fuse::Mlp))
    functions.addPass(createGemmaFuseMlp());
  if (fuse.has(Fuse::Ple))
    functions.addPass(createGemmaFusePle());
  if (fuse.has(Fuse::Router))
    functions.addPass(createGemmaFuseRouter());
  if (fuse.has(Fuse::Softcap))
    functions.addPass(createGemmaFuseSoftcap());
  if (fuse.has(Fuse::Residual))
    functions.addPass(createGemmaFuseResidual());
  if (fuse.has(Fuse::Norm))
    functions.addPass(createGemmaFuseNorm());
}

void gemmac::buildGemmaPipeline(mlir::OpPassManager &manager, const FuseSelection &fuse, QuantFormat quant) {
  manager.addPass(createGemmaEntries());
  GemmaQuantizeOptions quantize;
  quantize.format = gemma::stringifyQuant(quant).str();
  manager.addPass(createGemmaQuantize(quantize));
  if (fuse.has(Fuse::KvShare))
    manager.addPass(createGemmaShareKv());
  mlir::OpPassManager &functions = manager.nest<mlir::func::FuncOp>();
  if (fuse.has(Fuse::DeadTokens))
    functions.addPass(createGemmaPruneDeadTokens());
  functions.addPass(mlir::createCanonicalizerPass());
  functions.addPass(mlir::createCSEPass());
  addFusions(functions, fuse);
}

namespace {
struct GemmaPipelineOptions : mlir::PassPipelineOptions<GemmaPipelineOptions> {
  Option<std::string> fuse{*this, "fuse", llvm::cl::desc("as --fuse of gemmac"), llvm::cl::init("all")};
  Option<std::string> quantize{*this, "quantize", llvm::cl::desc("none, q8 or q4"), llvm::cl::init("none")};
};
} // namespace

void gemmac::registerGemmaPipeline() {
  auto build = [](mlir::OpPassManager &manager, llvm::StringRef text,
                  llvm::function_ref<mlir::LogicalResult(const llvm::Twine &)> error) -> mlir::LogicalResult {
    GemmaPipelineOptions options;
    if (mlir::failed(options.parseFromString(text)))
      return mlir::failure();
    std::string what;
    std::optional<FuseSelection> fuse = FuseSelection::parse(options.fuse, what);
    if (!fuse)
      return error(what);
    std::optional<gemma::Quant> quant = gemma::symbolizeQuant(options.quantize);
    if (!quant)
      return error("unknown quantize '" + options.quantize + "', expected none, q8 or q4");
    buildGemmaPipeline(manager, *fuse, *quant);
    return mlir::success();
  };
  mlir::registerPassPipeline("gemma-pipeline", "from the imported model to fused entry points", build,
                             [](llvm::function_ref<void(const mlir::detail::PassOptions &)> handler) {
                               handler(GemmaPipelineOptions());
                             });
}

void gemmac::registerPasses() {
  registerGemmaPasses();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  registerGemmaPipeline();
#ifdef GEMMAC_STEP_PASSES
  registerStepPasses();
#endif
}
