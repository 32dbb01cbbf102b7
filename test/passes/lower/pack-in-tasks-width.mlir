// RUN: gemma-opt %s --split-input-file --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 tiles=true compute=int8})' | FileCheck %s
// RUN: gemma-opt %s --split-input-file --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 compute=int8})' | FileCheck %s

// A packed row of bytes is longer than its tasks' equal shares.
gemma.weight @gate quant(q8) {random = 1 : i64} : tensor<448x64xf32>
gemma.weight @up quant(q8) {random = 2 : i64} : tensor<448x64xf32>
gemma.weight @down quant(q8) {random = 3 : i64} : tensor<64x448xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x64xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<1x64xf32> -> tensor<1x448xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<1x64xf32> -> tensor<1x448xf32> loc("up")
    %a = gemma.gelu %g : tensor<1x448xf32>
    %m = gemma.mul %a, %u : tensor<1x448xf32> loc("act")
    %y = gemma.linear %m, @down : tensor<1x448xf32> -> tensor<1x64xf32> loc("down")
    gemma.yield %y : tensor<1x64xf32>
  } : tensor<1x64xf32>
  return %d : tensor<1x64xf32>
}
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x64xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<?x64xf32> -> tensor<?x448xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<?x64xf32> -> tensor<?x448xf32> loc("up")
    %a = gemma.gelu %g : tensor<?x448xf32>
    %m = gemma.mul %a, %u : tensor<?x448xf32> loc("act")
    gemma.yield %m : tensor<?x448xf32>
  } : tensor<?x448xf32>
  %y = gemma.linear %d, @down : tensor<?x448xf32> -> tensor<?x64xf32> loc("down")
  return %y : tensor<?x64xf32>
}


// CHECK-LABEL: step.entry @prefill_all
// CHECK: step.pack_tile %[[ACT:.*]], %{{.*}} as
// CHECK: step.matmul {{.*}}, %[[ACT]], @down

// -----

// Gate and up are padded to whole tasks: the last one holds columns that the next product does not read.
gemma.weight @gate quant(q4) {random = 1 : i64} : tensor<2112x2816xf32>
gemma.weight @up quant(q4) {random = 2 : i64} : tensor<2112x2816xf32>
gemma.weight @down quant(q4) {random = 3 : i64} : tensor<2816x2112xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x2816xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x2816xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x2816xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<1x2816xf32> -> tensor<1x2112xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<1x2816xf32> -> tensor<1x2112xf32> loc("up")
    %a = gemma.gelu %g : tensor<1x2112xf32>
    %m = gemma.mul %a, %u : tensor<1x2112xf32> loc("act")
    %y = gemma.linear %m, @down : tensor<1x2112xf32> -> tensor<1x2816xf32> loc("down")
    gemma.yield %y : tensor<1x2816xf32>
  } : tensor<1x2816xf32>
  return %d : tensor<1x2816xf32>
}
func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x2816xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x2816xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<?x2816xf32> -> tensor<?x2112xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<?x2816xf32> -> tensor<?x2112xf32> loc("up")
    %a = gemma.gelu %g : tensor<?x2112xf32>
    %m = gemma.mul %a, %u : tensor<?x2112xf32> loc("act")
    gemma.yield %m : tensor<?x2112xf32>
  } : tensor<?x2112xf32>
  %y = gemma.linear %d, @down : tensor<?x2112xf32> -> tensor<?x2816xf32> loc("down")
  return %y : tensor<?x2816xf32>
}


// CHECK-LABEL: step.entry @prefill_all
// CHECK: step.phase "mlp" rows(all) cols(34)
// CHECK-NOT: pack_tile
// CHECK: step.pack %[[ACT:.*]], %{{.*}} as
// CHECK: step.matmul {{.*}}, %[[ACT]], @down
