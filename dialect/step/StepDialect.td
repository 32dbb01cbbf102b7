// The `step` dialect: one step of a model as a schedule - phases of tasks on planned buffers - for any target.
#ifndef GEMMAC_DIALECT_STEP_DIALECT
#define GEMMAC_DIALECT_STEP_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Step_Dialect : Dialect {
  let name = "step";
  let cppNamespace = "::gemmac::step";
  let summary = "the schedule of one step: phases, tasks, buffers, barriers, prefetches, costs";
  let description = [{
    A `step.program` holds packed weights, caches and one `step.entry` per entry point. An entry is a straight line of
    phases. A phase is a grid of independent tasks; whoever runs it may run them in any order and anywhere, but a phase
    starts only after the `step.barrier` before it. A task is a short list of tile ops on views of buffers.

    The grid has `cols` column tasks, times one per live row if the phase is `by_row`; otherwise each task does all
    rows. "All rows" is the live M of the step, at most the entry's `rows`; rows `last` means one row per sequence.

    Buffers in memory space "private" belong to whoever runs tasks (its scratch); the rest is shared memory of the step,
    at offsets that the memory plan fixed. The prologue of a phase runs before the first task that somebody runs there,
    once for each of them, and so writes private buffers only, except for `step.publish`, which happens exactly once.

    Nothing here says thread, block, core or SM: that is the emitter's.

    Attributes of the dialect on its ops, and no others: `step.kernel` on a product, what `gemmac --autotune` chose for it;
    `step.machine` on a program and `step.predicted_us` on its phases, how long they should take on which machine.
  }];
  let hasOperationAttrVerify = 1;
}

class Step_Op<string mnemonic, list<Trait> traits = []> : Op<Step_Dialect, mnemonic, traits>;

class Step_Enum<string name, string what, list<I32EnumAttrCase> cases> : I32EnumAttr<name, what, cases> {
  let cppNamespace = "::gemmac::step";
}
/// Which rows a phase computes.
def Step_Rows : Step_Enum<"Rows", "live rows", [I32EnumAttrCase<"All", 0, "all">, I32EnumAttrCase<"Last", 1, "last">]>;
/// top: of the last row, and of its logits the largest only, with their ids.
def Step_Logits : Step_Enum<"Logits", "rows whose logits an entry yields",
    [I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Last", 1, "last">, I32EnumAttrCase<"All", 2, "all">,
     I32EnumAttrCase<"Top", 3, "top">]>;
/// Activations inside matmuls. bf16 is held as f32 rounded to bf16; i8 has an f32 scale and an i32 sum per 32 elements.
/// bf16t: bf16 in tiles of 16 rows x 32 k, for matrix units.
def Step_Act : Step_Enum<"Act", "activation format inside a product",
    [I32EnumAttrCase<"F32", 0, "f32">, I32EnumAttrCase<"BF16", 1, "bf16">, I32EnumAttrCase<"I8", 2, "i8">,
     I32EnumAttrCase<"BF16T", 3, "bf16t">]>;
/// Packed layouts, docs/architecture.md. p16: panels of 16 rows, superblocks of 64 k. vec: a plain f32 vector. rows: a table to gather from.
def Step_Format : Step_Enum<"Format", "weight layout", [
    I32EnumAttrCase<"Vec", 0, "vec">, I32EnumAttrCase<"F32P16", 1, "f32p16">, I32EnumAttrCase<"BF16P16", 2, "bf16p16">,
    I32EnumAttrCase<"Q8P16", 3, "q8p16">, I32EnumAttrCase<"Q4P16", 4, "q4p16">,
    I32EnumAttrCase<"RowsF32", 5, "rows_f32">, I32EnumAttrCase<"RowsBF16", 6, "rows_bf16">, I32EnumAttrCase<"RowsQ8", 7, "rows_q8">, I32EnumAttrCase<"F16P16", 8, "f16p16">, I32EnumAttrCase<"RowsF16", 9, "rows_f16">,
    // Imported blocks (GGUF), codes as stored: q4_0 and q8_0 are q4p16 and q8p16.
    I32EnumAttrCase<"Q5P16", 10, "q5p16">, I32EnumAttrCase<"Q4MP16", 11, "q4mp16">, I32EnumAttrCase<"Q5MP16", 12, "q5mp16">,
    I32EnumAttrCase<"Q4KP16", 13, "q4kp16">, I32EnumAttrCase<"Q5KP16", 14, "q5kp16">, I32EnumAttrCase<"Q6KP16", 15, "q6kp16">,
    I32EnumAttrCase<"RowsQ4_0", 16, "rows_q4_0">, I32EnumAttrCase<"RowsQ4_1", 17, "rows_q4_1">, I32EnumAttrCase<"RowsQ5_0", 18, "rows_q5_0">,
    I32EnumAttrCase<"RowsQ5_1", 19, "rows_q5_1">, I32EnumAttrCase<"RowsQ8_0", 20, "rows_q8_0">, I32EnumAttrCase<"RowsQ4_K", 21, "rows_q4_k">,
    I32EnumAttrCase<"RowsQ5_K", 22, "rows_q5_k">, I32EnumAttrCase<"RowsQ6_K", 23, "rows_q6_k">]>;
def Step_KvType : Step_Enum<"KvType", "element type of a cache", [I32EnumAttrCase<"F32", 0, "f32">, I32EnumAttrCase<"BF16", 1, "bf16">, I32EnumAttrCase<"Q8", 2, "q8">]>;
def Step_Which : Step_Enum<"Which", "half of a cache", [I32EnumAttrCase<"K", 0, "k">, I32EnumAttrCase<"V", 1, "v">]>;

/// A buffer or a tile of one: [rows, columns] (or [rows, bytes] for i8 activations).
def Step_Buf : MemRefRankOf<[F32, I8, I32], [2]>;
def Step_F32Buf : MemRefRankOf<[F32], [2]>;
def Step_I32Buf : MemRefRankOf<[I32], [2]>;

#endif
