// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// The choice of the experts in front of their product. One row: in its prologue, from which the choice is handed to later
// phases. Many rows: with what packs the rows, and handed to the product as well, even where nobody else reads it.
gemma.weight @layers.0.router {random = 1 : i64} : tensor<8x32xf32>
gemma.weight @layers.0.expert_scale {random = 2 : i64} : tensor<8xf32>
gemma.weight @layers.0.expert_up {random = 3 : i64} : tensor<8x32x32xf32>
gemma.weight @layers.0.expert_down {random = 4 : i64} : tensor<8x32x32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>

// CHECK-LABEL: step.entry @decode
// CHECK: %[[OW:.*]] = step.buffer "layers.0.expert_up" : memref<1x3xf32, "private">
// CHECK: %[[OI:.*]] = step.buffer "layers.0.expert_up" : memref<1x3xi32, "private">
// CHECK: step.phase "layers.0.expert_up" rows(all) cols({{[0-9]+}}) by_row prologue {
// CHECK: step.softmax %[[P:.*]], %{{.*}} : memref<1x8xf32, "private">, memref<1x8xf32>
// CHECK-NEXT: step.top_k %[[OW]], %[[OI]], %[[P]], @layers.0.expert_scale {k = 3 : i64}
// CHECK-NEXT: step.publish %[[W:.*]], %[[OW]] : memref<1x3xf32>, memref<1x3xf32, "private">
// CHECK-NEXT: step.publish %[[I:.*]], %[[OI]] : memref<1x3xi32>, memref<1x3xi32, "private">
// CHECK-NEXT: step.pack
// CHECK: step.expert_matmul %{{.*}}, %{{.*}}, %[[OI]], @layers.0.expert_up
// CHECK: step.expert_matmul %{{.*}}, %{{.*}}, %[[I]], @layers.0.expert_down
// CHECK: step.combine %{{.*}}, %{{.*}}, %[[W]]
func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x32xf32> loc("embed")
  %s = gemma.linear %x, @layers.0.router : tensor<1x32xf32> -> tensor<1x8xf32> loc("layers.0.router")
  %f:3 = gemma.fusion ["router"] {
    %p = gemma.softmax %s : tensor<1x8xf32> loc("layers.0.router_softmax")
    %w, %i = gemma.top_k %p, @layers.0.expert_scale {k = 3 : i64} : tensor<1x8xf32> -> tensor<1x3xf32>, tensor<1x3xi32> loc("layers.0.top_k")
    %u = gemma.expert_linear %x, %i, @layers.0.expert_up : tensor<1x32xf32>, tensor<1x3xi32> -> tensor<1x3x32xf32> loc("layers.0.expert_up")
    gemma.yield %w, %i, %u : tensor<1x3xf32>, tensor<1x3xi32>, tensor<1x3x32xf32>
  } : tensor<1x3xf32>, tensor<1x3xi32>, tensor<1x3x32xf32>
  %y = gemma.expert_linear %f#2, %f#1, @layers.0.expert_down : tensor<1x3x32xf32>, tensor<1x3xi32> -> tensor<1x3x32xf32> loc("layers.0.expert_down")
  %c = gemma.combine %y, %f#0 : tensor<1x3x32xf32>, tensor<1x3xf32> -> tensor<1x32xf32> loc("layers.0.combine")
  return %c : tensor<1x32xf32>
}

// CHECK-LABEL: step.entry @prefill_all
// CHECK: step.phase "layers.0.expert_up.rows" rows(all) cols(1) by_row
// CHECK: step.softmax
// CHECK-NEXT: step.top_k %{{.*}}, %[[I:.*]], %{{.*}}, @layers.0.expert_scale {k = 3 : i64} : memref<8x3xf32>, memref<8x3xi32>
// CHECK-NEXT: }
// CHECK: step.expert_matmul %{{.*}}, %{{.*}}, %[[I]], @layers.0.expert_up
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x32xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %s = gemma.linear %x, @layers.0.router : tensor<?x32xf32> -> tensor<?x8xf32> loc("layers.0.router")
  %f:2 = gemma.fusion ["router"] {
    %p = gemma.softmax %s : tensor<?x8xf32> loc("layers.0.router_softmax")
    %w, %i = gemma.top_k %p, @layers.0.expert_scale {k = 3 : i64} : tensor<?x8xf32> -> tensor<?x3xf32>, tensor<?x3xi32> loc("layers.0.top_k")
    %u = gemma.expert_linear %x, %i, @layers.0.expert_up : tensor<?x32xf32>, tensor<?x3xi32> -> tensor<?x3x32xf32> loc("layers.0.expert_up")
    gemma.yield %w, %u : tensor<?x3xf32>, tensor<?x3x32xf32>
  } : tensor<?x3xf32>, tensor<?x3x32xf32>
  %c = gemma.combine %f#1, %f#0 : tensor<?x3x32xf32>, tensor<?x3xf32> -> tensor<?x32xf32> loc("layers.0.combine")
  return %c : tensor<?x32xf32>
}
