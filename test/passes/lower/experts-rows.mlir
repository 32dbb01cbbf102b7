// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 tiles=true compute=int8})' | FileCheck %s
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 compute=int8})' | FileCheck %s --check-prefix=PLAIN

// Experts of many rows: packed once for all tasks in a phase of its own. For a matrix unit rows are packed as bf16, which
// whoever computes gathers into tiles.
gemma.weight @layers.0.router {random = 1 : i64} : tensor<8x32xf32>
gemma.weight @layers.0.expert_scale {random = 2 : i64} : tensor<8xf32>
gemma.weight @layers.0.expert_gate_up {random = 3 : i64, quant = 2 : i32} : tensor<8x64x32xf32>
gemma.weight @layers.0.expert_down {random = 4 : i64} : tensor<8x32x32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>

func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x32xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %s = gemma.linear %x, @layers.0.router : tensor<?x32xf32> -> tensor<?x8xf32> loc("layers.0.router")
  %p = gemma.softmax %s : tensor<?x8xf32> loc("layers.0.router_softmax")
  %w, %i = gemma.top_k %p, @layers.0.expert_scale {k = 3 : i64} : tensor<?x8xf32> -> tensor<?x3xf32>, tensor<?x3xi32> loc("layers.0.top_k")
  %m = gemma.fusion ["mlp"] {
    %gu = gemma.expert_linear %x, %i, @layers.0.expert_gate_up : tensor<?x32xf32>, tensor<?x3xi32> -> tensor<?x3x64xf32> loc("layers.0.expert_gate_up")
    %g = gemma.slice %gu {offset = 0 : i64, size = 32 : i64} : tensor<?x3x64xf32> -> tensor<?x3x32xf32>
    %u = gemma.slice %gu {offset = 32 : i64, size = 32 : i64} : tensor<?x3x64xf32> -> tensor<?x3x32xf32>
    %a = gemma.gelu %g : tensor<?x3x32xf32>
    %m0 = gemma.mul %a, %u : tensor<?x3x32xf32> loc("layers.0.expert_act")
    gemma.yield %m0 : tensor<?x3x32xf32>
  } : tensor<?x3x32xf32>
  %y = gemma.expert_linear %m, %i, @layers.0.expert_down : tensor<?x3x32xf32>, tensor<?x3xi32> -> tensor<?x3x32xf32> loc("layers.0.expert_down")
  %c = gemma.combine %y, %w : tensor<?x3x32xf32>, tensor<?x3xf32> -> tensor<?x32xf32> loc("layers.0.combine")
  return %c : tensor<?x32xf32>
}

// CHECK-LABEL: step.entry @prefill_all
// CHECK: step.phase "layers.0.experts.pack" rows(all) cols(1) by_row
// CHECK:   step.pack %[[ACT:.*]], %{{.*}} as bf16 : memref<32x64xf32>
// CHECK: step.phase "layers.0.experts" rows(all) cols(6) by_row
// CHECK:   step.expert_matmul %{{.*}}, %[[ACT]], %{{.*}}, @layers.0.expert_gate_up as bf16t {slots = 3 : i64}
// Weights of f32 are not rounded.
// CHECK:   step.expert_matmul {{.*}} @layers.0.expert_down as f32 {act_per_slot, slots = 3 : i64}
// PLAIN: step.expert_matmul {{.*}} @layers.0.expert_gate_up as i8
// PLAIN: step.expert_matmul {{.*}} @layers.0.expert_down as f32
