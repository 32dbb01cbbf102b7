// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @take_rows
func.func @take_rows(%x: tensor<?x8xf32>, %seq: tensor<?xi32>) -> (tensor<1x8xf32>, tensor<2xi32>) {
  // CHECK: gemma.take_rows %{{.*}}, %{{.*}} {batch = 1 : i64} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  %a = gemma.take_rows %x, %seq {batch = 1} : tensor<?x8xf32>, tensor<?xi32> -> tensor<1x8xf32>
  // CHECK: gemma.take_rows %{{.*}}, %{{.*}} {batch = 2 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<2xi32>
  %b = gemma.take_rows %seq, %seq {batch = 2} : tensor<?xi32>, tensor<?xi32> -> tensor<2xi32>
  return %a, %b : tensor<1x8xf32>, tensor<2xi32>
}
