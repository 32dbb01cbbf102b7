// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32})' | FileCheck %s

// residual + norm + gate/up: with one row the chain is the prologue, and the new residual stream is published to a buffer
// of its own; with more it is a phase that also packs. Gate and up are interleaved: a task has 16 columns of each.
gemma.weight @layers.0.gate {random = 1 : i64} : tensor<64x24xf32>
gemma.weight @layers.0.up {random = 2 : i64} : tensor<64x24xf32>
gemma.weight @layers.0.down {random = 3 : i64} : tensor<24x64xf32>
gemma.weight @ln_post {random = 4 : i64} : tensor<24xf32>
gemma.weight @ln {random = 5 : i64} : tensor<24xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x24xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x24xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %f:2 = gemma.fusion ["residual", "mlp", "norm"] {
    %n = gemma.rms_norm %x, @ln_post {group = 24 : i64, eps = 0.0 : f64} : tensor<1x24xf32>
    %s = gemma.add %x, %n : tensor<1x24xf32> loc("stream")
    %h = gemma.rms_norm %s, @ln {group = 24 : i64, eps = 0.0 : f64} : tensor<1x24xf32>
    %g = gemma.linear %h, @layers.0.gate : tensor<1x24xf32> -> tensor<1x64xf32> loc("layers.0.gate")
    %u = gemma.linear %h, @layers.0.up : tensor<1x24xf32> -> tensor<1x64xf32> loc("layers.0.up")
    %a = gemma.gelu %g : tensor<1x64xf32>
    %m = gemma.mul %a, %u : tensor<1x64xf32> loc("act")
    gemma.yield %s, %m : tensor<1x24xf32>, tensor<1x64xf32>
  } : tensor<1x24xf32>, tensor<1x64xf32>
  %d = gemma.linear %f#1, @layers.0.down : tensor<1x64xf32> -> tensor<1x24xf32> loc("layers.0.down")
  %r = gemma.add %f#0, %d : tensor<1x24xf32> loc("end")
  return %r : tensor<1x24xf32>
}
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x24xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x24xf32> loc("embed")
  %f:2 = gemma.fusion ["residual", "mlp", "norm"] {
    %n = gemma.rms_norm %x, @ln_post {group = 24 : i64, eps = 0.0 : f64} : tensor<?x24xf32>
    %s = gemma.add %x, %n : tensor<?x24xf32> loc("stream")
    %h = gemma.rms_norm %s, @ln {group = 24 : i64, eps = 0.0 : f64} : tensor<?x24xf32>
    %g = gemma.linear %h, @layers.0.gate : tensor<?x24xf32> -> tensor<?x64xf32> loc("layers.0.gate")
    %u = gemma.linear %h, @layers.0.up : tensor<?x24xf32> -> tensor<?x64xf32> loc("layers.0.up")
    %a = gemma.gelu %g : tensor<?x64xf32>
    %m = gemma.mul %a, %u : tensor<?x64xf32> loc("act")
    gemma.yield %s, %m : tensor<?x24xf32>, tensor<?x64xf32>
  } : tensor<?x24xf32>, tensor<?x64xf32>
  %d = gemma.linear %f#1, @layers.0.down : tensor<?x64xf32> -> tensor<?x24xf32> loc("layers.0.down")
  %r = gemma.add %f#0, %d : tensor<?x24xf32> loc("end")
  return %r : tensor<?x24xf32>
}

// CHECK-DAG: step.weight @layers.0.gate_up f32p16 {interleave, k = 24 : i64, n = 128 : i64, sources = [@layers.0.gate, @layers.0.up], tile = 32 : i64}
// CHECK-DAG: step.weight @ln_post vec {k = 1 : i64, n = 24 : i64

// CHECK-LABEL: step.entry @decode
// CHECK: %[[X:.*]] = step.buffer "embed"
// CHECK: %[[P:.*]] = step.buffer "layers.0.mlp" : memref<1x24xf32, "private">
// CHECK: %[[S:.*]] = step.buffer "stream" : memref<1x24xf32>
// CHECK: %[[ACT:.*]] = step.buffer "layers.0.mlp.act" : memref<1x64xf32, "private">
// CHECK: %[[T:.*]] = step.buffer "layers.0.mlp.tile" : memref<1x32xf32, "private">
// CHECK: %[[M:.*]] = step.buffer "act" : memref<1x64xf32>
// CHECK: step.phase "layers.0.mlp" rows(all) cols(4) prologue {
// CHECK-NEXT: step.norm %[[P]], %[[X]], @ln_post
// CHECK-NEXT: step.add %[[P]], %[[X]], %[[P]]
// CHECK-NEXT: step.publish %[[S]], %[[P]]
// CHECK-NEXT: step.norm %[[P]], %[[P]], @ln
// CHECK-NEXT: step.pack %[[ACT]], %[[P]] as f32
// CHECK-NEXT: } do {
// CHECK-NEXT: step.matmul %[[T]], %[[ACT]], @layers.0.gate_up as f32
// CHECK-NEXT: %[[G:.*]] = step.tile %[[T]] {offset = 0 : i64, stride = 0 : i64, width = 16 : i64}
// CHECK-NEXT: %[[U:.*]] = step.tile %[[T]] {offset = 16 : i64, stride = 0 : i64, width = 16 : i64}
// CHECK-NEXT: step.gelu %[[G]], %[[G]]
// CHECK-NEXT: %[[MT:.*]] = step.tile %[[M]] {offset = 0 : i64, stride = 16 : i64, width = 16 : i64}
// CHECK-NEXT: step.mul %[[MT]], %[[G]], %[[U]]
// CHECK: step.phase "layers.0.down"
// CHECK:   step.pack %{{.*}}, %[[M]] as f32
// CHECK: step.phase "end" rows(all) cols(1) by_row

// CHECK-LABEL: step.entry @prefill_all
// CHECK: %[[P1:.*]] = step.buffer "layers.0.mlp.rows" : memref<1x24xf32, "private">
// CHECK: %[[S:.*]] = step.buffer "stream" : memref<8x24xf32>
// CHECK: %[[ACT:.*]] = step.buffer "layers.0.mlp.rows.act" : memref<8x64xf32>
// CHECK: step.phase "layers.0.mlp.rows" rows(all) cols(1) by_row
// CHECK:   step.add %[[S]],
// CHECK-NOT: step.publish
// CHECK:   step.pack %[[ACT]]
// CHECK: step.barrier
// CHECK: %[[T:.*]] = step.buffer "layers.0.mlp.tile" : memref<8x32xf32, "private">
// CHECK: step.phase "layers.0.mlp" rows(all) cols(4) prologue {
// CHECK-NEXT: } do {
// CHECK-NEXT: step.matmul %[[T]], %[[ACT]], @layers.0.gate_up as f32
