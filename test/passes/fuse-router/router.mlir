// RUN: gemma-opt %s --gemma-fuse-router | FileCheck %s
// RUN: gemma-opt %s --gemma-fuse-router --gemma-decompose | FileCheck %s --check-prefix=BACK

gemma.weight @scale {random = 1 : i64} : tensor<8xf32>
gemma.weight @up {random = 2 : i64} : tensor<8x6x4xf32>
gemma.weight @down {random = 3 : i64} : tensor<8x4x6xf32>
gemma.weight @mix {random = 4 : i64} : tensor<4x2xf32>

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

// The choice stands in front of the first product with the chosen experts; the second one, and whoever weighs their results, is handed it.
// CHECK-LABEL: func.func @experts(
// CHECK-SAME: %[[S:.*]]: tensor<1x8xf32>, %[[X:.*]]: tensor<1x4xf32>
// CHECK: %[[F:.*]]:3 = gemma.fusion ["router"] {
// CHECK-NEXT: %[[P:.*]] = gemma.softmax %[[S]]
// CHECK-NEXT: %[[W:.*]], %[[I:.*]] = gemma.top_k %[[P]], @scale {k = 2 : i64}
// CHECK-NEXT: %[[U:.*]] = gemma.expert_linear %[[X]], %[[I]], @up
// CHECK-NEXT: gemma.yield %[[W]], %[[I]], %[[U]]
// CHECK: gemma.expert_linear %[[F]]#2, %[[F]]#1, @down
func.func @experts(%s: tensor<1x8xf32>, %x: tensor<1x4xf32>) -> (tensor<1x2xf32>, tensor<1x2x4xf32>) {
  %p = gemma.softmax %s : tensor<1x8xf32>
  %w, %i = gemma.top_k %p, @scale {k = 2 : i64} : tensor<1x8xf32> -> tensor<1x2xf32>, tensor<1x2xi32>
  %u = gemma.expert_linear %x, %i, @up : tensor<1x4xf32>, tensor<1x2xi32> -> tensor<1x2x6xf32>
  %d = gemma.expert_linear %u, %i, @down : tensor<1x2x6xf32>, tensor<1x2xi32> -> tensor<1x2x4xf32>
  return %w, %d : tensor<1x2xf32>, tensor<1x2x4xf32>
}

// What needs the choice and is needed by the product stands between the two: they cannot be one phase.
// CHECK-LABEL: func.func @between(
// CHECK: %[[F:.*]]:2 = gemma.fusion ["router"] {
// CHECK-NEXT: gemma.softmax
// CHECK-NEXT: gemma.top_k
// CHECK-NEXT: gemma.yield
// CHECK: gemma.add
// CHECK: gemma.expert_linear
func.func @between(%s: tensor<1x8xf32>, %x: tensor<1x2xf32>) -> tensor<1x2x6xf32> {
  %p = gemma.softmax %s : tensor<1x8xf32>
  %w, %i = gemma.top_k %p, @scale {k = 2 : i64} : tensor<1x8xf32> -> tensor<1x2xf32>, tensor<1x2xi32>
  %a = gemma.add %x, %w : tensor<1x2xf32>
  %h = gemma.linear %a, @mix : tensor<1x2xf32> -> tensor<1x4xf32>
  %u = gemma.expert_linear %h, %i, @up : tensor<1x4xf32>, tensor<1x2xi32> -> tensor<1x2x6xf32>
  return %u : tensor<1x2x6xf32>
}
