// Rotary position embedding.
#ifndef GEMMAC_DIALECT_GEMMA_ROPE
#define GEMMAC_DIALECT_GEMMA_ROPE
include "dialect/gemma/GemmaDialect.td"

def Gemma_RopeOp : Gemma_Op<"rope", [Pure, Gemma_RowWise, AllTypesMatch<["x", "result"]>]> {
  let summary = "rotary position embedding per head, NeoX layout, gemma4.md (3), (8)-(10)";
  let description = [{
    In each head of `head_dim` columns the pair (j, j + head_dim/2) turns by `pos / factor * theta^(-2j / head_dim)` for
    j < angles; the other pairs pass through. Proportional RoPE is angles < head_dim/2.

    - C1: head_dim is even, positive and divides the columns
    - C2: 0 < angles <= head_dim/2
    - C3: theta and factor are positive, normal f32
    - C4: pos has as many rows as x
  }];
  let arguments = (ins Gemma_Rows2D:$x, Gemma_RowIndex:$pos, I64Attr:$head_dim, I64Attr:$angles, F64Attr:$theta,
                       DefaultValuedAttr<F64Attr, "1.0">:$factor);
  let results = (outs Gemma_Rows2D:$result);
  let assemblyFormat = "$x `,` $pos attr-dict `:` type($x) `,` type($pos)";
  let hasVerifier = 1;
}
#endif
