// All ops of the gemma dialect, by family.
#ifndef GEMMAC_DIALECT_GEMMA_OPS
#define GEMMAC_DIALECT_GEMMA_OPS
include "dialect/gemma/GemmaDialect.td"
include "dialect/gemma/GemmaSymbols.td"
include "dialect/gemma/Elementwise.td"
include "dialect/gemma/Norm.td"
include "dialect/gemma/Linear.td"
include "dialect/gemma/Rope.td"
include "dialect/gemma/Attention.td"
include "dialect/gemma/Moe.td"
include "dialect/gemma/Rows.td"
include "dialect/gemma/Fusion.td"
#endif
