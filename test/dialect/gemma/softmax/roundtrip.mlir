// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s

// CHECK-LABEL: func.func @softmax
func.func @softmax(%s: tensor<?x4x?xf32>, %r: tensor<?x8xf32>) -> (tensor<?x4x?xf32>, tensor<?x8xf32>) {
  // CHECK: gemma.softmax %{{.*}} : tensor<?x4x?xf32>
  %p = gemma.softmax %s : tensor<?x4x?xf32>
  // CHECK: gemma.softmax %{{.*}} : tensor<?x8xf32>
  %q = gemma.softmax %r : tensor<?x8xf32>
  return %p, %q : tensor<?x4x?xf32>, tensor<?x8xf32>
}
