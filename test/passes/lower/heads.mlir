// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// Heads of 24 columns are no whole panels of 16: q, k and v go to one buffer, and norms, RoPE and the cache write are a
// row-wise phase behind them, on views of it.
gemma.weight @layers.0.q {random = 1 : i64} : tensor<48x32xf32>
gemma.weight @layers.0.k {random = 2 : i64} : tensor<24x32xf32>
gemma.weight @layers.0.v {random = 3 : i64} : tensor<24x32xf32>
gemma.weight @q_norm {random = 4 : i64} : tensor<24xf32>
gemma.weight @k_norm {random = 5 : i64} : tensor<24xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>
gemma.cache @kv.0 {heads = 1 : i64, head_dim = 24 : i64, window = 0 : i64}

func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x48xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %f:2 = gemma.fusion ["qkv", "qknorm-rope-kv"] {
    %q = gemma.linear %x, @layers.0.q : tensor<?x32xf32> -> tensor<?x48xf32> loc("layers.0.q")
    %k = gemma.linear %x, @layers.0.k : tensor<?x32xf32> -> tensor<?x24xf32> loc("layers.0.k")
    %v = gemma.linear %x, @layers.0.v : tensor<?x32xf32> -> tensor<?x24xf32> loc("layers.0.v")
    %qn = gemma.rms_norm %q, @q_norm {group = 24 : i64, eps = 0.0 : f64} : tensor<?x48xf32> loc("layers.0.q_norm")
    %qr = gemma.rope %qn, %pos {head_dim = 24 : i64, angles = 12 : i64, theta = 1.0e4 : f64} : tensor<?x48xf32>, tensor<?xi32> loc("layers.0.q_rope")
    %kn = gemma.rms_norm %k, @k_norm {group = 24 : i64, eps = 0.0 : f64} : tensor<?x24xf32> loc("layers.0.k_norm")
    %kr = gemma.rope %kn, %pos {head_dim = 24 : i64, angles = 12 : i64, theta = 1.0e4 : f64} : tensor<?x24xf32>, tensor<?xi32> loc("layers.0.k_rope")
    %kv = gemma.cache_update @kv.0, %kr, %v, %pos, %seq : tensor<?x24xf32>, tensor<?xi32> -> !gemma.kv<1 x 24> loc("layers.0.kv")
    gemma.yield %qr, %kv : tensor<?x48xf32>, !gemma.kv<1 x 24>
  } : tensor<?x48xf32>, !gemma.kv<1 x 24>
  return %f#0 : tensor<?x48xf32>
}

// CHECK: step.weight @layers.0.q_k_v f32p16 {k = 32 : i64, n = 112 : i64, {{.*}}tile = 16 : i64}
// CHECK: %[[ALL:.*]] = step.buffer "layers.0.qkv" : memref<8x112xf32>
// CHECK: step.phase "layers.0.qkv" rows(all) cols(7)
// CHECK: } do {
// CHECK-NEXT: %[[T:.*]] = step.tile %[[ALL]] {offset = 0 : i64, stride = 16 : i64, width = 16 : i64}
// CHECK-NEXT: step.matmul %[[T]],
// CHECK-NEXT: }
// CHECK: %[[Q:.*]] = step.buffer "layers.0.q_rope" : memref<8x48xf32>
// CHECK: step.phase "layers.0.heads" rows(all) cols(1) by_row
// CHECK:   %[[QV:.*]] = step.tile %[[ALL]] {offset = 0 : i64, stride = 0 : i64, width = 48 : i64}
// CHECK:   step.norm %[[QN:.*]], %[[QV]], @q_norm {{.*}}group = 24
// CHECK:   step.rope %[[Q]], %[[QN]]
// CHECK:   %[[KV:.*]] = step.tile %[[ALL]] {offset = 48 : i64, stride = 0 : i64, width = 24 : i64}
// CHECK:   step.norm %[[KN:.*]], %[[KV]], @k_norm
// CHECK:   step.rope %[[KN]], %[[KN]]
// CHECK:   step.cache_write @kv.0 k, %[[KN]] :
// CHECK:   %[[VV:.*]] = step.tile %[[ALL]] {offset = 80 : i64, stride = 0 : i64, width = 24 : i64}
// CHECK:   step.cache_write @kv.0 v, %[[VV]] :
