// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
gemma.weight @scale {random = 1 : i64} : tensor<8xf32>
gemma.weight @up {random = 2 : i64} : tensor<8x32x16xbf16>
gemma.weight @down {random = 3 : i64} : tensor<8x16x32xbf16>

// CHECK-LABEL: func.func @moe
func.func @moe(%p: tensor<?x8xf32>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  // CHECK: %[[W:.*]], %[[I:.*]] = gemma.top_k %{{.*}}, @scale {k = 2 : i64} : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  %w, %i = gemma.top_k %p, @scale {k = 2} : tensor<?x8xf32> -> tensor<?x2xf32>, tensor<?x2xi32>
  // CHECK: gemma.top_k %{{.*}} {k = 8 : i64} : tensor<?x8xf32>
  %w2, %i2 = gemma.top_k %p {k = 8} : tensor<?x8xf32> -> tensor<?x8xf32>, tensor<?x8xi32>
  // CHECK: %[[U:.*]] = gemma.expert_linear %{{.*}}, %[[I]], @up : tensor<?x16xf32>, tensor<?x2xi32> -> tensor<?x2x32xf32>
  %u = gemma.expert_linear %x, %i, @up : tensor<?x16xf32>, tensor<?x2xi32> -> tensor<?x2x32xf32>
  // CHECK: %[[D:.*]] = gemma.expert_linear %[[U]], %[[I]], @down : tensor<?x2x32xf32>, tensor<?x2xi32> -> tensor<?x2x16xf32>
  %d = gemma.expert_linear %u, %i, @down : tensor<?x2x32xf32>, tensor<?x2xi32> -> tensor<?x2x16xf32>
  // CHECK: gemma.combine %[[D]], %[[W]] : tensor<?x2x16xf32>, tensor<?x2xf32> -> tensor<?x16xf32>
  %y = gemma.combine %d, %w : tensor<?x2x16xf32>, tensor<?x2xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
