// Fusion regions: which model-level ops run as one phase of the step.
#ifndef GEMMAC_DIALECT_GEMMA_FUSION
#define GEMMAC_DIALECT_GEMMA_FUSION
include "dialect/gemma/GemmaDialect.td"

def Gemma_FusionOp : Gemma_Op<"fusion", [SingleBlock, NoRegionArguments, RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "model-level ops that are one phase of the step";
  let description = [{
    The region holds the ops unchanged, so a fusion means exactly what its ops mean one after the other; decomposing it is
    moving them out. `kinds` names the fusions that built it (passes/fuse/), in order. How a phase is made of it is the
    lowering's business: row-wise ops before the product become its prologue, those after it its epilogue.

    - C1: kinds is not empty
    - C2: the yielded types are the result types
    - C3: no fusion inside a fusion

    ```mlir
    %f = gemma.fusion ["norm", "mlp"] {
      %h = gemma.rms_norm %x, @ln {..} : tensor<?x64xf32>
      ...
      gemma.yield %m : tensor<?x128xf32>
    } : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins StrArrayAttr:$kinds);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = "$kinds $body attr-dict (`:` type($results)^)?";
  let hasVerifier = 1;
}
def Gemma_YieldOp : Gemma_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["FusionOp"]>]> {
  let summary = "the values a fusion hands out";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let hasVerifier = 1;
  let builders = [OpBuilder<(ins), [{ (void)$_builder; (void)$_state; }]>];
}
#endif
