// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32},step-top{candidates=5})' | FileCheck %s
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32},step-top{candidates=5},step-top{candidates=5})' | FileCheck %s
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32},step-top{candidates=70})' | FileCheck %s --check-prefix=FEW

// The tasks of the lm_head keep their logits for themselves, and the 70 that count are selected from; those behind them
// pad the last task. An entry of several rows has no other form, and what has no more logits than candidates neither.
module attributes {gemma.vocab = 70 : i64} {
gemma.weight @table {random = 6 : i64} : tensor<70x64xf32>

// CHECK: step.entry @decode logits(last)
// CHECK: %[[LOGITS:.*]] = step.buffer "head" : memref<1x[[N:[0-9]+]]xf32>{{$}}
// CHECK: step.tile %[[LOGITS]]
// CHECK: step.yield %[[LOGITS]]
// CHECK: step.entry @decode_top logits(top)
// CHECK-NOT: memref<1x[[N]]xf32>
// CHECK: %[[TILE:.*]] = step.buffer "head.tile" : memref<1x[[W:[0-9]+]]xf32, "private">
// CHECK: %[[VALUES:.*]] = step.buffer "top" : memref<1x5xf32>
// CHECK: %[[IDS:.*]] = step.buffer "top.ids" : memref<1x5xi32>
// CHECK: step.phase "head"
// CHECK: step.matmul %[[RAW:.*]], %{{.*}}, @table
// CHECK-NEXT: step.softcap %[[TILE]], %[[RAW]] {cap
// CHECK-NEXT: step.select_top %[[VALUES]], %[[IDS]], %[[TILE]] {columns = 70 : i64}
// CHECK: step.yield %[[VALUES]], %[[IDS]] : memref<1x5xf32>, memref<1x5xi32>
// CHECK: step.entry @prefill_last logits(last)
// CHECK-NOT: logits(top)
// FEW-NOT: logits(top)
func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x70xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32> loc("embed")
  %f = gemma.fusion ["softcap"] {
    %l = gemma.linear %x, @table : tensor<1x64xf32> -> tensor<1x70xf32> loc("head")
    %c = gemma.softcap %l {cap = 30.0 : f64} : tensor<1x70xf32> loc("head")
    gemma.yield %c : tensor<1x70xf32>
  } : tensor<1x70xf32>
  return %f : tensor<1x70xf32>
}
func.func @prefill_last(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x70xf32> attributes {gemma.entry = "prefill_last"} {
  %t = gemma.take_rows %tokens, %seq {batch = 1 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<1xi32>
  %x = gemma.embed %t, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32> loc("embed")
  %l = gemma.linear %x, @table : tensor<1x64xf32> -> tensor<1x70xf32> loc("head")
  return %l : tensor<1x70xf32>
}
}
