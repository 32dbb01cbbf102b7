// RUN: gemma-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @everything
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>)
func.func @everything(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = gemma.slice %x {offset = 0, size = 8} : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  return %a : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @part
func.func @part(%x: tensor<?x8xf32>) -> tensor<?x7xf32> {
  // CHECK: gemma.slice
  %a = gemma.slice %x {offset = 0, size = 7} : tensor<?x8xf32> -> tensor<?x7xf32>
  return %a : tensor<?x7xf32>
}
