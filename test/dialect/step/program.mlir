// RUN: gemma-opt %s | gemma-opt | FileCheck %s
// RUN: gemma-opt %s --emit-bytecode | gemma-opt | FileCheck %s
// A whole little model: one attention layer with its MLP, decode and the last chunk of a prompt.

module {
  gemma.weight @embed quant(q8) {random = 1 : i64} : tensor<64x64xf32>
  gemma.weight @ln {random = 2 : i64} : tensor<64xf32>
  gemma.weight @q quant(q4) {random = 3 : i64} : tensor<64x64xf32>
  gemma.weight @k quant(q4) {random = 4 : i64} : tensor<32x64xf32>
  gemma.weight @v quant(q4) {random = 5 : i64} : tensor<32x64xf32>
  gemma.weight @o quant(q4) {random = 6 : i64} : tensor<64x64xf32>
  gemma.weight @gate quant(q4) {random = 7 : i64} : tensor<128x64xf32>
  gemma.weight @up quant(q4) {random = 8 : i64} : tensor<128x64xf32>
  gemma.weight @down quant(q4) {random = 9 : i64} : tensor<64x128xf32>

  // CHECK: step.program @little attributes {arena_bytes = 40960 : i64, batch = 1 : i64, chunk = 16 : i64, context = 40 : i64}
  step.program @little attributes {context = 40, chunk = 16, batch = 1, arena_bytes = 40960 : i64} {
    // CHECK: step.weight @w.embed q8p16 {k = 64 : i64, n = 64 : i64, sources = [@embed], tile = 32 : i64}
    step.weight @w.embed q8p16 {n = 64, k = 64, tile = 32, sources = [@embed]}
    // CHECK: step.weight @w.ln vec {{{.*}}offset = 64 : i64
    step.weight @w.ln vec {n = 64, k = 1, tile = 64, sources = [@ln], offset = 64 : i64}
    step.weight @w.qkv q4p16 {n = 128, k = 64, tile = 32, sources = [@q, @k, @v]}
    step.weight @w.o q4p16 {n = 64, k = 64, tile = 32, sources = [@o]}
    // CHECK: step.weight @w.gu q4p16 {interleave,
    step.weight @w.gu q4p16 {n = 256, k = 64, tile = 64, sources = [@gate, @up], interleave}
    step.weight @w.down q4p16 {n = 64, k = 128, tile = 32, sources = [@down]}
    // CHECK: step.cache @kv.0 bf16 {head_dim = 32 : i64, heads = 1 : i64, k_offset = 0 : i64, slots = 32 : i64, v_offset = 2048 : i64, window = 8 : i64}
    step.cache @kv.0 bf16 {heads = 1, head_dim = 32, window = 8, slots = 32, k_offset = 0 : i64, v_offset = 2048 : i64}

    // CHECK: step.entry @prefill_last logits(last) attributes {rows = 16 : i64} {
    step.entry @prefill_last logits(last) attributes {rows = 16} {
      // CHECK: %[[X:x]] = step.buffer "x" {offset = 4096 : i64} : memref<16x64xf32>
      %x = step.buffer "x" {offset = 4096 : i64} : memref<16x64xf32>
      %qkv = step.buffer "qkv" {offset = 8192 : i64} : memref<16x128xf32>
      %att = step.buffer "att" {offset = 16384 : i64} : memref<16x64xf32>
      %act = step.buffer "act" {offset = 8192 : i64} : memref<16x128xi8>
      // "sum" takes the place of "qkv", which is dead by then.
      %sum = step.buffer "sum" {offset = 12288 : i64} : memref<16x64xf32>
      %mid = step.buffer "mid" {offset = 20480 : i64} : memref<16x128xf32>
      %last = step.buffer "last" {offset = 32768 : i64} : memref<1x64xf32>
      %logits = step.buffer "logits" {offset = 33024 : i64} : memref<1x64xf32>
      // CHECK: %[[H:.*]] = step.buffer "h" : memref<16x64xf32, "private">
      %h = step.buffer "h" : memref<16x64xf32, "private">
      %ha = step.buffer "ha" : memref<16x128xi8, "private">
      %rope = step.buffer "rope" : memref<16x32xf32, "private">
      %gu = step.buffer "gu" : memref<16x64xf32, "private">
      %md = step.buffer "md" : memref<16x192xi8, "private">
      %h1 = step.buffer "h1" : memref<1x64xf32, "private">
      %ha1 = step.buffer "ha1" : memref<1x128xi8, "private">

      // CHECK: step.phase "embed" rows(all) cols(1) by_row do {
      step.phase "embed" rows(all) cols(1) by_row do {
        // CHECK: step.embed %[[X]], @w.embed {scale = 8.000000e+00 : f64} : memref<16x64xf32>
        step.embed %x, @w.embed {scale = 8.0} : memref<16x64xf32>
      }
      // CHECK: step.prefetch @w.qkv {bytes = 1024 : i64}
      step.prefetch @w.qkv {bytes = 1024}
      // CHECK: step.barrier
      step.barrier
      // CHECK: step.phase "qkv" rows(all) cols(4) {bytes = 9216 : i64} prologue {
      step.phase "qkv" rows(all) cols(4) {bytes = 9216 : i64} prologue {
        // CHECK: step.norm %[[H]], %[[X]], @w.ln {eps = 9.9999999999999995E-7 : f64, group = 64 : i64} : memref<16x64xf32, "private">, memref<16x64xf32>
        step.norm %h, %x, @w.ln {group = 64, eps = 1.0e-6} : memref<16x64xf32, "private">, memref<16x64xf32>
        // CHECK: step.pack %{{.*}}, %[[H]] as i8 : memref<16x128xi8, "private">, memref<16x64xf32, "private">
        step.pack %ha, %h as i8 : memref<16x128xi8, "private">, memref<16x64xf32, "private">
        // CHECK: step.rope_table
        step.rope_table %rope {head_dim = 32, angles = 16, theta = 10000.0, factor = 1.0} : memref<16x32xf32, "private">
      // CHECK: } do {
      } do {
        // CHECK: %[[T:.*]] = step.tile %{{.*}} {offset = 0 : i64, stride = 32 : i64, width = 32 : i64} : memref<16x128xf32> -> memref<16x32xf32>
        %t = step.tile %qkv {offset = 0, stride = 32, width = 32} : memref<16x128xf32> -> memref<16x32xf32>
        // CHECK: step.matmul %[[T]], %{{.*}}, @w.qkv as i8 : memref<16x32xf32>, memref<16x128xi8, "private">
        step.matmul %t, %ha, @w.qkv as i8 : memref<16x32xf32>, memref<16x128xi8, "private">
        // CHECK: step.case 0 to 3 {
        step.case 0 to 3 {
          %u = step.tile %qkv {offset = 0, stride = 32, width = 32} : memref<16x128xf32> -> memref<16x32xf32>
          // CHECK: step.rope
          step.rope %u, %u, %rope {head_dim = 32, angles = 16} : memref<16x32xf32>, memref<16x32xf32>, memref<16x32xf32, "private">
        }
        step.case 2 to 3 {
          %u = step.tile %qkv {offset = 64, stride = 0, width = 32} : memref<16x128xf32> -> memref<16x32xf32>
          // CHECK: step.cache_write @kv.0 k, %{{.*}} : memref<16x32xf32>
          step.cache_write @kv.0 k, %u : memref<16x32xf32>
        }
        step.case 3 to 4 {
          %u = step.tile %qkv {offset = 96, stride = 0, width = 32} : memref<16x128xf32> -> memref<16x32xf32>
          // CHECK: step.cache_write @kv.0 v, %{{.*}} : memref<16x32xf32>
          step.cache_write @kv.0 v, %u : memref<16x32xf32>
        }
      }
      step.barrier
      // Attention takes a buffer of the query heads only.
      // CHECK: step.phase "q" rows(all) cols(1) by_row do {
      step.phase "q" rows(all) cols(1) by_row do {
        %q = step.tile %qkv {offset = 0, stride = 0, width = 64} : memref<16x128xf32> -> memref<16x64xf32>
        step.copy %att, %q : memref<16x64xf32>, memref<16x64xf32>
      }
      step.barrier
      // CHECK: step.phase "attention" rows(all) cols(2) by_row do {
      step.phase "attention" rows(all) cols(2) by_row do {
        // CHECK: step.attention %{{.*}}, %{{.*}}, @kv.0 {heads = 2 : i64, scale = 1.000000e+00 : f64, window = 8 : i64} : memref<16x64xf32>, memref<16x64xf32>
        step.attention %sum, %att, @kv.0 {heads = 2, window = 8, scale = 1.0} : memref<16x64xf32>, memref<16x64xf32>
      }
      step.barrier
      step.phase "pack" rows(all) cols(1) by_row do {
        step.pack %act, %sum as i8 : memref<16x128xi8>, memref<16x64xf32>
      }
      step.barrier
      step.phase "o" rows(all) cols(2) do {
        %t = step.tile %att {offset = 0, stride = 32, width = 32} : memref<16x64xf32> -> memref<16x32xf32>
        %r = step.tile %x {offset = 0, stride = 32, width = 32} : memref<16x64xf32> -> memref<16x32xf32>
        step.matmul %t, %act, @w.o as i8 : memref<16x32xf32>, memref<16x128xi8>
        // CHECK: step.add
        step.add %r, %r, %t : memref<16x32xf32>, memref<16x32xf32>, memref<16x32xf32>
      }
      step.barrier
      step.phase "mlp" rows(all) cols(4) prologue {
        step.norm %h, %x, @w.ln {group = 64, eps = 1.0e-6} : memref<16x64xf32, "private">, memref<16x64xf32>
        // CHECK: step.publish
        step.publish %sum, %h : memref<16x64xf32>, memref<16x64xf32, "private">
        step.pack %ha, %h as i8 : memref<16x128xi8, "private">, memref<16x64xf32, "private">
      } do {
        step.matmul %gu, %ha, @w.gu as i8 : memref<16x64xf32, "private">, memref<16x128xi8, "private">
        %gate = step.tile %gu {offset = 0, stride = 0, width = 32} : memref<16x64xf32, "private"> -> memref<16x32xf32, "private">
        %up = step.tile %gu {offset = 32, stride = 0, width = 32} : memref<16x64xf32, "private"> -> memref<16x32xf32, "private">
        step.gelu %gate, %gate : memref<16x32xf32, "private">, memref<16x32xf32, "private">
        %t = step.tile %mid {offset = 0, stride = 32, width = 32} : memref<16x128xf32> -> memref<16x32xf32>
        step.mul %t, %gate, %up : memref<16x32xf32>, memref<16x32xf32, "private">, memref<16x32xf32, "private">
      }
      step.barrier
      step.phase "down" rows(all) cols(2) prologue {
        step.pack %md, %mid as i8 : memref<16x192xi8, "private">, memref<16x128xf32>
      } do {
        %t = step.tile %att {offset = 0, stride = 32, width = 32} : memref<16x64xf32> -> memref<16x32xf32>
        step.matmul %t, %md, @w.down as i8 : memref<16x32xf32>, memref<16x192xi8, "private">
      }
      step.barrier
      // CHECK: step.phase "last" rows(last) cols(1) do {
      step.phase "last" rows(last) cols(1) do {
        // CHECK: step.take_row
        step.take_row %last, %x : memref<1x64xf32>, memref<16x64xf32>
        step.take_row %h1, %sum : memref<1x64xf32, "private">, memref<16x64xf32>
        step.add %last, %last, %h1 : memref<1x64xf32>, memref<1x64xf32>, memref<1x64xf32, "private">
      }
      step.barrier
      step.phase "logits" rows(last) cols(2) prologue {
        step.norm %h1, %last, @w.ln {group = 64, eps = 1.0e-6} : memref<1x64xf32, "private">, memref<1x64xf32>
        step.pack %ha1, %h1 as i8 : memref<1x128xi8, "private">, memref<1x64xf32, "private">
      } do {
        %t = step.tile %logits {offset = 0, stride = 32, width = 32} : memref<1x64xf32> -> memref<1x32xf32>
        step.matmul %t, %ha1, @w.embed as i8 : memref<1x32xf32>, memref<1x128xi8, "private">
        step.softcap %t, %t {cap = 30.0} : memref<1x32xf32>, memref<1x32xf32>
      }
      // CHECK: step.yield %{{.*}} : memref<1x64xf32>
      step.yield %logits : memref<1x64xf32>
    }

    // CHECK: step.entry @prefill_none logits(none) attributes {rows = 16 : i64} {
    step.entry @prefill_none logits(none) attributes {rows = 16} {
      %x = step.buffer "x" : memref<16x64xf32>
      step.phase "embed" rows(all) cols(1) by_row do {
        step.embed %x, @w.embed {scale = 8.0} : memref<16x64xf32>
      }
    }
  }
}
