// RUN: gemma-opt %s --gemma-fuse-mlp | FileCheck %s

gemma.weight @gate {random = 1 : i64} : tensor<16x8xf32>
gemma.weight @up {random = 2 : i64} : tensor<16x8xf32>
gemma.weight @experts {random = 3 : i64} : tensor<4x12x8xf32>

// CHECK-LABEL: func.func @dense(
// CHECK-SAME: %[[H:.*]]: tensor<?x8xf32>
func.func @dense(%h: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK: %[[F:.*]] = gemma.fusion ["mlp"] {
  // CHECK-NEXT: %[[G:.*]] = gemma.linear %[[H]], @gate
  // CHECK-NEXT: %[[U:.*]] = gemma.linear %[[H]], @up
  // CHECK-NEXT: %[[A:.*]] = gemma.gelu %[[G]]
  // CHECK-NEXT: %[[M:.*]] = gemma.mul %[[U]], %[[A]]
  // CHECK-NEXT: gemma.yield %[[M]]
  // CHECK: return %[[F]]
  %g = gemma.linear %h, @gate : tensor<?x8xf32> -> tensor<?x16xf32>
  %u = gemma.linear %h, @up : tensor<?x8xf32> -> tensor<?x16xf32>
  %a = gemma.gelu %g : tensor<?x16xf32>
  %m = gemma.mul %u, %a : tensor<?x16xf32>
  return %m : tensor<?x16xf32>
}

// CHECK-LABEL: func.func @experts_of_rows(
// CHECK-SAME: %[[H:.*]]: tensor<?x8xf32>, %[[I:.*]]: tensor<?x2xi32>
func.func @experts_of_rows(%h: tensor<?x8xf32>, %i: tensor<?x2xi32>) -> tensor<?x2x6xf32> {
  // CHECK: gemma.fusion ["mlp"] {
  // CHECK-NEXT: %[[GU:.*]] = gemma.expert_linear %[[H]], %[[I]], @experts
  // CHECK-NEXT: %[[G:.*]] = gemma.slice %[[GU]] {offset = 0 : i64, size = 6 : i64}
  // CHECK-NEXT: %[[A:.*]] = gemma.gelu %[[G]]
  // CHECK-NEXT: %[[U:.*]] = gemma.slice %[[GU]] {offset = 6 : i64, size = 6 : i64}
  // CHECK-NEXT: %[[M:.*]] = gemma.mul %[[A]], %[[U]]
  // CHECK-NEXT: gemma.yield %[[M]]
  %gu = gemma.expert_linear %h, %i, @experts : tensor<?x8xf32>, tensor<?x2xi32> -> tensor<?x2x12xf32>
  %g = gemma.slice %gu {offset = 0 : i64, size = 6 : i64} : tensor<?x2x12xf32> -> tensor<?x2x6xf32>
  %a = gemma.gelu %g : tensor<?x2x6xf32>
  %u = gemma.slice %gu {offset = 6 : i64, size = 6 : i64} : tensor<?x2x12xf32> -> tensor<?x2x6xf32>
  %m = gemma.mul %a, %u : tensor<?x2x6xf32>
  return %m : tensor<?x2x6xf32>
}

// Projections of different inputs are two cores.
// CHECK-LABEL: func.func @two_inputs(
func.func @two_inputs(%h: tensor<?x8xf32>, %x: tensor<?x8xf32>) -> tensor<?x16xf32> {
  // CHECK-NOT: gemma.fusion
  %g = gemma.linear %h, @gate : tensor<?x8xf32> -> tensor<?x16xf32>
  %u = gemma.linear %x, @up : tensor<?x8xf32> -> tensor<?x16xf32>
  %a = gemma.gelu %g : tensor<?x16xf32>
  %m = gemma.mul %a, %u : tensor<?x16xf32>
  return %m : tensor<?x16xf32>
}
