// The order of the passes from the fused model to the planned step, and their registration.
#include "passes/lower/StepPasses.h"

#include "mlir/Pass/PassRegistry.h"

namespace gemmac {

namespace generated {
#define GEN_PASS_REGISTRATION
#include "passes/lower/StepPasses.h.inc"
} // namespace generated

void buildStepPipeline(mlir::OpPassManager &manager, const StepOptions &options) {
  GemmaToStepOptions lower;
  lower.context = options.context;
  lower.chunk = options.chunk;
  lower.batch = options.batch;
  lower.compute = options.compute == Compute::F32    ? "f32"
                  : options.compute == Compute::BF16 ? "bf16"
                                                     : "int8";
  lower.kv = step::stringifyKvType(options.kv).str();
  lower.tiles = options.tiles;
  lower.tasks = options.tasks;
  lower.headTasks = options.headTasks;
  manager.addPass(createGemmaToStep(lower));
  if (options.candidates > 0)
    manager.addPass(createStepTop(StepTopOptions{options.candidates}));
  manager.addPass(createStepCost());
  manager.addPass(createStepPrefetch());
  manager.addPass(createStepPlanMemory());
}

namespace {
/// The options of buildStepPipeline as `step-pipeline{..}`.
struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<int64_t> context{*this, "context", llvm::cl::desc("positions that the caches can hold"),
                          llvm::cl::init(4096)};
  Option<int64_t> chunk{*this, "chunk", llvm::cl::desc("rows of a prefill step"), llvm::cl::init(128)};
  Option<int64_t> batch{*this, "batch", llvm::cl::desc("sequences of a step"), llvm::cl::init(1)};
  Option<Compute> compute{
      *this, "compute", llvm::cl::desc("activations inside products"), llvm::cl::init(Compute::BF16),
      llvm::cl::values(clEnumValN(Compute::F32, "f32", "f32, the reference"),
                       clEnumValN(Compute::BF16, "bf16", "rounded to bf16"),
                       clEnumValN(Compute::I8, "int8", "int8 for 8-bit and 4-bit weights"))};
  Option<step::KvType> kv{*this, "kv", llvm::cl::desc("elements of the caches"),
                          llvm::cl::init(step::KvType::BF16),
                          llvm::cl::values(clEnumValN(step::KvType::F32, "f32", "f32"),
                                           clEnumValN(step::KvType::BF16, "bf16", "bf16"),
                                           clEnumValN(step::KvType::Q8, "q8", "int8, a scale per 32"))};
  Option<int64_t> candidates{*this, "candidates",
                             llvm::cl::desc("largest logits that decode_top selects, 0: no such entry"),
                             llvm::cl::init(kCandidates)};
  Option<bool> tiles{*this, "tiles", llvm::cl::desc("products of many rows read bf16 tiles"),
                     llvm::cl::init(false)};
  Option<int64_t> tasks{*this, "tasks", llvm::cl::desc("fewer column tasks of a product leave workers idle"),
                        llvm::cl::init(kManyTasks)};
  Option<int64_t> headTasks{*this, "head-tasks", llvm::cl::desc("heads that are tasks enough for a product"),
                            llvm::cl::init(2)};
};
} // namespace

void registerStepPasses() {
  generated::registerStepPasses();
  mlir::PassPipelineRegistration<PipelineOptions>(
      "step-pipeline", "lower entry functions to a planned step",
      [](mlir::OpPassManager &manager, const PipelineOptions &from) {
        StepOptions options;
        options.context = from.context;
        options.chunk = from.chunk;
        options.batch = from.batch;
        options.compute = from.compute;
        options.kv = from.kv;
        options.candidates = from.candidates;
        options.tiles = from.tiles;
        options.tasks = from.tasks;
        options.headTasks = from.headTasks;
        buildStepPipeline(manager, options);
      });
}

} // namespace gemmac
