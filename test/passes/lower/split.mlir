// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// A weight is packed once for all entries. Where one entry reads k without q (dead tokens), q and k are not merged: each
// case of the phase that reads both has a product of its own.
gemma.weight @layers.0.q {random = 1 : i64} : tensor<64x32xf32>
gemma.weight @layers.0.k {random = 2 : i64} : tensor<32x32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>
gemma.cache @kv.0 {heads = 1 : i64, head_dim = 32 : i64, window = 0 : i64}

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x32xf32> loc("embed")
  %f:2 = gemma.fusion ["qkv"] {
    %q = gemma.linear %x, @layers.0.q : tensor<1x32xf32> -> tensor<1x64xf32> loc("layers.0.q")
    %k = gemma.linear %x, @layers.0.k : tensor<1x32xf32> -> tensor<1x32xf32> loc("layers.0.k")
    gemma.yield %q, %k : tensor<1x64xf32>, tensor<1x32xf32>
  } : tensor<1x64xf32>, tensor<1x32xf32>
  %kv = gemma.cache_update @kv.0, %f#1, %f#1, %pos, %seq : tensor<1x32xf32>, tensor<1xi32> -> !gemma.kv<1 x 32>
  return %f#0 : tensor<1x64xf32>
}
func.func @prefill_none(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "prefill_none"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %k = gemma.linear %x, @layers.0.k : tensor<?x32xf32> -> tensor<?x32xf32> loc("layers.0.k")
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %seq : tensor<?x32xf32>, tensor<?xi32> -> !gemma.kv<1 x 32>
  return
}

// CHECK-COUNT-1: step.weight @layers.0.q f32p16
// CHECK-COUNT-1: step.weight @layers.0.k f32p16
// CHECK-NOT: step.weight @layers.0
// CHECK-LABEL: step.entry @decode
// CHECK: step.phase "layers.0.qkv" rows(all) cols(3)
// CHECK: step.case 0 to 2 {
// CHECK-NEXT: step.tile
// CHECK-NEXT: step.matmul %{{.*}}, @layers.0.q as bf16
// CHECK: step.case 2 to 3 {
// CHECK-NEXT: step.matmul %{{.*}}, @layers.0.k as bf16
// CHECK-LABEL: step.entry @prefill_none
// CHECK: step.matmul %{{.*}}, @layers.0.k as bf16
