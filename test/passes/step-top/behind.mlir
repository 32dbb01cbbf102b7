// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8 compute=f32},step-top{candidates=5})' | FileCheck %s

// Where a phase of its own finishes the logits, one behind it selects.
module attributes {gemma.vocab = 70 : i64} {
gemma.weight @table {random = 6 : i64} : tensor<70x64xf32>

// CHECK: step.entry @decode_top logits(top)
// CHECK: step.softcap %[[LOGITS:[^,]*]], %{{.*}} {cap
// CHECK: step.barrier
// CHECK: step.phase "top" rows(all) cols(1)
// CHECK: step.select_top %[[VALUES:.*]], %[[IDS:.*]], %[[LOGITS]] {columns = 70 : i64} : memref<1x5xf32>, memref<1x5xi32>, memref<1x70xf32>
// CHECK: step.yield %[[VALUES]], %[[IDS]] : memref<1x5xf32>, memref<1x5xi32>
func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x70xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32> loc("embed")
  %l = gemma.linear %x, @table : tensor<1x64xf32> -> tensor<1x70xf32> loc("head")
  %c = gemma.softcap %l {cap = 30.0 : f64} : tensor<1x70xf32> loc("cap")
  return %c : tensor<1x70xf32>
}
}
