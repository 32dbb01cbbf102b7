// RUN: gemma-opt %s --pass-pipeline='builtin.module(step-prefetch{bytes=2048})' | FileCheck %s
// RUN: gemma-opt %s --pass-pipeline='builtin.module(step-prefetch{bytes=2048},step-prefetch{bytes=2048})' | FileCheck %s --check-prefix=TWICE

// Phases of one row get a prefetch of the weight they stream, before their barrier; the first phase has none to wait at,
// phases of many rows and those that stream nothing need none.
gemma.weight @w {random = 1 : i64} : tensor<16x64xf32>

step.program @step attributes {context = 64 : i64, chunk = 4 : i64, batch = 1 : i64} {
  step.weight @w f32p16 {n = 16 : i64, k = 64 : i64, tile = 16 : i64, sources = [@w]}
  // CHECK-LABEL: step.entry @prefill_last
  step.entry @prefill_last logits(last) attributes {rows = 4 : i64} {
    %a = step.buffer "a" : memref<4x64xf32>
    %b = step.buffer "b" : memref<4x16xf32>
    %last = step.buffer "last" : memref<1x64xf32>
    %c = step.buffer "c" : memref<1x16xf32>
    step.phase "table" rows(all) cols(1) by_row do {
      step.rope_table %a {head_dim = 64 : i64, angles = 32 : i64, theta = 10000.0 : f64, factor = 1.0 : f64} : memref<4x64xf32>
    }
    // CHECK-NOT: step.prefetch
    step.barrier
    step.phase "all" rows(all) cols(1) do {
      step.matmul %b, %a, @w as f32 : memref<4x16xf32>, memref<4x64xf32>
    }
    step.barrier
    step.phase "take" rows(last) cols(1) by_row do {
      step.take_row %last, %a : memref<1x64xf32>, memref<4x64xf32>
    }
    // CHECK: step.phase "take"
    // CHECK: step.prefetch @w {bytes = 2048 : i64}
    // CHECK-NEXT: step.barrier
    // CHECK-NEXT: step.phase "last"
    step.barrier
    step.phase "last" rows(last) cols(1) do {
      step.matmul %c, %last, @w as f32 : memref<1x16xf32>, memref<1x64xf32>
    }
    step.yield %c : memref<1x16xf32>
  }
}

// A second run adds none.
// TWICE-COUNT-1: step.prefetch
// TWICE-NOT: step.prefetch
