// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 tiles=true compute=int8})' | FileCheck %s --check-prefixes=CHECK,TILES
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 compute=int8})' | FileCheck %s --check-prefixes=CHECK,BYTES
// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=32 compute=f32})' | FileCheck %s --check-prefix=PLAIN

// Prompts: the tasks that make what only the next product reads pack it themselves; there is no phase that packs, and the
// f32 values are never shared. A fusion that yields such a
// value changes nothing. What somebody else reads as well is still written out.
gemma.weight @gate quant(q8) {random = 1 : i64} : tensor<2048x64xf32>
gemma.weight @up quant(q8) {random = 2 : i64} : tensor<2048x64xf32>
gemma.weight @down quant(q8) {random = 3 : i64} : tensor<64x2048xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x64xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x64xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x64xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<1x64xf32> -> tensor<1x2048xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<1x64xf32> -> tensor<1x2048xf32> loc("up")
    %a = gemma.gelu %g : tensor<1x2048xf32>
    %m = gemma.mul %a, %u : tensor<1x2048xf32> loc("act")
    %y = gemma.linear %m, @down : tensor<1x2048xf32> -> tensor<1x64xf32> loc("down")
    gemma.yield %y : tensor<1x64xf32>
  } : tensor<1x64xf32>
  return %d : tensor<1x64xf32>
}
func.func @prefill_none(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "prefill_none"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x64xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<?x64xf32> -> tensor<?x2048xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<?x64xf32> -> tensor<?x2048xf32> loc("up")
    %a = gemma.gelu %g : tensor<?x2048xf32>
    %m = gemma.mul %a, %u : tensor<?x2048xf32> loc("act")
    gemma.yield %m : tensor<?x2048xf32>
  } : tensor<?x2048xf32>
  %y = gemma.linear %d, @down : tensor<?x2048xf32> -> tensor<?x64xf32> loc("down")
  %other = gemma.gelu %d : tensor<?x2048xf32> loc("other")
  return
}

func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x64xf32> loc("embed")
  %d = gemma.fusion ["mlp"] {
    %g = gemma.linear %x, @gate : tensor<?x64xf32> -> tensor<?x2048xf32> loc("gate")
    %u = gemma.linear %x, @up : tensor<?x64xf32> -> tensor<?x2048xf32> loc("up")
    %a = gemma.gelu %g : tensor<?x2048xf32>
    %m = gemma.mul %a, %u : tensor<?x2048xf32> loc("act")
    gemma.yield %m : tensor<?x2048xf32>
  } : tensor<?x2048xf32>
  %y = gemma.linear %d, @down : tensor<?x2048xf32> -> tensor<?x64xf32> loc("down")
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: step.entry @decode
// CHECK-NOT: pack_tile
// CHECK-LABEL: step.entry @prefill_none
// CHECK-NOT: pack_tile
// CHECK-LABEL: step.entry @prefill_all
// TILES: %[[ACT:.*]] = step.buffer "{{.*}}.act" : memref<32x4096xi8>
// BYTES: %[[ACT:.*]] = step.buffer "{{.*}}.act" : memref<32x2560xi8>
// CHECK: step.gelu
// CHECK: step.mul %[[M:[^,]*]], {{.*}} "private"
// TILES-NEXT: step.pack_tile %[[ACT]], %[[M]] as bf16t
// BYTES-NEXT: step.pack_tile %[[ACT]], %[[M]] as i8
// CHECK-NOT: step.pack
// CHECK: step.phase "down"
// CHECK: step.matmul {{.*}}, %[[ACT]], @down

// PLAIN-NOT: pack_tile
