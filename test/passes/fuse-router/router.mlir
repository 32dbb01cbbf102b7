// RUN: gemma-opt %s --gemma-fuse-router | FileCheck %s
// RUN: gemma-opt %s --gemma-fuse-router --gemma-decompose | FileCheck %s --check-prefix=BACK

gemma.weight @scale {random = 1 : i64} : tensor<8xf32>

// CHECK-LABEL: func.func @route(
// CHECK-SAME: %[[S:.*]]: tensor<1x8xf32>
// CHECK: %[[F:.*]]:2 = gemma.fusion ["router"] {
// CHECK-NEXT: %[[P:.*]] = gemma.softmax %[[S]]
// CHECK-NEXT: %[[W:.*]], %[[I:.*]] = gemma.top_k %[[P]], @scale {k = 2 : i64}
// CHECK-NEXT: gemma.yield %[[W]], %[[I]]
// CHECK: return %[[F]]#0, %[[F]]#1
// BACK-NOT: gemma.fusion
func.func @route(%s: tensor<1x8xf32>) -> (tensor<1x2xf32>, tensor<1x2xi32>) {
  %p = gemma.softmax %s : tensor<1x8xf32>
  %w, %i = gemma.top_k %p, @scale {k = 2 : i64} : tensor<1x8xf32> -> tensor<1x2xf32>, tensor<1x2xi32>
  return %w, %i : tensor<1x2xf32>, tensor<1x2xi32>
}

// Probabilities that somebody else reads stay where they are.
// CHECK-LABEL: func.func @read_twice(
// CHECK-NOT: gemma.fusion
func.func @read_twice(%s: tensor<1x8xf32>) -> (tensor<1x8xf32>, tensor<1x2xi32>) {
  %p = gemma.softmax %s : tensor<1x8xf32>
  %w, %i = gemma.top_k %p, @scale {k = 2 : i64} : tensor<1x8xf32> -> tensor<1x2xf32>, tensor<1x2xi32>
  return %p, %i : tensor<1x8xf32>, tensor<1x2xi32>
}
