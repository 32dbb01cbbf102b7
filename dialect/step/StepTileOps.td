// Tile ops: what a task does to its rows. Destination first.
#ifndef GEMMAC_DIALECT_STEP_TILE_OPS
#define GEMMAC_DIALECT_STEP_TILE_OPS
include "dialect/step/StepDialect.td"

class Step_TileOpBase<string mnemonic, list<Trait> traits = []>
    : Step_Op<mnemonic, traits # [ParentOneOf<["PhaseOp", "CaseOp"]>, MemoryEffects<[MemRead, MemWrite]>]> {
  let hasVerifier = 1;
}
/// Traits of a tile op that names a weight or a cache of the program.
def Step_SymbolUser : DeclareOpInterfaceMethods<SymbolUserOpInterface>;

class Step_Unary<string mnemonic, list<Trait> traits = []> : Step_TileOpBase<mnemonic, traits> {
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src);
  let assemblyFormat = "$dst `,` $src attr-dict `:` type($dst) `,` type($src)";
}
class Step_Binary<string mnemonic> : Step_TileOpBase<mnemonic> {
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$lhs, Step_F32Buf:$rhs);
  let assemblyFormat = "$dst `,` $lhs `,` $rhs attr-dict `:` type($dst) `,` type($lhs) `,` type($rhs)";
  let description = "- C1: dst, lhs and rhs have the same columns";
}

// Elementwise; dst may be a source. All have the same columns.
def Step_AddOp : Step_Binary<"add"> { let summary = "dst = lhs + rhs"; }
def Step_MulOp : Step_Binary<"mul"> { let summary = "dst = lhs * rhs"; }
def Step_GeluOp : Step_Unary<"gelu"> {
  let summary = "dst = gelu_tanh(src), gemma4.md (2)";
  let description = "- C1: dst and src have the same columns";
}
def Step_CopyOp : Step_Unary<"copy"> {
  let summary = "dst = src";
  let description = "- C1: dst and src have the same columns";
}
def Step_ScaleOp : Step_Unary<"scale"> {
  let summary = "dst = factor * src";
  let description = "- C1: dst and src have the same columns";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, F64Attr:$factor);
}
def Step_ScaleByOp : Step_Unary<"scale_by", [Step_SymbolUser]> {
  let summary = "dst = src * w, w a vec weight of 1 element or of one per column of src";
  let description = [{
    - C1: dst and src have the same columns
    - C2: `weight` names a step.weight of format vec with n = 1 or the columns of src
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, FlatSymbolRefAttr:$weight);
  let assemblyFormat = "$dst `,` $src `,` $weight attr-dict `:` type($dst) `,` type($src)";
}
def Step_SoftcapOp : Step_Unary<"softcap"> {
  let summary = "dst = cap * tanh(src / cap)";
  let description = [{
    - C1: dst and src have the same columns
    - C2: cap is a positive, normal f32
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, F64Attr:$cap);
}
def Step_NormOp : Step_Unary<"norm", [Step_SymbolUser]> {
  let summary = "RMSNorm of each group of `group` columns, gemma4.md (1)";
  let description = [{
    weight: a vec of `group` elements, or none. dst may be src.

    - C1: dst and src have the same columns, which `group` divides
    - C2: `weight`, if given, names a step.weight of format vec with n = group
    - C3: eps is 0 or a positive, normal f32
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, OptionalAttr<FlatSymbolRefAttr>:$weight, I64Attr:$group, F64Attr:$eps,
                       DefaultValuedAttr<F64Attr, "0.0">:$offset);
  let assemblyFormat = "$dst `,` $src (`,` $weight^)? attr-dict `:` type($dst) `,` type($src)";
}
def Step_PublishOp : Step_TileOpBase<"publish", [AllElementTypesMatch<["dst", "src"]>]> {
  let summary = "prologue only: copy a private buffer to a shared one, once for the whole phase";
  let description = [{
    - C1: dst and src have the same columns and elements
    - C2: it stands in a prologue, src is private and dst is shared
  }];
  let arguments = (ins AnyTypeOf<[Step_F32Buf, Step_I32Buf]>:$dst, AnyTypeOf<[Step_F32Buf, Step_I32Buf]>:$src);
  let assemblyFormat = "$dst `,` $src attr-dict `:` type($dst) `,` type($src)";
}
def Step_TakeRowOp : Step_Unary<"take_row"> {
  let summary = "dst = the last live row of src; in a phase of rows(last)";
  let description = [{
    The one op that reads, in a phase of rows(last), a buffer that has all rows of the entry.

    - C1: dst and src have the same columns
    - C2: its phase has rows(last)
  }];
}

def Step_EmbedOp : Step_TileOpBase<"embed", [Step_SymbolUser]> {
  let summary = "dst = scale * table[token of the row]";
  let description = [{
    - C1: `table` names a p16 or rows_* step.weight whose k is the columns of dst
  }];
  let arguments = (ins Step_F32Buf:$dst, FlatSymbolRefAttr:$table, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $table attr-dict `:` type($dst)";
}
def Step_PackOp : Step_TileOpBase<"pack"> {
  let summary = "bring a row into the form that matmul reads";
  let description = [{
    dst columns: f32, bf16: K padded with zeros to a multiple of 64. i8 (dst of bytes, Kp = padded K): Kp int8 values, then
    Kp/32 f32 scales (max |x| / 127 of each 32), then Kp/32 i32 sums of the int8 values: Kp + Kp/4 bytes.
    bf16t (dst of bytes, 2 Kp for each row): bf16 in tiles of 16 rows x 32 k; where a row's 32 k lie: actTileOffset() in
    dialect/step/Layout.h.
    With several slots (`groups` > 1), src columns are `groups` vectors side by side, packed one behind the other.

    - C1: groups is positive and divides the columns of src
    - C2: dst has i8 elements if act is i8 or bf16t, else f32
    - C3: dst has the columns of `groups` packed vectors of K = columns of src / groups (i8: Kp + Kp/4 rounded up to 64 bytes)
    - C4: bf16t: dst is a whole shared buffer with a multiple of 32 rows; groups is 1
  }];
  let arguments = (ins Step_Buf:$dst, Step_F32Buf:$src, Step_Act:$act, DefaultValuedAttr<I64Attr, "1">:$groups);
  let assemblyFormat = "$dst `,` $src `as` $act attr-dict `:` type($dst) `,` type($src)";
}
def Step_PackTileOp : Step_TileOpBase<"pack_tile"> {
  let summary = "pack the columns of a vector that the task has made";
  let description = [{
    Column task c holds in src the inputs [c * w, (c + 1) * w) of a vector of K = w * (the column tasks that run it) inputs, and
    brings them to their place in dst, which all of the tasks together fill as one `pack` of the whole vector would.

    - C1: act is i8 or bf16t; the columns of src are a multiple of 32 and K one of 64
    - C2: dst is a whole shared buffer with the columns that pack makes of K; bf16t: with a multiple of 32 rows
    - C3: it stands in the body of a phase that is not by_row
  }];
  let arguments = (ins Step_Buf:$dst, Step_F32Buf:$src, Step_Act:$act);
  let assemblyFormat = "$dst `,` $src `as` $act attr-dict `:` type($dst) `,` type($src)";
}
def Step_MatmulOp : Step_TileOpBase<"matmul", [Step_SymbolUser]> {
  let summary = "dst = act @ W[task's columns]^T";
  let description = [{
    Column task c computes the weight's rows [c * tile, (c + 1) * tile); dst has `tile` columns.
    Accumulates in f32, in an order that depends on k only: not on the number of rows, nor on who computes.

    bf16t: weights are rounded to bf16 as well, and all of dst's rows of the last 32 with a live one are written.

    An attribute `step.kernel`, a dictionary, holds choices of `gemmac --autotune` (`dialect/step/KernelTuning.h`): no result depends on them.

    - C1: act has the element type and columns that pack makes of weight's k
    - C2: `weight` names a step.weight of a p16 format without experts; i8 activations need codes, bf16t any format but f32p16
    - C3: dst has the weight's tile as columns
    - C4: the column tasks that run it are n / tile
    - C5: bf16t: act is a whole shared buffer with a multiple of 32 rows, dst has as many; the phase is not by_row
    - C6: the streams of step.kernel divide the 16-row panels of a task
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_Buf:$act, FlatSymbolRefAttr:$weight, Step_Act:$format);
  let assemblyFormat = "$dst `,` $act `,` $weight `as` $format attr-dict `:` type($dst) `,` type($act)";
}
def Step_ExpertMatmulOp : Step_TileOpBase<"expert_matmul", [Step_SymbolUser]> {
  let summary = "matmul with the expert that the row chose";
  let description = [{
    In a by_row phase of cols = slots * (n / tile): column task c is slot c / (n/tile), weight rows [(c mod (n/tile)) * tile, ...) of
    expert indices[row, slot]. `act` holds one packed vector per row, or one per slot (`act_per_slot`). dst has `tile` columns.
    bf16t: weights are rounded to bf16 as well; `act` is packed as bf16.

    - C1: slots is positive and indices has `slots` columns of i32
    - C2: `weight` names a step.weight of a p16 format with experts; i8 activations need codes, bf16t any format but f32p16
    - C3: dst has the weight's tile as columns, act those of one packed vector, or of `slots` of them (act_per_slot)
    - C4: the phase is by_row and the column tasks that run it are slots * n / tile
    - C5: `indices` is written by top_k only, of at most as many columns as the weight has experts, or published from such a buffer
    - C6: bf16t: the phase has rows(all) and the entry a multiple of 32 rows
    - C7: bf16t: the phase has no prologue and starts with it; no case, attention or further expert_matmul follows
    - C8: the streams of step.kernel divide the 16-row panels of a task
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_Buf:$act, MemRefRankOf<[I32], [2]>:$indices, FlatSymbolRefAttr:$weight, Step_Act:$format,
      I64Attr:$slots, UnitAttr:$act_per_slot);
  let assemblyFormat = "$dst `,` $act `,` $indices `,` $weight `as` $format attr-dict `:` type($dst) `,` type($act) `,` type($indices)";
}
def Step_TopKOp : Step_TileOpBase<"top_k", [Step_SymbolUser]> {
  let summary = "weights, indices = the k largest of src, renormalised, gemma4.md (21)";
  let description = [{
    Descending, ties to the lower index; divided by their sum, then times scale[index] if given.

    - C1: 0 < k <= columns of src; weights and indices have k columns
    - C2: `scale`, if given, names a step.weight of format vec with n = columns of src
  }];
  let arguments = (ins Step_F32Buf:$weights, MemRefRankOf<[I32], [2]>:$indices, Step_F32Buf:$src, I64Attr:$k, OptionalAttr<FlatSymbolRefAttr>:$scale);
  let assemblyFormat = "$weights `,` $indices `,` $src (`,` $scale^)? attr-dict `:` type($weights) `,` type($indices) `,` type($src)";
}
def Step_SelectTopOp : Step_TileOpBase<"select_top"> {
  let summary = "values, ids = the largest of all columns that the phase's tasks have as src, once it is done";
  let description = [{
    Of one row: column j of column task c's src has the id c * (columns of src) + j, and ids below `columns` count; behind
    them is padding. values and ids take the k = (columns of values) largest, in descending order, ties to the lower id (0
    and -0 are equal). What is not above minus infinity, NaN too, is never taken: where fewer than k are left, the rest of
    values is minus infinity and of ids -1.

    The one op whose result is that of all tasks together. The order is total, so it does not depend on who computed which
    task, nor on how the selection is cut.

    - C1: values and ids are whole shared buffers of the same columns, at most `columns`
    - C2: the tasks' src hold `columns` columns, and those of all tasks but the last fewer
    - C3: it stands in the body of a phase that is not by_row and has one live row, and in no case
  }];
  let arguments = (ins Step_F32Buf:$values, Step_I32Buf:$ids, Step_F32Buf:$src, I64Attr:$columns);
  let assemblyFormat = "$values `,` $ids `,` $src attr-dict `:` type($values) `,` type($ids) `,` type($src)";
}
def Step_CombineOp : Step_TileOpBase<"combine"> {
  let summary = "dst = sum over slots s of weights[s] * src[s * C ... + C)";
  let description = "- C1: src has (columns of weights) * (columns of dst) columns";
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, Step_F32Buf:$weights);
  let assemblyFormat = "$dst `,` $src `,` $weights attr-dict `:` type($dst) `,` type($src) `,` type($weights)";
}
def Step_RopeTableOp : Step_TileOpBase<"rope_table"> {
  let summary = "dst = [cos | sin] of the row's angles, gemma4.md (8)-(10)";
  let description = [{
    dst has 2 * angles columns; angle i = pos / factor * theta^(-2i / head_dim). `round`: cos and sin rounded to bf16.

    - C1: dst has 2 * angles columns, 0 < angles <= head_dim / 2, head_dim even and positive
    - C2: theta and factor are positive, normal f32
  }];
  let arguments = (ins Step_F32Buf:$dst, I64Attr:$head_dim, I64Attr:$angles, F64Attr:$theta, F64Attr:$factor, UnitAttr:$round);
  let assemblyFormat = "$dst attr-dict `:` type($dst)";
}
def Step_RopeOp : Step_TileOpBase<"rope"> {
  let summary = "dst = each head of src turned by the row's table";
  let description = [{
    dst may be src. Columns are heads of `head_dim`; pairs (j, j + head_dim/2), j < angles.

    - C1: head_dim is even, positive and divides the columns of dst and src, which are equal
    - C2: 0 < angles <= head_dim / 2 and table has 2 * angles columns
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$src, Step_F32Buf:$table, I64Attr:$head_dim, I64Attr:$angles);
  let assemblyFormat = "$dst `,` $src `,` $table attr-dict `:` type($dst) `,` type($src) `,` type($table)";
}
def Step_CacheWriteOp : Step_TileOpBase<"cache_write", [Step_SymbolUser]> {
  let summary = "write KV heads of a row into its slot of a cache";
  let description = [{
    src columns are whole heads: head h of them goes to KV head `head + head_stride * c + h` for column task c.

    - C1: `cache` names a step.cache whose head_dim divides the columns of src
    - C2: head and head_stride are non-negative and every head written is one of the cache's
  }];
  let arguments = (ins FlatSymbolRefAttr:$cache, Step_F32Buf:$src, Step_Which:$which, DefaultValuedAttr<I64Attr, "0">:$head, DefaultValuedAttr<I64Attr, "0">:$head_stride);
  let assemblyFormat = "$cache $which `,` $src attr-dict `:` type($src)";
}
def Step_AttentionOp : Step_TileOpBase<"attention", [Step_SymbolUser]> {
  let summary = "dst = softmax(scale * q K^T + mask) V of one query head, gemma4.md (19)";
  let description = [{
    In a by_row phase of cols = heads: column task c is query head c; q and dst are buffers of heads * head_dim columns, of
    which the task takes head c (no tile op). Visible: j <= pos and, if window > 0, j > pos - window. Two passes: exact softmax.

    - C1: the phase is by_row and runs it in `heads` column tasks; dst and q are whole buffers, no tiles
    - C2: `cache` names a step.cache whose heads divide `heads`; dst and q have heads * head_dim columns
    - C3: window is 0 to 2^31 - 1 and the cache keeps what it shows
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$q, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $q `,` $cache attr-dict `:` type($dst) `,` type($q)";
}
def Step_QkOp : Step_TileOpBase<"qk", [Step_SymbolUser]> {
  let summary = "dst = masked scores of one query head against every position up to the row's own";
  let description = [{
    As attention, grid by_row x heads. dst: heads * P columns with P = the context rounded up to 16; head c takes columns
    [c*P, ...), column j is position j; minus infinity where masked, written for every j of [0, P).

    - C1: the phase is by_row and runs it in `heads` column tasks; dst and q are whole buffers, no tiles
    - C2: `cache` names a step.cache whose heads divide `heads`; q has heads * head_dim columns, dst heads * P
    - C3: window is 0 to 2^31 - 1 and the cache keeps what it shows
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$q, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window, F64Attr:$scale);
  let assemblyFormat = "$dst `,` $q `,` $cache attr-dict `:` type($dst) `,` type($q)";
}
def Step_SoftmaxOp : Step_Unary<"softmax"> {
  let summary = "dst = softmax of src's columns (a tile: one head's scores, or a router's)";
  let description = "- C1: dst and src have the same columns";
}
def Step_PvOp : Step_TileOpBase<"pv", [Step_SymbolUser]> {
  let summary = "dst = probabilities of one query head times V";
  let description = [{
    As qk: grid by_row x heads, p of heads * P columns; positions the window has dropped are skipped.

    - C1: the phase is by_row and runs it in `heads` column tasks; dst and p are whole buffers, no tiles
    - C2: `cache` names a step.cache whose heads divide `heads`; dst has heads * head_dim columns, p heads * P
    - C3: window is 0 to 2^31 - 1 and the cache keeps what it shows
  }];
  let arguments = (ins Step_F32Buf:$dst, Step_F32Buf:$p, FlatSymbolRefAttr:$cache, I64Attr:$heads, I64Attr:$window);
  let assemblyFormat = "$dst `,` $p `,` $cache attr-dict `:` type($dst) `,` type($p)";
}
#endif
