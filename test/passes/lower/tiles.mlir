// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 tiles=true})' | FileCheck %s
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32})' | FileCheck %s --check-prefix=PLAIN
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=24 tiles=true})' | FileCheck %s --check-prefix=PLAIN
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 tiles=true compute=f32})' | FileCheck %s --check-prefix=PLAIN

// For a target with a matrix unit, products of 32 rows or a multiple read tiles of bf16; a single row, f32 weights, and
// `compute=f32`, whose promise is to round nothing, do not.
gemma.weight @a {random = 1 : i64} : tensor<32x24xbf16>
gemma.weight @b {random = 2 : i64} : tensor<32x24xf32>
gemma.weight @table {random = 3 : i64} : tensor<10x24xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %y = gemma.linear %x, @a : tensor<1x24xf32> -> tensor<1x32xf32> loc("first")
  return %y : tensor<1x32xf32>
}
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x32xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x24xf32> loc("embed")
  %y = gemma.linear %x, @a : tensor<?x24xf32> -> tensor<?x32xf32> loc("first")
  %z = gemma.linear %y, @b2 : tensor<?x32xf32> -> tensor<?x32xf32> loc("second")
  return %z : tensor<?x32xf32>
}
gemma.weight @b2 {random = 4 : i64} : tensor<32x32xf32>

// CHECK-LABEL: step.entry @decode
// CHECK-NOT: bf16t
// CHECK-LABEL: step.entry @prefill_all
// CHECK: %[[ACT:.*]] = step.buffer "first.pack.act" : memref<32x128xi8>
// CHECK: step.pack %[[ACT]], {{.*}} as bf16t
// CHECK: step.matmul {{.*}}, %[[ACT]], @a as bf16t
// CHECK: step.matmul {{.*}}, @b2 as bf16 :

// PLAIN-NOT: bf16t
