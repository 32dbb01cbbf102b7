// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=60 chunk=8 kv=f32})' | FileCheck %s

// q, k and v are one packed weight with tasks of one head. Each source's tasks are a case, with the head's norm, RoPE and
// cache write in it; inside a case tasks count from its begin.
gemma.weight @layers.0.q {random = 1 : i64} : tensor<64x24xf32>
gemma.weight @layers.0.k {random = 2 : i64} : tensor<32x24xf32>
gemma.weight @layers.0.v {random = 3 : i64} : tensor<32x24xf32>
gemma.weight @q_norm {random = 4 : i64} : tensor<16xf32>
gemma.weight @k_norm {random = 5 : i64} : tensor<16xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x24xf32>
gemma.cache @kv.0 {heads = 2 : i64, head_dim = 16 : i64, window = 0 : i64}

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %f:2 = gemma.fusion ["qkv", "qknorm-rope-kv"] {
    %q = gemma.linear %x, @layers.0.q : tensor<1x24xf32> -> tensor<1x64xf32> loc("layers.0.q")
    %k = gemma.linear %x, @layers.0.k : tensor<1x24xf32> -> tensor<1x32xf32> loc("layers.0.k")
    %v = gemma.linear %x, @layers.0.v : tensor<1x24xf32> -> tensor<1x32xf32> loc("layers.0.v")
    %qn = gemma.rms_norm %q, @q_norm {group = 16 : i64, eps = 0.0 : f64} : tensor<1x64xf32>
    %kn = gemma.rms_norm %k, @k_norm {group = 16 : i64, eps = 0.0 : f64} : tensor<1x32xf32>
    %qr = gemma.rope %qn, %pos {head_dim = 16 : i64, angles = 8 : i64, theta = 1.0e4 : f64} : tensor<1x64xf32>, tensor<1xi32> loc("layers.0.q_rope")
    %kr = gemma.rope %kn, %pos {head_dim = 16 : i64, angles = 8 : i64, theta = 1.0e4 : f64} : tensor<1x32xf32>, tensor<1xi32>
    %vn = gemma.rms_norm %v {group = 16 : i64, eps = 0.0 : f64} : tensor<1x32xf32>
    %kv = gemma.cache_update @kv.0, %kr, %vn, %pos, %seq : tensor<1x32xf32>, tensor<1xi32> -> !gemma.kv<2 x 16>
    gemma.yield %qr, %kv : tensor<1x64xf32>, !gemma.kv<2 x 16>
  } : tensor<1x64xf32>, !gemma.kv<2 x 16>
  return %f#0 : tensor<1x64xf32>
}

// CHECK: step.cache @kv.0 f32 {{.*}}slots = 64
// CHECK: step.weight @layers.0.q_k_v f32p16 {k = 24 : i64, n = 128 : i64, sources = [@layers.0.q, @layers.0.k, @layers.0.v], tile = 16 : i64}
// CHECK: %[[ROPE:.*]] = step.buffer "rope" : memref<1x16xf32>
// CHECK: step.phase "rope" rows(all) cols(1) by_row
// CHECK:   step.rope_table %[[ROPE]] {angles = 8 : i64, factor = 1.000000e+00 : f64, head_dim = 16 : i64, round, theta = 1.000000e+04 : f64}
// CHECK: %[[T:.*]] = step.buffer "layers.0.qkv.tile" : memref<1x16xf32, "private">
// CHECK: %[[Q:.*]] = step.buffer "layers.0.q_rope" : memref<1x64xf32>
// CHECK: step.phase "layers.0.qkv" rows(all) cols(8) prologue {
// CHECK: } do {
// CHECK-NEXT: step.matmul %[[T]], %{{.*}}, @layers.0.q_k_v
// CHECK-NEXT: step.case 0 to 4 {
// CHECK-NEXT:   step.norm %[[T]], %[[T]], @q_norm
// CHECK-NEXT:   %[[QT:.*]] = step.tile %[[Q]] {offset = 0 : i64, stride = 16 : i64, width = 16 : i64}
// CHECK-NEXT:   step.rope %[[QT]], %[[T]], %[[ROPE]]
// CHECK: step.case 4 to 6 {
// CHECK-NEXT:   step.norm %[[T]], %[[T]], @k_norm
// CHECK-NEXT:   step.rope %[[T]], %[[T]], %[[ROPE]]
// CHECK-NEXT:   step.cache_write @kv.0 k, %[[T]] {head_stride = 1 : i64}
// CHECK: step.case 6 to 8 {
// CHECK-NEXT:   step.norm %[[T]], %[[T]] {
// CHECK-NEXT:   step.cache_write @kv.0 v, %[[T]] {head_stride = 1 : i64}
