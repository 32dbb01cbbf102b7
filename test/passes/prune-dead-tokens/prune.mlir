// RUN: gemma-opt %s --gemma-prune-dead-tokens --split-input-file | FileCheck %s

gemma.weight @a {random = 1 : i64} : tensor<8x8xf32>
gemma.weight @b {random = 2 : i64} : tensor<8x8xf32>

// What all rows need stays: the operand of a cache_update. The rest is done for the last row, from one take_rows.
// CHECK-LABEL: func.func @stream(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[POS:.*]]: tensor<?xi32>, %[[SEQ:.*]]: tensor<?xi32>
gemma.cache @kv {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}
func.func @stream(%x: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x8xf32> {
  // CHECK-DAG: %[[S1:.*]] = gemma.take_rows %[[SEQ]], %[[SEQ]] {batch = 1 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<1xi32>
  // CHECK-DAG: %[[P1:.*]] = gemma.take_rows %[[POS]], %[[SEQ]]
  // CHECK: %[[K:.*]] = gemma.linear %[[X]], @a : tensor<?x8xf32> -> tensor<?x8xf32>
  %k = gemma.linear %x, @a : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: %[[K1:.*]] = gemma.take_rows %[[K]], %[[SEQ]]
  // CHECK: %[[KV:.*]] = gemma.cache_update @kv, %[[K]], %[[K]], %[[POS]], %[[SEQ]]
  %kv = gemma.cache_update @kv, %k, %k, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  // CHECK: %[[Q:.*]] = gemma.rope %[[K1]], %[[P1]] {{.*}} : tensor<1x8xf32>, tensor<1xi32>
  %q = gemma.rope %k, %pos {head_dim = 8 : i64, angles = 4 : i64, theta = 10000.0 : f64} : tensor<?x8xf32>, tensor<?xi32>
  // CHECK: %[[QK:.*]] = gemma.qk %[[Q]], %[[KV]], %[[P1]], %[[S1]] {{.*}} -> tensor<1x1x?xf32>
  %s = gemma.qk %q, %kv, %pos, %seq {heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x1x?xf32>
  // CHECK: gemma.softmax %[[QK]] : tensor<1x1x?xf32>
  %p = gemma.softmax %s : tensor<?x1x?xf32>
  // CHECK: gemma.pv {{.*}} -> tensor<1x8xf32>
  %o = gemma.pv %p, %kv, %pos, %seq : tensor<?x1x?xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x8xf32>
  // CHECK: %[[SUM:.*]] = gemma.add %{{.*}}, %[[K1]] : tensor<1x8xf32>
  %r = gemma.add %o, %k : tensor<?x8xf32>
  // CHECK-NOT: take_rows
  // CHECK: return %[[SUM]]
  %l = gemma.take_rows %r, %seq {batch = 1 : i64} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  return %l : tensor<1x8xf32>
}

// -----

gemma.weight @a {random = 1 : i64} : tensor<8x8xf32>
gemma.weight @ln {random = 2 : i64} : tensor<8xf32>

// An RMSNorm that all rows need is done again for the last one: its projection need not wait for the others.
// CHECK-LABEL: func.func @norm_again(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[SEQ:.*]]: tensor<?xi32>
func.func @norm_again(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<1x8xf32>) {
  // CHECK: %[[X1:.*]] = gemma.take_rows %[[X]], %[[SEQ]]
  // CHECK: %[[H:.*]] = gemma.rms_norm %[[X]], @ln {{.*}} : tensor<?x8xf32>
  // CHECK: %[[H1:.*]] = gemma.rms_norm %[[X1]], @ln {{.*}} : tensor<1x8xf32>
  %h = gemma.rms_norm %x, @ln {group = 8 : i64, eps = 1.0e-6 : f64} : tensor<?x8xf32>
  // CHECK: gemma.linear %[[H1]], @a : tensor<1x8xf32> -> tensor<1x8xf32>
  %q = gemma.linear %h, @a : tensor<?x8xf32> -> tensor<?x8xf32>
  %l = gemma.take_rows %q, %seq {batch = 1 : i64} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  return %h, %l : tensor<?x8xf32>, tensor<1x8xf32>
}

// -----

// Both results of an op move together; different rows do not mix.
// CHECK-LABEL: func.func @two_results(
// CHECK-SAME: %[[P:.*]]: tensor<?x4xf32>, %[[SEQ:.*]]: tensor<?xi32>
func.func @two_results(%p: tensor<?x4xf32>, %seq: tensor<?xi32>) -> (tensor<1x2xf32>, tensor<1x2xi32>, tensor<1x4xf32>, tensor<2x4xf32>) {
  // CHECK: %[[P1:.*]] = gemma.take_rows %[[P]], %[[SEQ]] {batch = 1 : i64}
  // CHECK: %[[W:.*]], %[[I:.*]] = gemma.top_k %[[P1]] {k = 2 : i64} : tensor<1x4xf32> -> tensor<1x2xf32>, tensor<1x2xi32>
  %w, %i = gemma.top_k %p {k = 2 : i64} : tensor<?x4xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  %w1 = gemma.take_rows %w, %seq {batch = 1 : i64} : tensor<?x2xf32>, tensor<?xi32> -> tensor<1x2xf32>
  %i1 = gemma.take_rows %i, %seq {batch = 1 : i64} : tensor<?x2xi32>, tensor<?xi32> -> tensor<1x2xi32>
  // CHECK: %[[G:.*]] = gemma.gelu %[[P]] : tensor<?x4xf32>
  %g = gemma.gelu %p : tensor<?x4xf32>
  // CHECK-DAG: %[[G1:.*]] = gemma.take_rows %[[G]], %[[SEQ]] {batch = 1 : i64}
  // CHECK-DAG: %[[G2:.*]] = gemma.take_rows %[[G]], %[[SEQ]] {batch = 2 : i64}
  %g1 = gemma.take_rows %g, %seq {batch = 1 : i64} : tensor<?x4xf32>, tensor<?xi32> -> tensor<1x4xf32>
  %g2 = gemma.take_rows %g, %seq {batch = 2 : i64} : tensor<?x4xf32>, tensor<?xi32> -> tensor<2x4xf32>
  // CHECK: return %[[W]], %[[I]], %[[G1]], %[[G2]]
  return %w1, %i1, %g1, %g2 : tensor<1x2xf32>, tensor<1x2xi32>, tensor<1x4xf32>, tensor<2x4xf32>
}

// -----

// The entry whose logits nobody reads keeps its caches only.
gemma.cache @kv {heads = 1 : i64, head_dim = 8 : i64, window = 0 : i64}
// CHECK-LABEL: func.func @prefill_none(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[POS:.*]]: tensor<?xi32>, %[[SEQ:.*]]: tensor<?xi32>) attributes {gemma.entry = "prefill_none"} {
func.func @prefill_none(%x: tensor<?x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x8xf32> attributes {gemma.entry = "prefill_none"} {
  // CHECK-NEXT: gemma.cache_update @kv, %[[X]], %[[X]], %[[POS]], %[[SEQ]]
  // CHECK-NEXT: return
  %kv = gemma.cache_update @kv, %x, %x, %pos, %seq : tensor<?x8xf32>, tensor<?xi32> -> !gemma.kv<1 x 8>
  %g = gemma.gelu %x : tensor<?x8xf32>
  %l = gemma.take_rows %g, %seq {batch = 1 : i64} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  return %l : tensor<1x8xf32>
}
