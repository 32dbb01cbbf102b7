// Choosing the rows whose logits are asked for.
#ifndef GEMMAC_DIALECT_GEMMA_ROWS
#define GEMMAC_DIALECT_GEMMA_ROWS
include "dialect/gemma/GemmaDialect.td"

/// Whatever has rows.
def Gemma_Rowed : AnyTypeOf<[Gemma_Activation, 2DTensorOf<[I32]>, Gemma_RowIndex], "activation or indices, rows first",
                            "::mlir::RankedTensorType">;

def Gemma_TakeRowsOp : Gemma_Op<"take_rows", [Pure]> {
  let summary = "the last row of each sequence";
  let description = [{
    The result has `batch` rows: row b is the last row r of x with seq[r] == b. Works on activations, on experts' indices
    and on the row indices (tokens, pos, seq) themselves. Folds away where x already has one row for each sequence, in
    their order: for a batch of 1, or where seq is itself the take_rows of a seq.

    - C1: batch is positive and equals the rows of the result
    - C2: x and seq have the same rows, the result x's other dimensions and element type
  }];
  let arguments = (ins Gemma_Rowed:$x, Gemma_RowIndex:$seq, I64Attr:$batch);
  let results = (outs Gemma_Rowed:$result);
  let assemblyFormat = "$x `,` $seq attr-dict `:` type($x) `,` type($seq) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}
#endif
