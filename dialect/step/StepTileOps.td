// Tile ops: what a task does to its rows. Destination first.
#ifndef GEMMAC_DIALECT_STEP_TILE_OPS
#define GEMMAC_DIALECT_STEP_TILE_OPS
include "dialect/step/StepDialect.td"

class Step_TileOpBase<string mnemonic, list<Trait> traits = []>
    : Step_Op<mnemonic, traits # [HasParent<"PhaseOp", "CaseOp">, MemoryEffects<[MemRead, MemWrite]>]> {
  let hasVerifier = 1;
}
/// A tile op that names a weight or a cache of the program.
class Step_SymbolTileOp<string mnemonic> : Step_TileOpBase<mnemonic, [DeclareOpInterfaceMethods<SymbolUserOpInterface>]>;

class Step_Unary<string mnemonic> : Step_TileOpBase<mnemonic> {
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src);
  let assemblyFormat = "$dst `,` $src attr-dict `:` type($dst) `,` type($src)";
}
class Step_Binary<string mnemonic> : Step_TileOpBase<mnemonic> {
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$lhs, Step_F32Buf:$rhs);
  let assemblyFormat = "$dst `,` $lhs `,` $rhs attr-dict `:` type($dst) `,` type($lhs) `,` type($rhs)";
}

// Elementwise; dst may be a source. All have the same columns.
def Step_AddOp : Step_Binary<"add"> { let summary = "dst = lhs + rhs"; }
def Step_MulOp : Step_Binary<"mul"> { let summary = "dst = lhs * rhs"; }
def Step_GeluOp : Step_Unary<"gelu"> { let summary = "dst = gelu_tanh(src), gemma4.md (2)"; }
def Step_CopyOp : Step_Unary<"copy"> { let summary = "dst = src"; }
def Step_ScaleOp : Step_Unary<"scale"> {
  let summary = "dst = factor * src";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, F64Attr:$factor);
}
def Step_ScaleByOp : Step_Unary<"scale_by"> {
  let summary = "dst = src * w, w a vec weight of 1 element or of one per column of src";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, FlatSymbolRefAttr:$weight);
}
def Step_SoftcapOp : Step_Unary<"softcap"> {
  let summary = "dst = cap * tanh(src / cap)";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, F64Attr:$cap);
}
def Step_NormOp : Step_Unary<"norm"> {
  let summary = "RMSNorm of each group of `group` columns, gemma4.md (1)";
  let description = "weight: a vec of `group` elements, or none. dst may be src.";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, OptionalAttr<FlatSymbolRefAttr>:$weight, I64Attr:$group, F64Attr:$eps,
                       DefaultValuedAttr<F64Attr, "0.0">:$offset);
}
def Step_RoundOp : Step_Unary<"round"> { let summary = "dst = src rounded to bf16 (nearest even), held as f32"; }
def Step_PublishOp : Step_Unary<"publish"> {
  let summary = "prologue only: copy a private buffer to a shared one, once for the whole phase";
}
def Step_TakeRowOp : Step_TileOpBase<"take_row"> {
  let summary = "dst = the last live row of src; in a phase of rows(last)";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src);
  let assemblyFormat = "$dst `,` $src attr-dict `:` type($dst) `,` type($src)";
}

def Step_EmbedOp : Step_TileOpBase<"embed"> {
  let summary = "dst = scale * table[token of the row]";
  let description = "`table`: a p16 or rows_* weight; dst has its k columns.";
  let arguments = (ins Step_F32Buf:$dst, FlatSymbolRefAttr:$table, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $table attr-dict `:` type($dst)";
}
def Step_PackOp : Step_TileOpBase<"pack"> {
  let summary = "bring a row into the form that matmul reads";
  let description = [{
    dst columns: f32, bf16: K padded with zeros to a multiple of 64. i8 (dst of bytes, Kp = padded K): Kp int8 values, then
    Kp/32 f32 scales (max |x| / 127 of each 32), then Kp/32 i32 sums of the int8 values: Kp + Kp/4 bytes.
    A tile op with `width` columns packs `k` = src columns. With several slots (`groups` > 1), src columns are `groups`
    vectors side by side, packed one behind the other.
  }];
  let arguments = (ins Step_Buf:$dst, Step_F32Buf:$src, Step_Act:$act, DefaultValuedAttr<I64Attr, "1">:$groups);
  let assemblyFormat = "$dst `,` $src attr-dict `:` type($dst) `,` type($src)";
  let hasVerifier = 1;
}
def Step_MatmulOp : Step_TileOpBase<"matmul"> {
  let summary = "dst = act @ W[task's columns]^T";
  let description = [{
    Column task c computes the weight's rows [c * tile, (c + 1) * tile); dst has `tile` columns.
    Accumulates in f32, in an order that depends on k only: not on the number of rows, nor on who computes.
    - C1: act has the bytes/columns that pack makes of weight's k
    - C2: dst has the weight's tile as columns; the weight is of a p16 format; i8 activations need q8p16 or q4p16
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_Buf:$act, FlatSymbolRefAttr:$weight, Step_Act:$format);
  let assemblyFormat = "$dst `,` $act `,` $weight attr-dict `:` type($dst) `,` type($act)";
}
def Step_ExpertMatmulOp : Step_TileOpBase<"expert_matmul"> {
  let summary = "matmul with the expert that the row chose";
  let description = [{
    In a by_row phase of cols = slots * (n / tile): column task c is slot c / (n/tile), weight rows [(c mod (n/tile)) * tile, ...) of
    expert indices[row, slot]. `act` holds one packed vector per row, or one per slot (`act_per_slot`). dst has `tile` columns.
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_Buf:$act, MemRefRankOf<[I32], [2]>:$indices, FlatSymbolRefAttr:$weight, Step_Act:$format,
      I64Attr:$slots, UnitAttr:$act_per_slot);
  let assemblyFormat = "$dst `,` $act `,` $indices `,` $weight attr-dict `:` type($dst) `,` type($act) `,` type($indices)";
}
def Step_TopKOp : Step_TileOpBase<"top_k"> {
  let summary = "weights, indices = the k largest of src, renormalised, gemma4.md (21)";
  let description = "Descending, ties to the lower index; divided by their sum, then times scale[index] if given.";
  let arguments = (ins Step_F32Buf:$weights, MemRefRankOf<[I32], [2]>:$indices, Step_F32Buf:$src, I64Attr:$k, OptionalAttr<FlatSymbolRefAttr>:$scale);
  let assemblyFormat = "$weights `,` $indices `,` $src attr-dict `:` type($weights) `,` type($indices) `,` type($src)";
}
def Step_CombineOp : Step_TileOpBase<"combine"> {
  let summary = "dst = sum over slots s of weights[s] * src[s * C ... + C)";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, Step_F32Buf:$weights);
  let assemblyFormat = "$dst `,` $src `,` $weights attr-dict `:` type($dst) `,` type($src) `,` type($weights)";
}
def Step_RopeTableOp : Step_TileOpBase<"rope_table"> {
  let summary = "dst = [cos | sin] of the row's angles, gemma4.md (8)-(10)";
  let description = "dst has 2 * angles columns; angle i = pos / factor * theta^(-2i / head_dim).";
  let arguments = (ins Step_F32Buf:$dst, I64Attr:$head_dim, I64Attr:$angles, F64Attr:$theta, F64Attr:$factor, UnitAttr:$round);
  let assemblyFormat = "$dst attr-dict `:` type($dst)";
}
def Step_RopeOp : Step_TileOpBase<"rope"> {
  let summary = "dst = each head of src turned by the row's table";
  let description = "dst may be src. Columns are heads of `head_dim`; pairs (j, j + head_dim/2), j < angles.";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, Step_F32Buf:$table, I64Attr:$head_dim, I64Attr:$angles);
  let assemblyFormat = "$dst `,` $src `,` $table attr-dict `:` type($dst) `,` type($src) `,` type($table)";
}
def Step_CacheWriteOp : Step_TileOpBase<"cache_write"> {
  let summary = "write KV heads of a row into its slot of a cache";
  let description = [{
    src columns are whole heads: head h of them goes to KV head `head + head_stride * c + h` for column task c.
  }];
  let arguments = (ins FlatSymbolRefAttr:$cache, Step_F32Buf:$src, Step_Which:$which, DefaultValuedAttr<I64Attr, "0">:$head, DefaultValuedAttr<I64Attr, "0">:$head_stride);
  let assemblyFormat = "$cache `,` $src attr-dict `:` type($src)";
}
def Step_AttentionOp : Step_TileOpBase<"attention"> {
  let summary = "dst = softmax(scale * q K^T + mask) V of one query head, gemma4.md (19)";
  let description = [{
    In a by_row phase of cols = heads: column task c is query head c; q and dst are buffers of heads * head_dim columns, of
    which the task takes head c (no tile op). Visible: j <= pos and, if window > 0, j > pos - window. Two passes: exact softmax.
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$q, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $q `,` $cache attr-dict `:` type($dst) `,` type($q)";
}
def Step_QkOp : Step_TileOpBase<"qk"> {
  let summary = "dst = masked scores of one query head against every position up to the row's own";
  let description = [{
    As attention, grid by_row x heads. dst: heads * P columns with P = the context rounded up to 16; head c takes columns
    [c*P, ...), column j is position j; minus infinity where masked, written for every j of [0, P).
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$q, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $q `,` $cache attr-dict `:` type($dst) `,` type($q)";
}
def Step_SoftmaxOp : Step_Unary<"softmax"> {
  let summary = "dst = softmax of src's columns (a tile: one head's scores, or a router's)";
}
def Step_PvOp : Step_TileOpBase<"pv"> {
  let summary = "dst = probabilities of one query head times V";
  let description = "As qk: grid by_row x heads, p of heads * P columns; positions the window has dropped are skipped.";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$p, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window);
  let assemblyFormat = "$dst `,` $p `,` $cache attr-dict `:` type($dst) `,` type($p)";
}
#endif
