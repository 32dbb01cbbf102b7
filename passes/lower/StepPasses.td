// Passes that make the step of a model and plan it: gemma -> step, then step -> step.
#ifndef GEMMAC_STEP_PASSES
#define GEMMAC_STEP_PASSES

include "mlir/Pass/PassBase.td"

def GemmaToStep : Pass<"gemma-to-step", "::mlir::ModuleOp"> {
  let summary = "lower the entry functions of a model to one step.program";
  let description = [{
    Every function with the attribute `gemma.entry` becomes a `step.entry` and goes, with the gemma.cache symbols; the
    gemma.weight symbols stay as sources of the packed weights. A gemma.fusion, or an op outside of one, becomes:

    - row-wise ops alone: one by_row phase;
    - a product (linears of one x, expert_linear): one phase of column tasks. Ops before it that do not need it are its
      prologue, where the entry has one row, else a by_row phase of their own which packs the activations; ops after it are
      its epilogue where they stay within a task's columns, else phases of their own;
    - qk, softmax and pv in one fusion: one phase of heads; else one phase each.

    What a fusion holds never decides what is computed, only in how many phases.

    ```mlir
    // before
    func.func @decode(..) attributes {gemma.entry = "decode"} {
      %y = gemma.linear %x, @layers.0.o : tensor<1x2048xf32> -> tensor<1x1536xf32>
    // after
    step.phase "layers.0.o" rows(all) cols(48) prologue {
      step.pack %act, %x as bf16
    } do {
      %t = step.tile %y {offset = 0, stride = 32, width = 32}
      step.matmul %t, %act, @layers.0.o as bf16
    }
    ```
  }];
  let options = [
    Option<"context", "context", "int64_t", "4096", "positions that the caches can hold">,
    Option<"chunk", "chunk", "int64_t", "128", "rows of a prefill step, at most the context">,
    Option<"batch", "batch", "int64_t", "1", "sequences of a step">,
    Option<"compute", "compute", "std::string", "\"bf16\"", "activations inside products: f32, bf16 or int8">,
    Option<"kv", "kv", "std::string", "\"bf16\"", "elements of the caches: f32, bf16 or q8">,
    Option<"tiles", "tiles", "bool", "false", "products of many rows read bf16 tiles (for a matrix unit)">,
    Option<"tasks", "tasks", "int64_t", "kManyTasks", "fewer column tasks of a product leave workers idle">,
    Option<"headTasks", "head-tasks", "int64_t", "2", "heads that are tasks enough for a product">];
  let statistics = [
    Statistic<"numPhases", "phases", "phases made">,
    Statistic<"numWeights", "weights", "packed weights made">];
  let dependentDialects = ["::gemmac::step::StepDialect"];
}

def StepTop : Pass<"step-top", "::mlir::ModuleOp"> {
  let summary = "a decode entry that yields the largest logits only";
  let description = [{
    Beside an entry `decode` of one row stands `decode_top`, the same phases with a step.select_top behind the logits: in the
    phase that makes them, where its tasks write them tile by tile, so that no logits are written to shared memory; else in
    a phase of its own. Of modules that say how many logits count (attribute gemma.vocab), and more than `candidates`.

    ```mlir
    step.entry @decode logits(last) ..      ->   step.entry @decode logits(last) ..
      step.phase "lm_head" .. do {               step.entry @decode_top logits(top) ..
        %t = step.tile %logits ..                  step.phase "lm_head" .. do {
        step.matmul %t, ..                           step.matmul %tile, ..
      }                                              step.select_top %top, %top.ids, %tile {columns = 262144}
      step.yield %logits                           }
                                                   step.yield %top, %top.ids
    ```
  }];
  let options = [Option<"candidates", "candidates", "int64_t", "256", "logits that are selected">];
  let statistics = [Statistic<"numEntries", "entries", "entries made">];
  let dependentDialects = ["::gemmac::step::StepDialect"];
}

def StepCost : Pass<"step-cost", "::mlir::ModuleOp"> {
  let summary = "bytes and flops of every phase";
  let description = [{
    Sets `bytes` and `flops` (the first live row) and `row_bytes` and `row_flops` (each further one) of every step.phase from
    shapes: weights once for all rows (experts once a row and slot), shared buffers once a row however many tasks read
    them, caches as if they were full (a window: the window), private buffers not at all.

    ```mlir
    step.phase "logits" rows(all) cols(4096) {..}   ->   step.phase "logits" .. {bytes = 427819008, flops = 805306368, ..}
    ```
  }];
  let dependentDialects = ["::gemmac::step::StepDialect"];
}

def StepPrefetch : Pass<"step-prefetch", "::mlir::ModuleOp"> {
  let summary = "bring the next phase's weights nearer while waiting at a barrier";
  let description = [{
    Before the barrier of a phase that streams a weight for one row (of each sequence) stands a step.prefetch of the start of its tasks.
    Phases of many rows compute long enough on each byte to need none.

    ```mlir
    step.barrier                          step.prefetch @layers.0.o {bytes = 16384}
    step.phase "layers.0.o" ..      ->    step.barrier
                                          step.phase "layers.0.o" ..
    ```
  }];
  let options = [Option<"bytes", "bytes", "int64_t", "16384", "bytes of each task, at most">];
  let statistics = [Statistic<"numPrefetches", "prefetches", "prefetches inserted">];
  let dependentDialects = ["::gemmac::step::StepDialect"];
}

def StepPlanMemory : Pass<"step-plan-memory", "::mlir::ModuleOp"> {
  let summary = "fix the offset of every buffer, cache and packed weight";
  let description = [{
    The arena starts with the caches, at the same offsets for all entries; behind them each entry lays out its shared buffers
    so that those that are live in the same phase do not overlap (largest first, lowest offset that fits). Private
    buffers are laid out per phase. Packed weights come in the order in which the first entry that streams them does;
    tables to gather from come last. Every offset is a multiple of 64.

    ```mlir
    %x = step.buffer "x" : memref<1x1536xf32>   ->   %x = step.buffer "x" {offset = 25165824} : memref<1x1536xf32>
    ```
  }];
  let statistics = [
    Statistic<"numBuffers", "buffers", "buffers planned">,
    Statistic<"savedBytes", "saved-bytes", "bytes saved by buffers that share their place">];
  let dependentDialects = ["::gemmac::step::StepDialect"];
}

#endif
