// Structure: program, weights, caches, entries, buffers, phases, barriers.
#ifndef GEMMAC_DIALECT_STEP_STRUCTURE
#define GEMMAC_DIALECT_STEP_STRUCTURE
include "dialect/step/StepDialect.td"

def Step_ProgramOp : Step_Op<"program", [Symbol, SymbolTable, NoTerminator, SingleBlock, NoRegionArguments]> {
  let summary = "all entry points of a model with what they share";
  let description = [{
    `arena_bytes` shared memory, `scratch_bytes` private memory and `weight_bytes` are set by the memory plan.

    - C1: context, chunk and batch are positive; arena_bytes, scratch_bytes and weight_bytes, where set, not negative
    - C2: the body holds weights, caches and entries only
    - C3: caches overlap neither each other nor a shared buffer of an entry, and all of them end within arena_bytes
      (once offsets are set)
    - C4: weights do not overlap each other and end within weight_bytes (once their offsets and bytes are set)
    - C5: private buffers end within scratch_bytes (once offsets are set)

    ```mlir
    step.program @psalter attributes {context = 64, chunk = 16, batch = 1} {
      step.weight @norm vec {n = 64, k = 1, tile = 64, sources = [@norm]}
      step.cache @kv.0 bf16 {heads = 1, head_dim = 32, window = 0, slots = 64}
      step.entry @decode logits(last) attributes {rows = 1, batch = 1} {
        %x = step.buffer "x" : memref<1x64xf32>
        step.phase "embed" rows(all) cols(1) do {
          step.embed %x, @embed {scale = 8.0} : memref<1x64xf32>
        }
        ...
        step.yield %logits : memref<1x2048xf32>
      }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$context, I64Attr:$chunk, I64Attr:$batch,
      OptionalAttr<I64Attr>:$arena_bytes, OptionalAttr<I64Attr>:$scratch_bytes, OptionalAttr<I64Attr>:$weight_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}
def Step_WeightOp : Step_Op<"weight", [Symbol, HasParent<"ProgramOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a packed weight";
  let description = [{
    `n` rows (outputs) of `k` inputs, made of gemma.weight symbols `sources` in this order (rows one below the other;
    each source's rows padded with zero rows to a multiple of `tile`).
    `tile` is the columns (rows of the weight) of one task of its phase: with `interleave`, task t holds tile/S rows of
    each of the S sources. `n` counts the padded rows. `experts` > 0: that many matrices of n x k, one behind the other.
    `vec`: a plain f32 vector of n elements (k = 1). `rows_*`: row-major n rows of k elements to gather from.
    `offset` is in bytes from the start of the weights, a multiple of 64.

    - C1: n, k, tile positive; tile a multiple of 16 that divides n for p16 formats
    - C2: sources not empty, each naming a gemma.weight of the module; interleave needs at least two, or one of experts
          whose two halves are interleaved, and a tile that gives each part a multiple of 16 rows
    - C3: offset, where set, is a non-negative multiple of 64
    - C4: experts is non-negative, and 0 unless the format is p16; vec has k = 1
    - C5: n, k and experts are those of the sources: matrices of k columns (with experts: one source of `experts` of them)
          whose padded rows are n; vec and rows_*: one source of n elements, or of n rows of k
    - C6: at most 2^44 elements, padding included; bytes, where set, is what the layout takes
    - C7: format is one that the sources are packed as: that of their blocks, with k a multiple of a block; q8p16 or rows_q8 of quant
          q8, q4p16 of quant q4, and formats of floats of others; vec of any but those of a quant
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Step_Format:$format, I64Attr:$n, I64Attr:$k, I64Attr:$tile,
      ArrayAttr:$sources, UnitAttr:$interleave, DefaultValuedAttr<I64Attr, "0">:$experts,
      OptionalAttr<I64Attr>:$offset, OptionalAttr<I64Attr>:$bytes);
  let assemblyFormat = "$sym_name $format attr-dict";
  let hasVerifier = 1;
}
def Step_CacheOp : Step_Op<"cache", [Symbol, HasParent<"ProgramOp">]> {
  let summary = "a KV cache in the arena";
  let description = [{
    Position p lies in slot p mod `slots`; slots is a multiple of 16 and at least the context, or (window > 0) at least
    window - 1 + the most rows of any entry. f32: K is [batch][heads][slots/16][head_dim][16], V
    [batch][heads][slots][head_dim]. bf16, in pairs: K is [batch][heads][slots/16][head_dim/2][16][2], V
    [batch][heads][slots/2][head_dim][2]; head_dim is even. q8, int8 and an f16 scale (max |x| / 127; NaN where an
    x is not finite) for each 32 of a head: K is [batch][heads][slots/16] blocks of [head_dim/4][16][4] int8 and then [head_dim/32][16] scales, V
    [batch][heads] of [slots][head_dim] int8 and then [slots][head_dim/32] scales; head_dim is a multiple of 32.

    - C1: heads, head_dim positive (bf16: head_dim even, q8: a multiple of 32), window 0 to 2^31 - 1
    - C2: slots is a positive multiple of 16, and large enough (see above)
    - C3: k_offset and v_offset, where set, are non-negative multiples of 64
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$heads, I64Attr:$head_dim, I64Attr:$window, I64Attr:$slots,
      Step_KvType:$type, OptionalAttr<I64Attr>:$k_offset, OptionalAttr<I64Attr>:$v_offset);
  let assemblyFormat = "$sym_name $type attr-dict";
  let hasVerifier = 1;
}
def Step_EntryOp : Step_Op<"entry", [Symbol, HasParent<"ProgramOp">, NoRegionArguments, SingleBlock, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "one entry point: a straight line of phases";
  let description = [{
    At most `rows` tokens of `batch` sequences a call. A shared buffer is live from the first phase that touches it to the
    last one; the logits are live to the end.

    - C1: rows and batch positive, rows at least batch
    - C2: the body holds buffers, phases, barriers, prefetches and one yield; one barrier stands between two phases, at
      most one behind the last, none before the first
    - C3: yields one shared buffer, of `batch` rows if logits is last and of `rows` if all; none if logits is none; if top,
      two: the values and the ids of one step.select_top
    - C4: shared buffers that are live at the same time do not overlap (once offsets are set)
    - C5: the columns that are read of a buffer were written before: of a shared one by earlier phases or earlier in the same
      task, of a private one by the same phase's prologue or earlier in the same task; all columns of the logits are written
    - C6: private buffers that one phase touches do not overlap (once offsets are set)
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$rows, DefaultValuedAttr<I64Attr, "1">:$batch, Step_Logits:$logits);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `logits` `(` $logits `)` attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}
def Step_YieldOp : Step_Op<"yield", [Terminator, Pure, ParentOneOf<["EntryOp"]>]> {
  let summary = "ends an entry; names the logits, and of the largest ones the ids";
  let description = "Nothing, the logits, or the largest logits and their ids.";
  let arguments = (ins Variadic<AnyTypeOf<[Step_F32Buf, Step_I32Buf]>>:$buffers);
  let assemblyFormat = "attr-dict ($buffers^ `:` type($buffers))?";
  let builders = [OpBuilder<(ins), [{ (void)$_builder; (void)$_state; }]>];
  let extraClassDeclaration = [{
    /// Null where there are none.
    ::mlir::Value getLogits() { return getBuffers().empty() ? ::mlir::Value() : getBuffers().front(); }
    ::mlir::Value getIds() { return getBuffers().size() < 2 ? ::mlir::Value() : getBuffers()[1]; }
  }];
}
def Step_BufferOp : Step_Op<"buffer", [HasParent<"EntryOp">, MemoryEffects<[MemAlloc]>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "a buffer of activations";
  let description = [{
    Row-major, rows `ld` = columns elements apart. Space "private": in the scratch of whoever runs tasks, valid within
    one phase; else in the arena. `offset` in bytes, a multiple of 64, set by the memory plan.

    - C1: static shape of positive dimensions and at most 2^44 bytes, no layout, memory space none or "private"
    - C2: offset, where set, is a non-negative multiple of 64
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$offset);
  let results = (outs Step_Buf:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
  let hasVerifier = 1;
}
def Step_BarrierOp : Step_Op<"barrier", [HasParent<"EntryOp">, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "everything before has been written before anything after starts";
  let assemblyFormat = "attr-dict";
}
def Step_PrefetchOp : Step_Op<"prefetch", [HasParent<"EntryOp">, MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "bring the first `bytes` of each early task of the next phase's weight nearer while waiting";
  let description = [{
    A hint without a result. Stands before the barrier of the phase that streams `weight`.

    - C1: bytes is positive and at most what one task of the phase streams
    - C2: `weight` names a p16 step.weight, which the next phase uses
    - C3: the barrier of the next phase stands behind it, and no other prefetch of the weight before that barrier
  }];
  let hasVerifier = 1;
  let arguments = (ins FlatSymbolRefAttr:$weight, I64Attr:$bytes);
  let assemblyFormat = "$weight attr-dict";
}
def Step_PhaseOp : Step_Op<"phase", [HasParent<"EntryOp">, NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "a grid of independent tasks";
  let description = [{
    Grid: `cols` column tasks, times the live rows if `by_row`. `rows` says which rows are live. `bytes` and `flops` are what
    the phase moves and computes for one live row and, in `row_bytes`, `row_flops`, for each further one (cost model).

    - C1: cols is 1 to 2^20; bytes, flops, row_bytes and row_flops are not negative
    - C2: no task reads or writes what another task of the phase writes. For buffers: no column of a row that column task c
      writes is read or written by a column task c' != c, or read by the prologue. This holds where every access to a
      written buffer is a tile of the same offset and stride and of a width <= stride, or cols = 1; products read the
      whole of their act. The same holds for private buffers that the prologue writes. For caches: whoever writes a cache
      in a phase, no op of the phase reads it, and no KV head is written by two tasks
    - C3: the prologue writes no shared buffer except by publish, what it publishes no other op of the phase touches, and it
      holds no op that needs a column task (case, matmul, expert_matmul, cache_write, attention, qk, pv, a tile with a stride)
    - C4: buffers have as many rows as are live, except src of take_row (all rows of the entry; nothing in the phase writes
      it) and private buffers of a by_row body (1 row)
    - C5: the regions and those of their cases hold tiles, cases and tile ops only, whose buffers are buffers of the entry
      or tiles of them
    - C6: an op reads columns that it writes only elementwise (or by group: norm, rope, softmax) and in the same tile
    - C7: it holds at most one select_top, and then no attention; what select_top and pack_tile write no other op of it touches
  }];
  let arguments = (ins StrAttr:$name, Step_Rows:$rows, I64Attr:$cols, UnitAttr:$by_row,
      DefaultValuedAttr<I64Attr, "0">:$bytes, DefaultValuedAttr<I64Attr, "0">:$flops,
      DefaultValuedAttr<I64Attr, "0">:$row_bytes, DefaultValuedAttr<I64Attr, "0">:$row_flops);
  let regions = (region AnyRegion:$prologue, SizedRegion<1>:$body);
  let extraClassDeclaration = [{
    /// Tasks of a step of `rows` live rows.
    int64_t tasks(int64_t rows) { return static_cast<int64_t>(getCols()) * (getByRow() ? rows : 1); }
  }];
  let assemblyFormat = "$name `rows` `(` $rows `)` `cols` `(` $cols `)` (`by_row` $by_row^)? attr-dict (`prologue` $prologue^)? `do` $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}
def Step_CaseOp : Step_Op<"case", [NoRegionArguments, NoTerminator, SingleBlock, ParentOneOf<["PhaseOp"]>]> {
  let summary = "ops of the column tasks [begin, end) only";
  let description = [{
    Inside, the column task index counts from `begin`, for tiles as for the tile ops.

    - C1: 0 <= begin < end <= cols of the phase
  }];
  let arguments = (ins I64Attr:$begin, I64Attr:$end);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$begin `to` $end attr-dict-with-keyword $body";
  let hasVerifier = 1;
}
// Not pure: CSE would let an equal tile outside of a case stand for the one inside, where c counts otherwise.
def Step_TileOp : Step_Op<"tile", [ParentOneOf<["PhaseOp", "CaseOp"]>]> {
  let summary = "a view of columns [offset + stride * c, ... + width) of a buffer for column task c";
  let description = [{
    All rows, or the task's row in a by_row phase. A buffer used without a tile is a tile of offset 0, stride 0, full width.

    - C1: offset non-negative, stride 0 to the columns of the buffer, width positive, and the tile of the last task ends within the buffer, which is no tile
    - C2: the result has the buffer's rows, element type and memory space, and `width` columns
    - C3: it is used in its own block only: c counts from the beginning of a case
  }];
  let arguments = (ins Step_Buf:$buffer, I64Attr:$offset, I64Attr:$stride, I64Attr:$width);
  let results = (outs Res<Step_Buf, "the view", [MemAlloc]>:$result);
  let assemblyFormat = "$buffer attr-dict `:` type($buffer) `->` type($result)";
  let hasVerifier = 1;
}
#endif
