// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// `?` rows are all rows of the entry; a static row count is what take_rows left, one row of each sequence. Ops on those are
// phases of rows(last) on 1-row buffers, with a RoPE table and a prologue of their own. take_rows of the positions is
// nothing: rows(last) says it.
gemma.weight @layers.0.k {random = 1 : i64} : tensor<32x32xf32>
gemma.weight @layers.0.q {random = 2 : i64} : tensor<32x32xf32>
gemma.weight @table {random = 6 : i64} : tensor<10x32xf32>
gemma.cache @kv.0 {heads = 1 : i64, head_dim = 32 : i64, window = 0 : i64}

func.func @prefill_last(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) -> tensor<1x32xf32> attributes {gemma.entry = "prefill_last"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %pos1 = gemma.take_rows %pos, %seq {batch = 1 : i64} : tensor<?xi32>, tensor<?xi32> -> tensor<1xi32>
  %k = gemma.linear %x, @layers.0.k : tensor<?x32xf32> -> tensor<?x32xf32> loc("layers.0.k")
  %kr = gemma.rope %k, %pos {head_dim = 32 : i64, angles = 16 : i64, theta = 1.0e4 : f64} : tensor<?x32xf32>, tensor<?xi32> loc("layers.0.k_rope")
  %kv = gemma.cache_update @kv.0, %kr, %k, %pos, %seq : tensor<?x32xf32>, tensor<?xi32> -> !gemma.kv<1 x 32> loc("layers.0.kv")
  %x1 = gemma.take_rows %x, %seq {batch = 1 : i64} : tensor<?x32xf32>, tensor<?xi32> -> tensor<1x32xf32> loc("take")
  %q = gemma.linear %x1, @layers.0.q : tensor<1x32xf32> -> tensor<1x32xf32> loc("layers.0.q")
  %qr = gemma.rope %q, %pos1 {head_dim = 32 : i64, angles = 16 : i64, theta = 1.0e4 : f64} : tensor<1x32xf32>, tensor<1xi32> loc("layers.0.q_rope")
  return %qr : tensor<1x32xf32>
}

// prefill_none yields nothing.
func.func @prefill_none(%tokens: tensor<?xi32>, %pos: tensor<?xi32>, %seq: tensor<?xi32>) attributes {gemma.entry = "prefill_none"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<?xi32> -> tensor<?x32xf32> loc("embed")
  %kv = gemma.cache_update @kv.0, %x, %x, %pos, %seq : tensor<?x32xf32>, tensor<?xi32> -> !gemma.kv<1 x 32> loc("layers.0.kv")
  return
}

// CHECK-LABEL: step.entry @prefill_last logits(last) attributes {rows = 8 : i64}
// CHECK: step.phase "rope" rows(all) cols(1) by_row
// CHECK:   step.rope_table %[[ALL:.*]] {{{.*}} : memref<8x32xf32>
// CHECK: step.phase "rope.last" rows(last) cols(1) by_row
// CHECK:   step.rope_table %[[LAST:.*]] {{{.*}} : memref<1x32xf32>
// CHECK: step.phase "embed" rows(all)
// CHECK:   step.embed %[[X:.*]], @table
// CHECK: step.phase "layers.0.k.pack" rows(all)
// CHECK: step.phase "layers.0.k" rows(all)
// CHECK: step.phase "layers.0.k_rope" rows(all)
// CHECK:   step.rope %{{.*}}, %{{.*}}, %[[ALL]]
// CHECK: step.phase "layers.0.kv" rows(all)
// CHECK: step.phase "take" rows(last) cols(1) by_row
// CHECK:   step.take_row %[[X1:.*]], %[[X]] : memref<1x32xf32>, memref<8x32xf32>
// CHECK: step.phase "layers.0.q" rows(last) cols(1) prologue {
// CHECK:   step.pack %{{.*}}, %[[X1]]
// CHECK: step.phase "layers.0.q_rope" rows(last)
// CHECK:   step.rope %[[Q:.*]], %{{.*}}, %[[LAST]]
// CHECK: step.yield %[[Q]] : memref<1x32xf32>

// CHECK-LABEL: step.entry @prefill_none logits(none) attributes {rows = 8 : i64}
// CHECK: step.phase "layers.0.kv"
// CHECK-NOT: step.yield
