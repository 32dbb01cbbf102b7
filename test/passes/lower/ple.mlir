// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32})' | FileCheck %s

// Per-layer embeddings: (6) and (7) in the epilogue of the model projection, one layer's columns a task, with the token part
// read by tiles; the gate's epilogue multiplies with the layer's slice, which is a view and no phase.
gemma.weight @ple {random = 1 : i64} : tensor<10x96xf32>
gemma.weight @ple_proj {random = 2 : i64} : tensor<96x24xf32>
gemma.weight @ple_norm {random = 3 : i64} : tensor<32xf32>
gemma.weight @layers.1.ple_gate {random = 4 : i64} : tensor<32x24xf32>
gemma.weight @embed {random = 5 : i64} : tensor<10x24xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @embed {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x24xf32> loc("embed")
  %a = gemma.embed %tokens, @ple {scale = 4.0 : f64} : tensor<1xi32> -> tensor<1x96xf32> loc("ple.embed")
  %ple = gemma.fusion ["ple"] {
    %b = gemma.linear %x, @ple_proj : tensor<1x24xf32> -> tensor<1x96xf32> loc("ple.proj")
    %s = gemma.scale %b {factor = 0.25 : f64} : tensor<1x96xf32>
    %n = gemma.rms_norm %s, @ple_norm {group = 32 : i64, eps = 0.0 : f64} : tensor<1x96xf32>
    %c = gemma.add %n, %a : tensor<1x96xf32>
    %r = gemma.scale %c {factor = 0.5 : f64} : tensor<1x96xf32> loc("ple")
    gemma.yield %r : tensor<1x96xf32>
  } : tensor<1x96xf32>
  %g = gemma.fusion ["ple"] {
    %g0 = gemma.linear %x, @layers.1.ple_gate : tensor<1x24xf32> -> tensor<1x32xf32> loc("layers.1.ple_gate")
    %g1 = gemma.gelu %g0 : tensor<1x32xf32>
    %l = gemma.slice %ple {offset = 32 : i64, size = 32 : i64} : tensor<1x96xf32> -> tensor<1x32xf32>
    %g2 = gemma.mul %g1, %l : tensor<1x32xf32> loc("layers.1.ple_act")
    gemma.yield %g2 : tensor<1x32xf32>
  } : tensor<1x32xf32>
  return %g : tensor<1x32xf32>
}

// CHECK: step.phase "ple.embed"
// CHECK:   step.embed %[[A:.*]], @ple {scale = 4.000000e+00 : f64} : memref<1x96xf32>
// CHECK: %[[PLE:.*]] = step.buffer "ple" : memref<1x96xf32>
// CHECK: step.phase "ple.proj" rows(all) cols(3)
// CHECK: } do {
// CHECK-NEXT: step.matmul %[[T:.*]], %{{.*}}, @ple_proj
// CHECK-NEXT: step.scale %[[T]], %[[T]] {factor = 2.500000e-01 : f64}
// CHECK-NEXT: step.norm %[[T]], %[[T]], @ple_norm {{{.*}}group = 32
// CHECK-NEXT: %[[AT:.*]] = step.tile %[[A]] {offset = 0 : i64, stride = 32 : i64, width = 32 : i64}
// CHECK-NEXT: step.add %[[T]], %[[T]], %[[AT]]
// CHECK-NEXT: %[[PT:.*]] = step.tile %[[PLE]] {offset = 0 : i64, stride = 32 : i64, width = 32 : i64}
// CHECK-NEXT: step.scale %[[PT]], %[[T]]
// CHECK: step.phase "layers.1.ple_gate" rows(all) cols(1)
// CHECK:   step.matmul
// CHECK-NEXT: step.gelu %[[G:.*]], %[[G]]
// CHECK-NEXT: %[[L:.*]] = step.tile %[[PLE]] {offset = 32 : i64, stride = 32 : i64, width = 32 : i64}
// CHECK-NEXT: step.mul %{{.*}}, %[[G]], %[[L]]
