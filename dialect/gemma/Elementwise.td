// Elementwise ops on rows.
#ifndef GEMMAC_DIALECT_GEMMA_ELEMENTWISE
#define GEMMAC_DIALECT_GEMMA_ELEMENTWISE
include "dialect/gemma/GemmaDialect.td"

class Gemma_Binary<string mnemonic> : Gemma_Op<mnemonic, [Pure, Gemma_RowWise, Commutative, SameOperandsAndResultType]> {
  let arguments = (ins Gemma_Activation:$lhs, Gemma_Activation:$rhs);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}
class Gemma_Unary<string mnemonic> : Gemma_Op<mnemonic, [Pure, Gemma_RowWise, SameOperandsAndResultType]> {
  let arguments = (ins Gemma_Activation:$x);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($result)";
}

def Gemma_AddOp : Gemma_Binary<"add"> { let summary = "lhs + rhs"; }
def Gemma_MulOp : Gemma_Binary<"mul"> { let summary = "lhs * rhs, elementwise"; }
def Gemma_GeluOp : Gemma_Unary<"gelu"> {
  let summary = "gelu_tanh, gemma4.md (2)";
  let description = "`0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`";
}
def Gemma_ScaleOp : Gemma_Unary<"scale"> {
  let summary = "x * factor, a compile-time constant";
  let description = [{
    A scale by 1 folds away; scales of scales fold into one, which rounds once where two rounded twice, unless a factor
    or their product is no normal f32: two factors may overflow on the way where one does not.
  }];
  let arguments = (ins Gemma_Activation:$x, F64Attr:$factor);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}
def Gemma_ScaleByOp : Gemma_Op<"scale_by", [Pure, Gemma_RowWise, SameOperandsAndResultType, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "x * w: a scalar weight [1] or one factor per column [C]";
  let description = [{
    layer_scalar (14), router.scale (20).

    - C1: `weight` names a gemma.weight
    - C2: it has the shape [1] or [columns of x]
  }];
  let arguments = (ins Gemma_Activation:$x, FlatSymbolRefAttr:$weight);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($result)";
}
def Gemma_SoftcapOp : Gemma_Unary<"softcap"> {
  let summary = "cap * tanh(x / cap), gemma4.md (25)";
  let description = "- C1: cap is a positive, normal f32";
  let arguments = (ins Gemma_Activation:$x, F64Attr:$cap);
  let hasVerifier = 1;
}
def Gemma_SliceOp : Gemma_Op<"slice", [Pure, Gemma_RowWise]> {
  let summary = "columns [offset, offset + size) of the last axis";
  let description = [{
    - C1: 0 <= offset and offset + size <= columns of x
    - C2: the result has x's shape but for `size` columns
    A slice of all columns folds away.
  }];
  let arguments = (ins Gemma_Activation:$x, I64Attr:$offset, I64Attr:$size);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}
#endif
