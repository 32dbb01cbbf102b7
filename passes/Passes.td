// Passes of the gemma dialect, gemma to gemma. Each keeps the interpreter's results equal; in f32 bit for bit.
// (Those that make and plan the step are in lower/StepPasses.td.)
#ifndef GEMMAC_PASSES
#define GEMMAC_PASSES

include "mlir/Pass/PassBase.td"

class GemmaPass<string name, string op> : Pass<name, op> {
  let dependentDialects = ["::gemmac::gemma::GemmaDialect"];
}

def GemmaEntries : GemmaPass<"gemma-entries", "::mlir::ModuleOp"> {
  let summary = "replace @forward by the entry points of a step";
  let description = [{
    @forward yields the logits of all rows. It becomes
    - @decode: one row per sequence (`?` rows -> batch);
    - @prefill_all: as it was;
    - @prefill_last, @prefill_none: followed by take_rows. Nobody reads the result of @prefill_none; the pass
      gemma-prune-dead-tokens drops it.
    Each carries its name as attribute `gemma.entry`.

    ```mlir
    // before
    func.func @forward(%tokens: tensor<?xi32>, ..) -> tensor<?xVxf32> { .. return %logits }
    // after
    func.func @prefill_last(..) -> tensor<1xVxf32> attributes {gemma.entry = "prefill_last"} {
      .. %last = gemma.take_rows %logits, %seq {batch = 1}  return %last }
    ```
  }];
  let options = [Option<"batch", "batch", "int64_t", "1", "sequences of a step">];
  let statistics = [Statistic<"numEntries", "entries", "entry points made">];
}

def GemmaQuantize : GemmaPass<"gemma-quantize", "::mlir::ModuleOp"> {
  let summary = "choose how each weight is quantised";
  let description = [{
    Sets `quant` of every gemma.weight. Vectors and scalars (norms, layer scalars, router scales), routers (a linear whose
    softmax top_k chooses by) and the PLE model projection (a linear of embedded tokens that is added to embedded tokens)
    keep their values: they are small and everything depends on them. Weights stored in blocks stay as they are. Tables (the operand of gemma.embed, also
    where it is the tied lm_head) get q8; every other matrix gets the format asked for.

    ```mlir
    // before                                                 // after, format=q4
    gemma.weight @layers.0.q {..} : tensor<64x64xbf16>        gemma.weight @layers.0.q quant(q4) {..} : tensor<64x64xbf16>
    gemma.weight @embed {..} : tensor<512x64xbf16>            gemma.weight @embed quant(q8) {..} : tensor<512x64xbf16>
    ```
  }];
  let options = [
    Option<"format", "format", "std::string", "\"none\"", "none, q8 or q4">,
    ListOption<"exact", "exact", "std::string",
               "symbol names of matrices that keep their values, beside routers and the PLE model projection">];
  let statistics = [
    Statistic<"numQ8", "weights-q8", "weights set to q8">,
    Statistic<"numQ4", "weights-q4", "weights set to q4">,
    Statistic<"numExact", "weights-exact", "weights that keep their values">];
}

def GemmaShareKv : GemmaPass<"gemma-share-kv", "::mlir::ModuleOp"> {
  let summary = "one cache for layers that store the same keys and values";
  let description = [{
    A cache_update with the k, v, pos and seq of an earlier one stores the same content. Where the earlier cache keeps at least
    the same window, its value takes over and the later cache goes. A cache is shared only if that holds in every function
    that uses it: the content of a cache outlives a call.

    ```mlir
    %a = gemma.cache_update @kv.13, %k, %v, %pos, %seq     ->   %a = gemma.cache_update @kv.13, %k, %v, %pos, %seq
    %b = gemma.cache_update @kv.15, %k, %v, %pos, %seq          // users of %b take %a; @kv.15 is erased
    ```
  }];
  let statistics = [Statistic<"numShared", "caches-shared", "caches replaced by an earlier one">];
}

def GemmaPruneDeadTokens : GemmaPass<"gemma-prune-dead-tokens", "::mlir::func::FuncOp"> {
  let summary = "compute each row only where somebody needs it";
  let description = [{
    take_rows moves up through row-wise ops all of whose results are only asked for the same rows, until it meets a value that
    is needed for all rows (keys and values on their way to a cache, and what they are made of). An RMSNorm that is needed both
    for all rows and for a few is done again for the few. What nobody needs goes; cache_update stays, since what it stores
    outlives the step. The entry prefill_none loses its result.

    ```mlir
    // before                                              // after
    %y = gemma.linear %x, @w                               %x1 = gemma.take_rows %x, %seq {batch = 1}
    %l = gemma.take_rows %y, %seq {batch = 1}              %l = gemma.linear %x1, @w
    ```
  }];
  let statistics = [
    Statistic<"numNarrowed", "ops-narrowed", "ops that compute fewer rows">,
    Statistic<"numErased", "ops-erased", "ops that nobody needed">];
}

def GemmaPrintLiveRows : GemmaPass<"gemma-print-live-rows", "::mlir::ModuleOp"> {
  let summary = "print which layers each entry computes for all rows";
  let description = [{
    For each function, on the error stream: layers that are computed for all rows - wholly (full), only what a KV cache
    stores (kv), some other part (part) or not at all (none) -, layers of which something is computed for the rows taken by
    take_rows (full: all that is not only stored), and the share of the layers' multiplications that all rows go through. A
    layer is what the module's functions do with the weights @layers.N.*.

    ```
    @prefill_last: all rows: layers 0-13 full, 14 kv, 15-34 none (28.2 % of the layer flops); taken rows: layers 14-34
    ```
  }];
}

class GemmaFusePass<string name> : GemmaPass<"gemma-fuse-" # name, "::mlir::func::FuncOp"> {
  let statistics = [Statistic<"numFused", "fusions", "fusions made or extended">];
}

def GemmaFuseQkv : GemmaFusePass<"qkv"> {
  let summary = "q, k and v in one phase";
  let description = [{
    Linears of one x whose results go to attention (through norms of heads and RoPE) form one fusion. Where dead-token
    elimination left q fewer rows, k and v do; where v comes from k's projection, q and k do.

    ```mlir
    %q = gemma.linear %h, @q              %f:3 = gemma.fusion ["qkv"] {
    %k = gemma.linear %h, @k       ->       %q = .. %k = .. %v = gemma.linear %h, @v
    %v = gemma.linear %h, @v                gemma.yield %q, %k, %v }
    ```
  }];
}
def GemmaFuseQknormRopeKv : GemmaFusePass<"qknorm-rope-kv"> {
  let summary = "QK norms, RoPE and the cache write in the epilogue of q, k and v";
  let description = [{
    The head-wise norms and ropes of a projection join its phase; so does the cache_update whose k and v are both made there.

    ```mlir
    %f:2 = gemma.fusion ["qkv"] { %k .. %v }                 %f:1 = gemma.fusion ["qkv", "qknorm-rope-kv"] {
    %kn = gemma.rms_norm %f#0, @k_norm                ->       %k .. %v .. %kn .. %kr ..
    %kr = gemma.rope %kn, %pos                                 %kv = gemma.cache_update @kv, %kr, ..
    %kv = gemma.cache_update @kv, %kr, ..                      gemma.yield %kv }
    ```
  }];
}
def GemmaFuseAttention : GemmaFusePass<"attention"> {
  let summary = "scores, softmax and their product with V in one phase";
  let description = [{
    ```mlir
    %s = gemma.qk ..   %p = gemma.softmax %s   %a = gemma.pv %p, ..   ->   gemma.fusion ["attention"] { all three }
    ```
  }];
}
def GemmaFuseMlp : GemmaFusePass<"mlp"> {
  let summary = "GeGLU in the epilogue of gate and up";
  let description = [{
    `mul(gelu(linear(x, gate)), linear(x, up))`, and of experts `mul(gelu(slice(y)), slice(y))` with `y = expert_linear(x, i, gate_up)`.

    ```mlir
    %g = gemma.linear %h, @gate   %u = gemma.linear %h, @up
    %a = gemma.gelu %g            %m = gemma.mul %a, %u        ->   gemma.fusion ["mlp"] { all four }
    ```
  }];
}
def GemmaFusePle : GemmaFusePass<"ple"> {
  let summary = "the per-layer embedding's gate, and its model projection, with their epilogues";
  let description = [{
    Gate: `mul(gelu(linear(x, gate)), slice(ple))`, (13). Projection: `scale(add(norm(scale(linear(x))), A))`, (6) and (7); the
    token part A stays outside.

    ```mlir
    %g = gemma.linear %x, @ple_gate   %a = gemma.gelu %g
    %s = gemma.slice %ple {..}        %m = gemma.mul %a, %s        ->   gemma.fusion ["ple"] { all four }
    ```
  }];
}
def GemmaFuseRouter : GemmaFusePass<"router"> {
  let summary = "softmax and top-k of a router in front of the first product with the chosen experts";
  let description = [{
    Whoever computes the product makes the choice for itself, from the router's scores. Where no such product can follow at
    once, softmax and top-k are a row-wise phase.

    ```mlir
    %p = gemma.softmax %s   %w, %i = gemma.top_k %p, @expert_scale
    %y = gemma.expert_linear %x, %i, @experts                        ->   gemma.fusion ["router"] { all three }
    ```
  }];
}
def GemmaFuseSoftcap : GemmaFusePass<"softcap"> {
  let summary = "softcap in the epilogue of the lm_head";
  let description = [{
    ```mlir
    %z = gemma.linear %h, @embed   %l = gemma.softcap %z {..}   ->   gemma.fusion ["softcap"] { both }
    ```
  }];
}
def GemmaFuseResidual : GemmaFusePass<"residual"> {
  let summary = "post-norm, residual sum and layer scalar in one row-wise phase";
  let description = [{
    `add(x, rms_norm(y))` and a following scale_by; of a MoE layer also the norms and the sum of its two branches, and the
    weighted sum of the experts.

    ```mlir
    %n = gemma.rms_norm %y, @ln_post   %x1 = gemma.add %x, %n   ->   gemma.fusion ["residual"] { both }
    ```
  }];
}
def GemmaFuseNorm : GemmaFusePass<"norm"> {
  let summary = "norms, and residuals before them, in the prologue of the product that reads them";
  let description = [{
    The norm (and scales) between the residual stream and a product moves into the product's phase if nothing else reads it;
    the residual fusion that makes the stream moves in too and still hands its sum out.

    ```mlir
    %x = gemma.fusion ["residual"] { .. }                         %f:2 = gemma.fusion ["residual", "mlp", "norm"] {
    %h = gemma.rms_norm %x, @ln_mlp                        ->       .. %x .. %h .. %m
    %m = gemma.fusion ["mlp"] { gemma.linear %h, @gate .. }         gemma.yield %x, %m }
    ```
  }];
}

def GemmaDecompose : GemmaPass<"gemma-decompose", "::mlir::func::FuncOp"> {
  let summary = "move the ops of every fusion out of it";
  let description = [{
    The inverse of the gemma-fuse passes, up to the order of independent ops.

    ```mlir
    %f = gemma.fusion ["softcap"] { %z = .. %l = .. gemma.yield %l }   ->   %z = ..   %l = ..
    ```
  }];
  let statistics = [Statistic<"numDecomposed", "fusions", "fusions decomposed">];
}

#endif
