// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @slice
func.func @slice(%x: tensor<?x8xf32>, %y: tensor<?x2x8xf32>) -> (tensor<?x3xf32>, tensor<?x2x4xf32>) {
  // CHECK: gemma.slice %{{.*}} {offset = 5 : i64, size = 3 : i64} : tensor<?x8xf32> -> tensor<?x3xf32>
  %a = gemma.slice %x {offset = 5, size = 3} : tensor<?x8xf32> -> tensor<?x3xf32>
  // CHECK: gemma.slice %{{.*}} {offset = 0 : i64, size = 4 : i64} : tensor<?x2x8xf32> -> tensor<?x2x4xf32>
  %b = gemma.slice %y {offset = 0, size = 4} : tensor<?x2x8xf32> -> tensor<?x2x4xf32>
  return %a, %b : tensor<?x3xf32>, tensor<?x2x4xf32>
}
