// RUN: gemma-opt %s --step-cost | FileCheck %s

// Weights count once for all rows, shared buffers once a row whatever the tasks, caches as if full (a window: the window).
gemma.weight @w {random = 1 : i64} : tensor<32x64xf32>
gemma.weight @e {random = 1 : i64} : tensor<5x16x64xf32>
gemma.weight @t {random = 1 : i64} : tensor<10x64xbf16>

step.program @step attributes {context = 128 : i64, chunk = 4 : i64, batch = 1 : i64} {
  step.cache @kv.0 bf16 {heads = 1 : i64, head_dim = 16 : i64, window = 20 : i64, slots = 32 : i64}
  step.weight @w f32p16 {n = 32 : i64, k = 64 : i64, tile = 16 : i64, sources = [@w]}
  step.weight @e f32p16 {n = 16 : i64, k = 64 : i64, tile = 16 : i64, experts = 5 : i64, sources = [@e]}
  step.weight @t rows_bf16 {n = 10 : i64, k = 64 : i64, tile = 1 : i64, sources = [@t]}
  step.entry @prefill_none logits(none) attributes {rows = 4 : i64} {
    %a = step.buffer "a" : memref<4x64xf32>
    %b = step.buffer "b" : memref<4x32xf32>
    %o = step.buffer "o" : memref<4x32xf32>
    %w = step.buffer "w" : memref<4x2xf32>
    %i = step.buffer "i" : memref<4x2xi32>
    %y = step.buffer "y" : memref<4x32xf32>
    // A row of 128 bytes in, 256 out; 64 products.
    // CHECK: step.phase "embed" {{.*}}{bytes = 384 : i64, flops = 64 : i64, row_bytes = 384 : i64, row_flops = 64 : i64}
    step.phase "embed" rows(all) cols(1) by_row do {
      step.embed %a, @t {scale = 1.0 : f64} : memref<4x64xf32>
    }
    step.barrier
    // 8192 bytes of weights; 256 in and 128 out a row; 2 * 32 * 64.
    // CHECK: step.phase "product" {{.*}}{bytes = 8576 : i64, flops = 4096 : i64, row_bytes = 384 : i64, row_flops = 4096 : i64}
    step.phase "product" rows(all) cols(2) do {
      %v = step.tile %b {offset = 0 : i64, stride = 16 : i64, width = 16 : i64} : memref<4x32xf32> -> memref<4x16xf32>
      step.matmul %v, %a, @w as f32 : memref<4x16xf32>, memref<4x64xf32>
    }
    step.barrier
    // 20 positions of 16 bf16, K and V: 1280 bytes, once for all rows; 128 in, 128 out. Two heads: 2 * 20 * (64 + 5).
    // CHECK: step.phase "attention" {{.*}}{bytes = 1536 : i64, flops = 2760 : i64, row_bytes = 256 : i64, row_flops = 2760 : i64}
    step.phase "attention" rows(all) cols(2) by_row do {
      step.attention %o, %b, @kv.0 {heads = 2 : i64, window = 20 : i64, scale = 1.0 : f64} : memref<4x32xf32>, memref<4x32xf32>
    }
    step.barrier
    // Two ranks of five values, one by one: each counts as 128 of others.
    // CHECK: step.phase "top" {{.*}}{bytes = 36 : i64, flops = 1280 : i64
    step.phase "top" rows(all) cols(1) by_row do {
      %s = step.tile %o {offset = 0 : i64, stride = 0 : i64, width = 5 : i64} : memref<4x32xf32> -> memref<4x5xf32>
      step.top_k %w, %i, %s {k = 2 : i64} : memref<4x2xf32>, memref<4x2xi32>, memref<4x5xf32>
    }
    step.barrier
    // Two experts of 4096 bytes for a row; 256 + 8 in, 128 out. Four rows choose eight times, but there are five experts,
    // each read once: three more over three further rows.
    // CHECK: step.phase "experts" {{.*}}{bytes = 8584 : i64, flops = 4096 : i64, row_bytes = 4488 : i64
    step.phase "experts" rows(all) cols(2) by_row do {
      %v = step.tile %y {offset = 0 : i64, stride = 16 : i64, width = 16 : i64} : memref<4x32xf32> -> memref<4x16xf32>
      step.expert_matmul %v, %a, %i, @e as f32 {slots = 2 : i64} : memref<4x16xf32>, memref<4x64xf32>, memref<4x2xi32>
    }
    step.yield
  }
}
