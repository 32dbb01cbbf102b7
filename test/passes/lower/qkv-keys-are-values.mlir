// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// attention_k_eq_v, gemma4.md (17): V is the norm of the raw K projection. The case of k writes both halves of the cache,
// and the raw columns outlive the key's norm.
gemma.weight @layers.5.q {random = 1 : i64} : tensor<64x24xf32>
gemma.weight @layers.5.k {random = 2 : i64} : tensor<32x24xf32>
gemma.weight @k_norm {random = 5 : i64} : tensor<16xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x24xf32>
gemma.cache @kv.5 {heads = 2 : i64, head_dim = 16 : i64, window = 0 : i64}

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %f:2 = gemma.fusion ["qkv", "qknorm-rope-kv"] {
    %q = gemma.linear %x, @layers.5.q : tensor<1x24xf32> -> tensor<1x64xf32> loc("layers.5.q")
    %k = gemma.linear %x, @layers.5.k : tensor<1x24xf32> -> tensor<1x32xf32> loc("layers.5.k")
    %kn = gemma.rms_norm %k, @k_norm {group = 16 : i64, eps = 0.0 : f64} : tensor<1x32xf32>
    %kr = gemma.rope %kn, %pos {head_dim = 16 : i64, angles = 2 : i64, theta = 1.0e6 : f64} : tensor<1x32xf32>, tensor<1xi32>
    %vn = gemma.rms_norm %k {group = 16 : i64, eps = 0.0 : f64} : tensor<1x32xf32>
    %kv = gemma.cache_update @kv.5, %kr, %vn, %pos, %seq : tensor<1x32xf32>, tensor<1xi32> -> !gemma.kv<2 x 16>
    gemma.yield %q, %kv : tensor<1x64xf32>, !gemma.kv<2 x 16>
  } : tensor<1x64xf32>, !gemma.kv<2 x 16>
  return %f#0 : tensor<1x64xf32>
}

// CHECK: step.weight @layers.5.q_k f32p16 {{.*}}n = 96
// CHECK: %[[T:.*]] = step.buffer "layers.5.qkv.tile" : memref<1x16xf32, "private">
// CHECK: %[[Q:.*]] = step.buffer "layers.5.q" : memref<1x64xf32>
// CHECK: %[[K:.*]] = step.buffer "layers.5.qkv" : memref<1x16xf32, "private">
// CHECK: step.phase "layers.5.qkv" rows(all) cols(6)
// CHECK: step.case 0 to 4 {
// CHECK-NEXT: %[[QT:.*]] = step.tile %[[Q]]
// CHECK-NEXT: step.copy %[[QT]], %[[T]]
// CHECK: step.case 4 to 6 {
// CHECK-NEXT: step.norm %[[K]], %[[T]], @k_norm
// CHECK-NEXT: step.rope %[[K]], %[[K]],
// CHECK-NEXT: step.norm %[[T]], %[[T]] {
// CHECK-NEXT: step.cache_write @kv.5 k, %[[K]]
// CHECK-NEXT: step.cache_write @kv.5 v, %[[T]]
