// Mixture of experts, gemma4.md section 2.7.
#ifndef GEMMAC_DIALECT_GEMMA_MOE
#define GEMMAC_DIALECT_GEMMA_MOE
include "dialect/gemma/GemmaDialect.td"

def Gemma_TopKOp : Gemma_Op<"top_k", [Pure, Gemma_RowWise, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the k largest probabilities, renormalised, and their indices, (21)";
  let description = [{
    Descending, ties to the lower index; weights divided by their sum, then multiplied by `expert_scale[index]` if given.

    - C1: 0 < k <= columns of p
    - C2: weights and indices are [rows of p, k]
    - C3: expert_scale, if given, names a gemma.weight of shape [columns of p]
  }];
  let arguments = (ins Gemma_Rows2D:$p, I64Attr:$k, OptionalAttr<FlatSymbolRefAttr>:$expert_scale);
  let results = (outs Gemma_Rows2D:$weights, 2DTensorOf<[I32]>:$indices);
  let assemblyFormat = "$p (`,` $expert_scale^)? attr-dict `:` type($p) `->` type($weights) `,` type($indices)";
  let hasVerifier = 1;
}
def Gemma_ExpertLinearOp : Gemma_Op<"expert_linear", [Pure, Gemma_RowWise, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "y[r, s] = x[r] (or x[r, s]) @ W[indices[r, s]]^T, (22)";
  let description = [{
    - C1: `weight` names a gemma.weight of shape [experts, N, columns of x]
    - C2: x is [rows, C] or [rows, k, C]; the result is [rows, k, N] with k the columns of indices
  }];
  let arguments = (ins Gemma_Activation:$x, 2DTensorOf<[I32]>:$indices, FlatSymbolRefAttr:$weight);
  let results = (outs 3DTensorOf<[F32]>:$result);
  let assemblyFormat = "$x `,` $indices `,` $weight attr-dict `:` type($x) `,` type($indices) `->` type($result)";
  let hasVerifier = 1;
}
def Gemma_CombineOp : Gemma_Op<"combine", [Pure, Gemma_RowWise]> {
  let summary = "sum over the chosen experts of weight * y, (22)";
  let description = [{
    - C1: y is [rows, k, N], weights [rows, k], the result [rows, N]
  }];
  let arguments = (ins 3DTensorOf<[F32]>:$y, Gemma_Rows2D:$weights);
  let results = (outs Gemma_Rows2D:$result);
  let assemblyFormat = "$y `,` $weights attr-dict `:` type($y) `,` type($weights) `->` type($result)";
  let hasVerifier = 1;
}
#endif
