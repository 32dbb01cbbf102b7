// RMSNorm.
#ifndef GEMMAC_DIALECT_GEMMA_NORM
#define GEMMAC_DIALECT_GEMMA_NORM
include "dialect/gemma/GemmaDialect.td"

def Gemma_RmsNormOp : Gemma_Op<"rms_norm", [Pure, Gemma_RowWise, SameOperandsAndResultType, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "RMSNorm over groups of columns, gemma4.md (1)";
  let description = [{
    The columns are cut into groups of `group` (a head, the whole row, one layer's PLE); in each,
    `y = x * (mean(x^2) + eps)^(-1/2) * (offset + w)`; without `weight` the last factor is absent. Gemma 3 has offset 1.

    - C1: group is positive and divides the columns
    - C2: eps is 0 or a positive, normal f32
    - C3: `weight`, if given, names a gemma.weight of shape [group]
  }];
  let arguments = (ins Gemma_Activation:$x, OptionalAttr<FlatSymbolRefAttr>:$weight, I64Attr:$group, F64Attr:$eps,
                       DefaultValuedAttr<F64Attr, "0.0">:$offset);
  let results = (outs Gemma_Activation:$result);
  let assemblyFormat = "$x (`,` $weight^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}
#endif
