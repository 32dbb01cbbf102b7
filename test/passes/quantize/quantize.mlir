// RUN: gemma-opt %s --gemma-quantize="format=q4" | FileCheck %s --check-prefixes=CHECK,Q4
// RUN: gemma-opt %s --gemma-quantize="format=q8" | FileCheck %s --check-prefixes=CHECK,Q8
// RUN: gemma-opt %s --gemma-quantize="format=q4" | gemma-opt --gemma-quantize | FileCheck %s --check-prefix=NONE
// RUN: gemma-opt %s --gemma-quantize="format=q4 exact=layers.0.q,ple" | FileCheck %s --check-prefix=EXACT

// Tables get 8 bits, also where the table is the lm_head.
// CHECK-DAG: gemma.weight @embed quant(q8)
// CHECK-DAG: gemma.weight @ple quant(q8)
gemma.weight @embed {random = 1 : i64} : tensor<64x32xf32>
gemma.weight @ple {random = 2 : i64} : tensor<64x16xf32>
// Small, and everything depends on them: told by what is done with them, whatever they are called.
// CHECK-DAG: gemma.weight @context {random = 3 : i64}
// CHECK-DAG: gemma.weight @layers.0.gate {random = 4 : i64}
// CHECK-DAG: gemma.weight @layers.0.ln_attn {random = 5 : i64}
gemma.weight @context {random = 3 : i64} : tensor<16x32xf32>
gemma.weight @layers.0.gate {random = 4 : i64} : tensor<4x32xf32>
gemma.weight @layers.0.ln_attn {random = 5 : i64} : tensor<32xf32>
// Q4-DAG: gemma.weight @layers.0.q quant(q4)
// Q8-DAG: gemma.weight @layers.0.q quant(q8)
gemma.weight @layers.0.q {random = 6 : i64} : tensor<32x32xf32>
// A name makes no router, and an addition to embedded tokens no PLE projection: @layers.0.router is a plain matrix.
// Q4-DAG: gemma.weight @layers.0.router quant(q4)
// Q4-DAG: gemma.weight @ple_proj quant(q4)
gemma.weight @layers.0.router {random = 7 : i64} : tensor<32x32xf32>
gemma.weight @ple_proj {random = 7 : i64} : tensor<32x16xf32>
// Q4-DAG: gemma.weight @layers.0.expert_down quant(q4)
// Q8-DAG: gemma.weight @layers.0.expert_down quant(q8)
gemma.weight @layers.0.expert_down {random = 8 : i64} : tensor<4x32x32xf32>

// NONE-NOT: quant

// EXACT-DAG: gemma.weight @layers.0.q {random = 6 : i64}
// EXACT-DAG: gemma.weight @ple {random = 2 : i64}
// EXACT-DAG: gemma.weight @ple_proj quant(q4)

func.func @forward(%tokens: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x2xi32>) {
  %x = gemma.embed %tokens, @embed {scale = 2.0 : f64} : tensor<?xi32> -> tensor<?x32xf32>
  %token = gemma.embed %tokens, @ple {scale = 4.0 : f64} : tensor<?xi32> -> tensor<?x16xf32>
  %c = gemma.linear %x, @context : tensor<?x32xf32> -> tensor<?x16xf32>
  %n = gemma.rms_norm %c {group = 8, eps = 0.0} : tensor<?x16xf32>
  %p = gemma.add %n, %token : tensor<?x16xf32>
  %a = gemma.linear %x, @layers.0.q : tensor<?x32xf32> -> tensor<?x32xf32>
  %o = gemma.linear %a, @layers.0.router : tensor<?x32xf32> -> tensor<?x32xf32>
  %y = gemma.add %x, %o : tensor<?x32xf32>
  %r = gemma.linear %y, @layers.0.gate : tensor<?x32xf32> -> tensor<?x4xf32>
  %s = gemma.softmax %r : tensor<?x4xf32>
  %w, %i = gemma.top_k %s {k = 2} : tensor<?x4xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  %l = gemma.linear %y, @embed : tensor<?x32xf32> -> tensor<?x64xf32>
  return %l, %p, %i : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x2xi32>
}
