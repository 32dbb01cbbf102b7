// Matrix products and table look-ups with weights of the checkpoint.
#ifndef GEMMAC_DIALECT_GEMMA_LINEAR
#define GEMMAC_DIALECT_GEMMA_LINEAR
include "dialect/gemma/GemmaDialect.td"

def Gemma_EmbedOp : Gemma_Op<"embed", [Pure, Gemma_RowWise, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "scale * table[token], gemma4.md (4), (5)";
  let description = [{
    - C1: `table` names a gemma.weight of shape [V, columns of the result]
    - C2: result rows equal the rows of tokens
  }];
  let arguments = (ins Gemma_RowIndex:$tokens, FlatSymbolRefAttr:$table, F64Attr:$scale);
  let results = (outs Gemma_Rows2D:$result);
  let assemblyFormat = "$tokens `,` $table attr-dict `:` type($tokens) `->` type($result)";
  let hasVerifier = 1;
}
def Gemma_LinearOp : Gemma_Op<"linear", [Pure, Gemma_RowWise, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "x @ W^T, no bias";
  let description = [{
    - C1: `weight` names a gemma.weight of shape [columns of result, columns of x]
    - C2: result rows equal the rows of x
  }];
  let arguments = (ins Gemma_Rows2D:$x, FlatSymbolRefAttr:$weight);
  let results = (outs Gemma_Rows2D:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}
#endif
