// KV caches and attention, gemma4.md section 2.6.
#ifndef GEMMAC_DIALECT_GEMMA_ATTENTION
#define GEMMAC_DIALECT_GEMMA_ATTENTION
include "dialect/gemma/GemmaDialect.td"

def Gemma_CacheUpdateOp : Gemma_Op<"cache_update", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, AllTypesMatch<["k", "v"]>, AllTypesMatch<["pos", "seq"]>, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "write K and V of all rows into a cache";
  let description = [{
    Row r goes to position `pos[r]` of sequence `seq[r]`. The result stands for the cache's whole content afterwards; whoever
    takes it (this layer, or the layers that share its KV) reads keys that are already normed and roped.

    - C1: `cache` names a gemma.cache with the heads and head_dim of the result type
    - C2: k and v have heads * head_dim columns
    - C3: k, v, pos and seq have the same rows
    - C4: it is the only update of its cache in the function: reads are not ordered against a second one
  }];
  let arguments = (ins FlatSymbolRefAttr:$cache, Gemma_Rows2D:$k, Gemma_Rows2D:$v, Gemma_RowIndex:$pos, Gemma_RowIndex:$seq);
  let results = (outs Gemma_KvType:$kv);
  let assemblyFormat = "$cache `,` $k `,` $v `,` $pos `,` $seq attr-dict `:` type($k) `,` type($pos) `->` type($kv)";
  let hasVerifier = 1;
}
def Gemma_QkOp : Gemma_Op<"qk", [Pure, Gemma_RowWise, AllTypesMatch<["pos", "seq"]>]> {
  let summary = "attention scores scale * q.k with their mask, (19)";
  let description = [{
    result[r, h, j] = scale * q[r, head h] . k[j, head h / (heads / kv heads)] for the keys j that row r may see: j <= pos[r]
    and, if window > 0, j > pos[r] - window; minus infinity elsewhere. Keys are positions of sequence seq[r].

    - C1: heads is a positive multiple of the KV heads
    - C2: q has heads * head_dim columns
    - C3: the result is [rows of q, heads, ?]
    - C4: window is 0 to 2^31 - 1
    - C5: pos and seq have as many rows as q
  }];
  let arguments = (ins Gemma_Rows2D:$q, Gemma_KvType:$kv, Gemma_RowIndex:$pos, Gemma_RowIndex:$seq, I64Attr:$heads, I64Attr:$window, F64Attr:$scale);
  let results = (outs 3DTensorOf<[F32]>:$result);
  let assemblyFormat = "$q `,` $kv `,` $pos `,` $seq attr-dict `:` type($q) `,` type($kv) `,` type($pos) `->` type($result)";
  let hasVerifier = 1;
}
def Gemma_SoftmaxOp : Gemma_Op<"softmax", [Pure, Gemma_RowWise, SameOperandsAndResultType]> {
  let summary = "softmax over the last axis";
  let arguments = (ins Gemma_Activation:$x);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($result)";
}
def Gemma_PvOp : Gemma_Op<"pv", [Pure, Gemma_RowWise, AllTypesMatch<["pos", "seq"]>]> {
  let summary = "attention output: probabilities times V, heads concatenated, (19)";
  let description = [{
    - C1: p is [rows, heads, ?] and heads is a multiple of the KV heads
    - C2: the result has heads * head_dim columns and p's rows
    - C3: pos and seq have as many rows as p
  }];
  let arguments = (ins 3DTensorOf<[F32]>:$p, Gemma_KvType:$kv, Gemma_RowIndex:$pos, Gemma_RowIndex:$seq);
  let results = (outs Gemma_Rows2D:$result);
  let assemblyFormat = "$p `,` $kv `,` $pos `,` $seq attr-dict `:` type($p) `,` type($kv) `,` type($pos) `->` type($result)";
  let hasVerifier = 1;
}
#endif
