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
