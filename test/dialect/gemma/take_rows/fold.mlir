// RUN: gemma-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @already
// CHECK-SAME: (%[[X:.*]]: tensor<1x8xf32>
func.func @already(%x: tensor<1x8xf32>, %seq: tensor<1xi32>) -> tensor<1x8xf32> {
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<1x8xf32>, tensor<1xi32> -> tensor<1x8xf32>
  // CHECK-NEXT: return %[[X]]
  return %a : tensor<1x8xf32>
}

// CHECK-LABEL: func.func @needed
func.func @needed(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) -> tensor<1x8xf32> {
  // CHECK: gemma.take_rows
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  return %a : tensor<1x8xf32>
}

// Two rows of two sequences may come in another order.
// CHECK-LABEL: func.func @two
func.func @two(%x: tensor<2x8xf32>, %seq: tensor<2xi32>) -> tensor<2x8xf32> {
  // CHECK: gemma.take_rows
  %a = gemma.take_rows %x, %seq {batch = 2} : tensor<2x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return %a : tensor<2x8xf32>
}

// What take_rows has left of seq is in order.
// CHECK-LABEL: func.func @in_order
// CHECK-SAME: (%[[X:.*]]: tensor<2x8xf32>
func.func @in_order(%x: tensor<2x8xf32>, %seq: tensor<?xi32>) -> tensor<2x8xf32> {
  // CHECK-NOT: gemma.take_rows %[[X]]
  // CHECK: return %[[X]]
  %s = gemma.take_rows %seq, %seq {batch = 2} : tensor<?xi32>, tensor<?xi32> -> tensor<2xi32>
  %a = gemma.take_rows %x, %s {batch = 2} : tensor<2x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return %a : tensor<2x8xf32>
}

// What it has left of something else is not.
// CHECK-LABEL: func.func @of_positions
func.func @of_positions(%x: tensor<2x8xf32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<2x8xf32> {
  // CHECK-COUNT-2: gemma.take_rows
  %s = gemma.take_rows %pos, %seq {batch = 2} : tensor<?xi32>, tensor<?xi32> -> tensor<2xi32>
  %a = gemma.take_rows %x, %s {batch = 2} : tensor<2x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  return %a : tensor<2x8xf32>
}
