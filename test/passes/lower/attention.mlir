// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=60 chunk=8})' | FileCheck %s

// qk, softmax and pv of one fusion are one phase of heads; apart, three, with the scores of all 64 positions (the context
// rounded up to 16) in a buffer.
gemma.weight @table {random = 6 : i64} : tensor<10x64xf32>
gemma.cache @kv.0 {heads = 2 : i64, head_dim = 16 : i64, window = 20 : i64}

func.func @prefill_all(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<?x64xf32> attributes {gemma.entry = "prefill_all"} {
  %q = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x64xf32> loc("q")
  %k = gemma.slice %q {offset = 16 : i64, size = 32 : i64} : tensor<?x64xf32> -> tensor<?x32xf32> loc("k")
  %kv = gemma.cache_update @kv.0, %k, %k, %pos, %seq : tensor<?x32xf32>, tensor<?xi32> -> !gemma.kv<2 x 16> loc("kv")
  %a = gemma.fusion ["attention"] {
    %s = gemma.qk %q, %kv, %pos, %seq {heads = 4 : i64, window = 20 : i64, scale = 0.5 : f64} : tensor<?x64xf32>, !gemma.kv<2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32> loc("layers.0.qk")
    %p = gemma.softmax %s : tensor<?x4x?xf32> loc("layers.0.softmax")
    %o = gemma.pv %p, %kv, %pos, %seq : tensor<?x4x?xf32>, !gemma.kv<2 x 16>, tensor<?xi32> -> tensor<?x64xf32> loc("layers.0.pv")
    gemma.yield %o : tensor<?x64xf32>
  } : tensor<?x64xf32>
  %s = gemma.qk %a, %kv, %pos, %seq {heads = 4 : i64, window = 20 : i64, scale = 0.5 : f64} : tensor<?x64xf32>, !gemma.kv<2 x 16>, tensor<?xi32> -> tensor<?x4x?xf32> loc("layers.1.qk")
  %p = gemma.softmax %s : tensor<?x4x?xf32> loc("layers.1.softmax")
  %o = gemma.pv %p, %kv, %pos, %seq : tensor<?x4x?xf32>, !gemma.kv<2 x 16>, tensor<?xi32> -> tensor<?x64xf32> loc("layers.1.pv")
  return %o : tensor<?x64xf32>
}

// A window keeps window - 1 + rows positions, rounded up to 16.
// CHECK: step.cache @kv.0 bf16 {head_dim = 16 : i64, heads = 2 : i64, slots = 32 : i64, window = 20 : i64}
// CHECK: %[[Q:.*]] = step.buffer "q" : memref<8x64xf32>
// CHECK-NOT: step.phase "k"
// CHECK: step.phase "kv" rows(all) cols(1) by_row
// CHECK:   %[[K:.*]] = step.tile %[[Q]] {offset = 16 : i64, stride = 0 : i64, width = 32 : i64}
// CHECK:   step.cache_write @kv.0 k, %[[K]]
// CHECK:   step.cache_write @kv.0 v, %[[K]]
// CHECK: %[[A:.*]] = step.buffer "layers.0.attention" : memref<8x64xf32>
// CHECK: step.phase "layers.0.attention" rows(all) cols(4) by_row
// CHECK:   step.attention %[[A]], %[[Q]], @kv.0 {heads = 4 : i64, scale = 5.000000e-01 : f64, window = 20 : i64}
// CHECK: %[[S:.*]] = step.buffer "layers.1.qk" : memref<8x256xf32>
// CHECK: step.phase "layers.1.qk" rows(all) cols(4) by_row
// CHECK:   step.qk %[[S]], %[[A]], @kv.0
// CHECK: %[[P:.*]] = step.buffer "layers.1.softmax" : memref<8x256xf32>
// CHECK: step.phase "layers.1.softmax" rows(all) cols(4) by_row
// CHECK:   %[[ST:.*]] = step.tile %[[S]] {offset = 0 : i64, stride = 64 : i64, width = 64 : i64}
// CHECK:   %[[PT:.*]] = step.tile %[[P]] {offset = 0 : i64, stride = 64 : i64, width = 64 : i64}
// CHECK:   step.softmax %[[PT]], %[[ST]]
// CHECK: step.phase "layers.1.pv" rows(all) cols(4) by_row
// CHECK:   step.pv %[[O:.*]], %[[P]], @kv.0 {heads = 4 : i64, window = 20 : i64}
// CHECK: step.yield %[[O]]
