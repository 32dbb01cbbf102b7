// The `gemma` dialect: what a Gemma model means, one op per line of gemma4.md section 2. No target knowledge.
#ifndef GEMMAC_DIALECT_GEMMA_DIALECT
#define GEMMAC_DIALECT_GEMMA_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Gemma_Dialect : Dialect {
  let name = "gemma";
  let cppNamespace = "::gemmac::gemma";
  let summary = "Gemma models on tensors, independent of any target";
  let description = [{
    A model is a module of `gemma.weight` and `gemma.cache` symbols and one `func.func` per entry point:

    ```mlir
    func.func @forward(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x2048xf32>
    ```

    The rows of every activation are tokens: row r holds token `%tokens[r]` at absolute position `%pos[r]` of sequence
    `%seq[r]`. So M tokens of B sequences are M rows, whatever their mix. `?` is "all M rows"; a static row count is
    what take_rows left (one row per sequence), or the one row of a decode step. All values are f32: where a stored
    weight has another type its exact f32 value is meant, and the `quant` of a `gemma.weight` says which
    quantise-then-dequantise it goes through first.
  }];
  let useDefaultTypePrinterParser = 1;
}

class Gemma_Op<string mnemonic, list<Trait> traits = []> : Op<Gemma_Dialect, mnemonic, traits>;

/// Each result row depends on the same row of the operands that have rows (and on whole KV caches): the property that
/// lets `take_rows` move up through it, which is all that dead-token elimination needs.
def Gemma_RowWise : NativeOpTrait<"RowWise"> { let cppNamespace = "::gemmac::gemma"; }

def Gemma_KvType : TypeDef<Gemma_Dialect, "Kv"> {
  let mnemonic = "kv";
  let summary = "all keys and values of one cache after an update";
  let description = "`heads` KV heads of `headDim` elements for each position of each sequence.";
  let parameters = (ins "int64_t":$heads, "int64_t":$headDim);
  let assemblyFormat = "`<` $heads `x` $headDim `>`";
}

/// Rows first: [rows, columns] or [rows, pieces, columns]. With one dimension a row-wise op would mix rows.
def Gemma_Activation : TensorRankOf<[F32], [2, 3]>;
def Gemma_Rows2D : 2DTensorOf<[F32]>;
def Gemma_RowIndex : 1DTensorOf<[I32]>;

def Gemma_Quant : I32EnumAttr<"Quant", "how a weight is quantised, in groups of 32 along the input axis", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Q8", 1, "q8">, I32EnumAttrCase<"Q4", 2, "q4">]> {
  let cppNamespace = "::gemmac::gemma";
}
def Gemma_Blocks : I32EnumAttr<"Blocks", "GGUF's block format that a weight is stored in (frontend/GgmlBlocks.h)", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Q4_0", 1, "q4_0">, I32EnumAttrCase<"Q4_1", 2, "q4_1">,
    I32EnumAttrCase<"Q5_0", 3, "q5_0">, I32EnumAttrCase<"Q5_1", 4, "q5_1">, I32EnumAttrCase<"Q8_0", 5, "q8_0">,
    I32EnumAttrCase<"Q4_K", 6, "q4_k">, I32EnumAttrCase<"Q5_K", 7, "q5_k">, I32EnumAttrCase<"Q6_K", 8, "q6_k">]> {
  let cppNamespace = "::gemmac::gemma";
}

#endif
