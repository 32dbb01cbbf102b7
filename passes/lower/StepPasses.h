// From the fused model to the planned step: options, passes and their order.
#pragma once

#include "dialect/step/Step.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace gemmac {

/// Activations inside products (architecture.md section 3, --compute). F32 is the reference: nothing is
/// rounded.
enum class Compute { F32, BF16, I8 };

/// Enough for the usual top-k of 64 beside penalties on the last 64 tokens and suppressed ones.
constexpr int64_t kCandidates = 256;

/// Fewer column tasks than this leave workers of a CPU idle; more of them are smaller, with fewer panels side
/// by side for the kernel to stream.
constexpr int64_t kManyTasks = 16;

struct StepOptions {
  int64_t context = 4096; ///< positions that the caches can hold
  int64_t chunk = 128;    ///< rows of a prefill step, at most the context
  int64_t batch = 1;      ///< sequences of a step
  Compute compute = Compute::BF16;
  step::KvType kv = step::KvType::BF16;
  int64_t candidates = kCandidates; ///< largest logits that decode_top selects; 0: no such entry
  bool tiles = false;               ///< the target has a matrix unit: products of many rows read bf16 tiles
  int64_t tasks = kManyTasks;       ///< fewer column tasks of a product leave workers idle
  int64_t headTasks = 2;            ///< so many heads are tasks enough for a product that ops on heads follow

  /// The chunk for a target and a model. For a matrix unit chunks are longer: more rows share the unpacking
  /// of the weights. Of a chunk's rows only a part chooses an expert, so experts want still longer ones.
  void chooseChunk(bool matrixUnit, bool experts) {
    tiles = matrixUnit;
    chunk = experts ? 512 : matrixUnit ? 256 : 128;
  }

  /// For GPUs: tensor cores read the same tiles, and there are some hundred workers.
  void chooseForGpu() {
    tasks = headTasks = 128;
    tiles = true;
    chunk = 256;
  }
};

#define GEN_PASS_DECL
#include "passes/lower/StepPasses.h.inc"

/// gemma-to-step, step-top, step-cost, step-prefetch, step-plan-memory: a module of entry functions becomes
/// one planned step.program.
void buildStepPipeline(mlir::OpPassManager &manager, const StepOptions &options);

/// Makes the passes and the pipeline `step-pipeline` known to gemma-opt. Call it once.
void registerStepPasses();

} // namespace gemmac
