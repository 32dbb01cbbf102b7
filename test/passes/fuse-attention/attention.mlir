// RUN: gemma-opt %s --gemma-fuse-attention | FileCheck %s

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:.*]]: tensor<?x8xf32>, %[[KV:.*]]: !gemma.kv<1 x 8>, %[[POS:.*]]: tensor<?xi32>, %[[SEQ:.*]]: tensor<?xi32>
func.func @attention(%q: tensor<?x8xf32>, %kv: !gemma.kv<1 x 8>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x8xf32> {
  // CHECK: %[[F:.*]] = gemma.fusion ["attention"] {
  // CHECK-NEXT: %[[S:.*]] = gemma.qk %[[Q]], %[[KV]]
  // CHECK-NEXT: %[[P:.*]] = gemma.softmax %[[S]]
  // CHECK-NEXT: %[[A:.*]] = gemma.pv %[[P]], %[[KV]]
  // CHECK-NEXT: gemma.yield %[[A]]
  // CHECK: return %[[F]]
  %s = gemma.qk %q, %kv, %pos, %seq {heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x1x?xf32>
  %p = gemma.softmax %s : tensor<?x1x?xf32>
  %a = gemma.pv %p, %kv, %pos, %seq : tensor<?x1x?xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// Scores that somebody else reads have to exist.
// CHECK-LABEL: func.func @observed(
func.func @observed(%q: tensor<?x8xf32>, %kv: !gemma.kv<1 x 8>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x1x?xf32>) {
  // CHECK-NOT: gemma.fusion
  %s = gemma.qk %q, %kv, %pos, %seq {heads = 1 : i64, window = 0 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x1x?xf32>
  %p = gemma.softmax %s : tensor<?x1x?xf32>
  %a = gemma.pv %p, %kv, %pos, %seq : tensor<?x1x?xf32>, !gemma.kv<1 x 8>, tensor<?xi32> -> tensor<?x8xf32>
  return %a, %p : tensor<?x8xf32>, tensor<?x1x?xf32>
}
