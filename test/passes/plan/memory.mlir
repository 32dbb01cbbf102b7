// RUN: gemma-opt %s --step-plan-memory | FileCheck %s

// Caches come first, for all entries at the same place; then buffers, so that those live in the same phase do not overlap: @c
// takes the place of @a, which is dead by then. Private buffers are laid out per phase. Weights lie in the order in which
// the phases stream them, tables to gather from at the end, wherever they are declared.
gemma.weight @first {random = 1 : i64} : tensor<16x64xf32>
gemma.weight @second {random = 2 : i64} : tensor<16x16xf32>
gemma.weight @table {random = 3 : i64} : tensor<10x64xf32>

// CHECK: step.program @step attributes {arena_bytes = 9728 : i64, {{.*}}scratch_bytes = 320 : i64, weight_bytes = 10752 : i64}
step.program @step attributes {context = 64 : i64, chunk = 1 : i64, batch = 1 : i64} {
  // CHECK: step.cache @kv.0 {{.*}}k_offset = 0 : i64{{.*}}v_offset = 4096 : i64
  step.cache @kv.0 f32 {heads = 1 : i64, head_dim = 16 : i64, window = 0 : i64, slots = 64 : i64}
  // CHECK: step.weight @table {{.*}}bytes = 2560 : i64{{.*}}offset = 8192 : i64
  step.weight @table rows_f32 {n = 10 : i64, k = 64 : i64, tile = 1 : i64, sources = [@table]}
  // CHECK: step.weight @second {{.*}}bytes = 4096 : i64{{.*}}offset = 4096 : i64
  step.weight @second f32p16 {n = 16 : i64, k = 16 : i64, tile = 16 : i64, sources = [@second]}
  // CHECK: step.weight @first {{.*}}bytes = 4096 : i64{{.*}}offset = 0 : i64
  step.weight @first f32p16 {n = 16 : i64, k = 64 : i64, tile = 16 : i64, sources = [@first]}
  step.entry @decode logits(last) attributes {rows = 1 : i64} {
    // CHECK: step.buffer "a" {offset = 8192 : i64}
    %a = step.buffer "a" : memref<1x64xf32>
    step.phase "embed" rows(all) cols(1) by_row do {
      step.embed %a, @table {scale = 1.0 : f64} : memref<1x64xf32>
    }
    step.barrier
    // CHECK: step.buffer "act" {offset = 0 : i64}
    %act = step.buffer "act" : memref<1x64xf32, "private">
    // CHECK: step.buffer "t" {offset = 256 : i64}
    %t = step.buffer "t" : memref<1x16xf32, "private">
    // CHECK: step.buffer "b" {offset = 8448 : i64}
    %b = step.buffer "b" : memref<1x16xf32>
    step.phase "first" rows(all) cols(1) prologue {
      step.pack %act, %a as f32 : memref<1x64xf32, "private">, memref<1x64xf32>
    } do {
      step.matmul %t, %act, @first as f32 : memref<1x16xf32, "private">, memref<1x64xf32, "private">
      step.gelu %b, %t : memref<1x16xf32>, memref<1x16xf32, "private">
    }
    step.barrier
    // CHECK: step.buffer "act2" {offset = 0 : i64}
    %act2 = step.buffer "act2" : memref<1x64xf32, "private">
    // CHECK: step.buffer "c" {offset = 8192 : i64}
    %c = step.buffer "c" : memref<1x16xf32>
    step.phase "second" rows(all) cols(1) prologue {
      step.pack %act2, %b as f32 : memref<1x64xf32, "private">, memref<1x16xf32>
    } do {
      step.matmul %c, %act2, @second as f32 : memref<1x16xf32>, memref<1x64xf32, "private">
    }
    step.yield %c : memref<1x16xf32>
  }
  // Another entry uses the same place, behind the caches.
  step.entry @prefill_none logits(none) attributes {rows = 1 : i64} {
    // CHECK: step.buffer "big" {offset = 8192 : i64}
    %big = step.buffer "big" : memref<1x384xf32>
    step.phase "rope" rows(all) cols(1) by_row do {
      step.rope_table %big {head_dim = 384 : i64, angles = 192 : i64, theta = 10000.0 : f64, factor = 1.0 : f64} : memref<1x384xf32>
    }
    step.yield
  }
}
