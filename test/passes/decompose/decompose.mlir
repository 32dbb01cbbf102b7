// RUN: gemma-opt %s --gemma-decompose | FileCheck %s

gemma.weight @gate {random = 1 : i64} : tensor<16x8xf32>
gemma.weight @up {random = 2 : i64} : tensor<16x8xf32>

// CHECK-LABEL: func.func @two(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>
// CHECK-NEXT: %[[G:.*]] = gemma.linear %[[X]], @gate
// CHECK-NEXT: %[[U:.*]] = gemma.linear %[[X]], @up
// CHECK-NEXT: %[[A:.*]] = gemma.gelu %[[G]]
// CHECK-NEXT: %[[M:.*]] = gemma.mul %[[A]], %[[U]]
// CHECK-NEXT: return %[[U]], %[[M]]
func.func @two(%x: tensor<?x8xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %f:2 = gemma.fusion ["a", "b"] {
    %g = gemma.linear %x, @gate : tensor<?x8xf32> -> tensor<?x16xf32>
    %u = gemma.linear %x, @up : tensor<?x8xf32> -> tensor<?x16xf32>
    gemma.yield %g, %u : tensor<?x16xf32>, tensor<?x16xf32>
  } : tensor<?x16xf32>, tensor<?x16xf32>
  %m = gemma.fusion ["c"] {
    %a = gemma.gelu %f#0 : tensor<?x16xf32>
    %p = gemma.mul %a, %f#1 : tensor<?x16xf32>
    gemma.yield %p : tensor<?x16xf32>
  } : tensor<?x16xf32>
  return %f#1, %m : tensor<?x16xf32>, tensor<?x16xf32>
}
