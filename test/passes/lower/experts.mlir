// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// Routed experts: gate and up rows of each expert are interleaved (its two halves), tasks are slots x tiles of a row, and
// the next product packs the slots one behind the other. top_k and combine are row-wise.
gemma.weight @layers.0.router {random = 1 : i64} : tensor<8x32xf32>
gemma.weight @layers.0.expert_scale {random = 2 : i64} : tensor<8xf32>
gemma.weight @layers.0.expert_gate_up {random = 3 : i64} : tensor<8x64x32xf32>
gemma.weight @layers.0.expert_down {random = 4 : i64} : tensor<8x32x32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x32xf32> loc("embed")
  %s = gemma.linear %x, @layers.0.router : tensor<1x32xf32> -> tensor<1x8xf32> loc("layers.0.router")
  %p = gemma.softmax %s : tensor<1x8xf32> loc("layers.0.router_softmax")
  %w, %i = gemma.top_k %p, @layers.0.expert_scale {k = 3 : i64} : tensor<1x8xf32> -> tensor<1x3xf32>, tensor<1x3xi32> loc("layers.0.top_k")
  %m = gemma.fusion ["mlp"] {
    %gu = gemma.expert_linear %x, %i, @layers.0.expert_gate_up : tensor<1x32xf32>, tensor<1x3xi32> -> tensor<1x3x64xf32> loc("layers.0.expert_gate_up")
    %g = gemma.slice %gu {offset = 0 : i64, size = 32 : i64} : tensor<1x3x64xf32> -> tensor<1x3x32xf32>
    %u = gemma.slice %gu {offset = 32 : i64, size = 32 : i64} : tensor<1x3x64xf32> -> tensor<1x3x32xf32>
    %a = gemma.gelu %g : tensor<1x3x32xf32>
    %m0 = gemma.mul %a, %u : tensor<1x3x32xf32> loc("layers.0.expert_act")
    gemma.yield %m0 : tensor<1x3x32xf32>
  } : tensor<1x3x32xf32>
  %y = gemma.expert_linear %m, %i, @layers.0.expert_down : tensor<1x3x32xf32>, tensor<1x3xi32> -> tensor<1x3x32xf32> loc("layers.0.expert_down")
  %c = gemma.combine %y, %w : tensor<1x3x32xf32>, tensor<1x3xf32> -> tensor<1x32xf32> loc("layers.0.combine")
  return %c : tensor<1x32xf32>
}

// CHECK-DAG: step.weight @layers.0.expert_gate_up f32p16 {experts = 8 : i64, interleave, k = 32 : i64, n = 64 : i64, sources = [@layers.0.expert_gate_up], tile = 32 : i64}
// CHECK-DAG: step.weight @layers.0.expert_down f32p16 {experts = 8 : i64, k = 32 : i64, n = 32 : i64, sources = [@layers.0.expert_down], tile = 32 : i64}
// CHECK: step.phase "layers.0.top_k" rows(all) cols(1) by_row
// CHECK:   step.top_k %[[W:.*]], %[[I:.*]], %{{.*}}, @layers.0.expert_scale {k = 3 : i64} : memref<1x3xf32>, memref<1x3xi32>
// CHECK: %[[ACT:.*]] = step.buffer "layers.0.experts.act" : memref<1x64xf32, "private">
// CHECK: %[[T:.*]] = step.buffer "layers.0.experts.tile" : memref<1x32xf32, "private">
// CHECK: %[[M:.*]] = step.buffer "layers.0.expert_act" : memref<1x96xf32>
// CHECK: step.phase "layers.0.experts" rows(all) cols(6) by_row
// CHECK:   step.expert_matmul %[[T]], %[[ACT]], %[[I]], @layers.0.expert_gate_up as bf16 {slots = 3 : i64}
// CHECK:   %[[G:.*]] = step.tile %[[T]] {offset = 0 : i64, stride = 0 : i64, width = 16 : i64}
// CHECK:   %[[U:.*]] = step.tile %[[T]] {offset = 16 : i64, stride = 0 : i64, width = 16 : i64}
// CHECK:   step.gelu %[[G]], %[[G]]
// CHECK:   %[[MT:.*]] = step.tile %[[M]] {offset = 0 : i64, stride = 16 : i64, width = 16 : i64}
// CHECK:   step.mul %[[MT]], %[[G]], %[[U]]
// CHECK: %[[ACT2:.*]] = step.buffer "layers.0.expert_down.act" : memref<1x192xf32, "private">
// CHECK: step.phase "layers.0.expert_down" rows(all) cols(3) by_row
// CHECK:   step.pack %[[ACT2]], %[[M]] as bf16 {groups = 3 : i64}
// CHECK:   step.expert_matmul %[[YT:.*]], %[[ACT2]], %[[I]], @layers.0.expert_down as bf16 {act_per_slot, slots = 3 : i64}
// CHECK: step.phase "layers.0.combine" rows(all) cols(1) by_row
// CHECK:   step.combine %{{.*}}, %{{.*}}, %[[W]]
