// Symbols of a model: weights (names of checkpoint tensors, never copies) and KV caches.
#ifndef GEMMAC_DIALECT_GEMMA_SYMBOLS
#define GEMMAC_DIALECT_GEMMA_SYMBOLS

include "dialect/gemma/GemmaDialect.td"

def Gemma_WeightOp : Gemma_Op<"weight", [Symbol]> {
  let summary = "a tensor of the checkpoint";
  let description = [{
    Names `tensor` in `file` at byte `offset`; `type` has the stored shape and element type (f32, f16, bf16). `quant`
    says that the value used is dequantise(quantise(stored)), groups of 32 along the last axis, scale in f16, round to nearest.
    `blocks` names the block format of a tensor that a file already holds quantised: its values are what the blocks decode to, in f32,
    and no pass quantises them again. Tests may give the value itself as `literal`, or `random = seed` for a deterministic pseudo-random
    one, instead of a file.

    - C1: exactly one of file, literal, random is given
    - C2: offset is non-negative and given with file
    - C3: the shape is static, every dimension 1 to 2^31 - 1, and there are at most 2^40 elements
    - C4: literal has this type: shape and element type
    - C5: blocks, other than none, come from a file, with element type f32 and without quant
    - C6: rows of blocks are whole blocks: a multiple of 32 elements, of 256 for q4_k, q5_k and q6_k

    ```mlir
    gemma.weight @layers.0.q {file = "model.safetensors", tensor = "model.layers.0.self_attn.q_proj.weight", offset = 1024 : i64} : tensor<64x64xbf16>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<RankedTensorOf<[F32, F16, BF16]>>:$type,
      OptionalAttr<StrAttr>:$file, OptionalAttr<StrAttr>:$tensor, OptionalAttr<I64Attr>:$offset,
      DefaultValuedAttr<Gemma_Quant, "Quant::None">:$quant, DefaultValuedAttr<Gemma_Blocks, "Blocks::None">:$blocks,
      OptionalAttr<ElementsAttr>:$literal, OptionalAttr<I64Attr>:$random);
  let assemblyFormat = "$sym_name (`quant` `(` $quant^ `)`)? (`blocks` `(` $blocks^ `)`)? attr-dict `:` $type";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    ::llvm::ArrayRef<int64_t> getShape() { return getTensorType().getShape(); }
  }];
}

def Gemma_CacheOp : Gemma_Op<"cache", [Symbol]> {
  let summary = "the KV cache of one layer";
  let description = [{
    Keys and values of `heads` KV heads of `head_dim` elements. `window` = 0 keeps every position up to the context; else only
    the last `window` positions can be asked for.

    - C1: heads and head_dim are positive
    - C2: window is 0 to 2^31 - 1
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$heads, I64Attr:$head_dim, I64Attr:$window);
  let assemblyFormat = "$sym_name attr-dict";
  let hasVerifier = 1;
}

#endif
