// RUN: gemma-opt %s --gemma-fuse-qkv --split-input-file | FileCheck %s

gemma.weight @q {random = 1 : i64} : tensor<16x8xf32>
gemma.weight @k {random = 2 : i64} : tensor<8x8xf32>
gemma.weight @v {random = 3 : i64} : tensor<8x8xf32>
gemma.weight @gate {random = 4 : i64} : tensor<8x8xf32>
gemma.cache @kv {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}

// The projections that attention reads, through norms and ropes or at once; @gate reads the same h but does not belong.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME: %[[H:.*]]: tensor<?x8xf32>, %[[POS:.*]]: tensor<?xi32>, %[[SEQ:.*]]: tensor<?xi32>
func.func @layer(%h: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> (tensor<?x2x?xf32>, tensor<?x8xf32>) {
  // CHECK: %[[G:.*]] = gemma.linear %[[H]], @gate
  // CHECK: %[[F:.*]]:3 = gemma.fusion ["qkv"] {
  // CHECK-NEXT: %[[Q:.*]] = gemma.linear %[[H]], @q
  // CHECK-NEXT: %[[K:.*]] = gemma.linear %[[H]], @k
  // CHECK-NEXT: %[[V:.*]] = gemma.linear %[[H]], @v
  // CHECK-NEXT: gemma.yield %[[Q]], %[[K]], %[[V]]
  // CHECK: %[[QR:.*]] = gemma.rope %[[F]]#0, %[[POS]]
  // CHECK: %[[KN:.*]] = gemma.rms_norm %[[F]]#1
  // CHECK: gemma.cache_update @kv, %[[KN]], %[[F]]#2, %[[POS]], %[[SEQ]]
  %q = gemma.linear %h, @q : tensor<?x8xf32> -> tensor<?x16xf32>
  %qr = gemma.rope %q, %pos {head_dim = 8 : i64, angles = 4 : i64, theta = 10000.0 : f64} : tensor<?x16xf32>, tensor<?xi32>
  %g = gemma.linear %h, @gate : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = gemma.linear %h, @k : tensor<?x8xf32> -> tensor<?x8xf32>
  %kn = gemma.rms_norm %k {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  %v = gemma.linear %h, @v : tensor<?x8xf32> -> tensor<?x8xf32>
  %kv = gemma.cache_update @kv, %kn, %v, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %s = gemma.qk %qr, %kv, %pos, %seq {heads = 2 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x16xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x2x?xf32>
  return %s, %g : tensor<?x2x?xf32>, tensor<?x8xf32>
}

// -----

gemma.weight @q {random = 1 : i64} : tensor<8x8xf32>
gemma.weight @k {random = 2 : i64} : tensor<8x8xf32>
gemma.cache @kv {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}

// q for the last row only: it has an x of its own and stays alone; so does the single k that gives K and V.
// CHECK-LABEL: func.func @pruned(
func.func @pruned(%h: tensor<?x8xf32>, %h1: tensor<1x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>, %pos1: tensor<1xi32>) -> tensor<1x1x?xf32> {
  // CHECK-NOT: gemma.fusion
  %q = gemma.linear %h1, @q : tensor<1x8xf32> -> tensor<1x8xf32>
  %k = gemma.linear %h, @k : tensor<?x8xf32> -> tensor<?x8xf32>
  %kv = gemma.cache_update @kv, %k, %k, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %s = gemma.qk %q, %kv, %pos1, %pos1 {heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<1x8xf32>, !gemma.kv<1 x 8>, tensor<1xi32> -> tensor<1x1x?xf32>
  return %s : tensor<1x1x?xf32>
}
